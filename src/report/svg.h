// Shapes as SVG elements. What they look like is in ChartStyle(), by class.
#pragma once

#include <string>
#include <string_view>

namespace weir {

inline constexpr int kColours = 8, kShapes = 8;
inline constexpr double kTextHeight = 12, kRowHeight = 19;

/// Room that a line of text takes; fonts differ, so this is what most of them need.
double TextWidth(std::string_view text);
/// The beginning of `text` that fits into `width`, with an ellipsis for the rest.
std::string FitText(std::string_view text, double width);

struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
  bool Meets(const Rect& other) const {
    return x < other.right() && other.x < right() && y < other.bottom() && other.y < bottom();
  }
};

enum class Anchor { kStart, kMiddle, kEnd };

class Svg {
 public:
  /// `text` of any origin.
  void Text(double x, double y, std::string_view text, Anchor anchor = Anchor::kStart, std::string_view classes = "");
  void Line(double x1, double y1, double x2, double y2, std::string_view classes);
  void Path(std::string_view d, std::string_view classes);
  void Box(const Rect& rect, std::string_view classes, std::string_view note = "");
  /// One of kShapes; `note` is what the pointer is told.
  void Marker(double x, double y, int colour, int shape, std::string_view note = "");
  const std::string& elements() const { return elements_; }

 private:
  std::string elements_;
};

/// "c3": the colour of a series, for classes.
std::string ColourClass(int colour);
/// "d3": its dash.
std::string DashClass(int colour);

}  // namespace weir
