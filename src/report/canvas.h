// What charts have in common: the drawing area, axes, a legend, and the element around them.
#pragma once

#include <string>
#include <vector>

#include "report/chart.h"
#include "report/scale.h"
#include "report/svg.h"

namespace weir {

struct LegendItem {
  std::string name;
  int colour = 0, shape = 0;
  bool line = true, marker = true;
  bool limit = false;
  std::string box = {};  // classes of a filled box instead of line and marker
};

/// The classes of a series' line.
std::string LineClasses(int colour, bool limit);

/// A chart of one width that is being drawn from its top to its bottom.
class Canvas {
 public:
  explicit Canvas(ChartSize size) : wide_(size == ChartSize::kWide) {}

  bool wide() const { return wide_; }
  double width() const { return wide_ ? 640 : 340; }
  Svg& svg() { return svg_; }

  /// Takes room for text at the left and below, and sets where values are drawn.
  void SetPlot(double left, double height);
  const Rect& plot() const { return plot_; }
  double X(double place) const { return plot_.x + place * plot_.width; }
  double Y(double place) const { return plot_.bottom() - place * plot_.height; }

  void DrawYAxis(const Scale& scale, const std::string& label);
  void DrawXAxis(const Scale& scale, const std::string& label);
  /// Below everything that was drawn so far.
  void DrawLegend(const std::vector<LegendItem>& items);

  double bottom() const { return bottom_; }
  void SetBottom(double y) { bottom_ = y; }

 private:
  bool wide_;
  Svg svg_;
  Rect plot_;
  double bottom_ = 0;
};

void DrawPlot(const PlotChart& chart, Canvas& frame);
void DrawStrips(const StripChart& chart, Canvas& frame);
void DrawBars(const BarChart& chart, Canvas& frame);

}  // namespace weir
