#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/text/utf8.h"
#include "report/text.h"

namespace weir {
namespace {

constexpr double kCharacterWidth = 6.7;

std::string Noted(std::string_view element, const std::string& attributes, std::string_view note) {
  if (note.empty()) return fmt::format("<{} {}/>\n", element, attributes);
  return fmt::format("<{} {}><title>{}</title></{}>\n", element, attributes, XmlText(note), element);
}

/// The outline of a marker around 0, 0.
const char* Outline(int shape) {
  switch (shape % kShapes) {
    case 0: return "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z";   // disc
    case 1: return "M-3.7 -3.7h7.4v7.4h-7.4z";              // square
    case 2: return "M0 -5l4.8 8.4h-9.6z";                   // triangle
    case 3: return "M0 -5.4l4.6 5.4l-4.6 5.4l-4.6 -5.4z";   // diamond
    case 4: return "M0 5l4.8 -8.4h-9.6z";                   // triangle on its point
    case 5: return "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z";   // ring
    case 6: return "M-3.7 -3.7h7.4v7.4h-7.4z";              // open square
    default: return "M-1.6 -5h3.2v3.4h3.4v3.2h-3.4v3.4h-3.2v-3.4h-3.4v-3.2h3.4z";  // cross
  }
}

bool IsOpen(int shape) { return shape % kShapes == 5 || shape % kShapes == 6; }

}  // namespace

double TextWidth(std::string_view text) { return kCharacterWidth * static_cast<double>(CountCharacters(text)); }

std::string FitText(std::string_view text, double width) {
  if (TextWidth(text) <= width) return std::string(text);
  const auto most = static_cast<int64_t>(std::max(1.0, width / kCharacterWidth - 1));
  return std::string(text.substr(0, ByteOfCharacter(text, most))) + "\u2026";
}

void Svg::Text(double x, double y, std::string_view text, Anchor anchor, std::string_view classes) {
  constexpr const char* kAnchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
  elements_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}{}>{}</text>\n", x, y, kAnchors[static_cast<int>(anchor)],
                           classes.empty() ? "" : fmt::format(" class=\"{}\"", classes), XmlText(text));
}

void Svg::Line(double x1, double y1, double x2, double y2, std::string_view classes) {
  elements_ += fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", classes, x1, y1, x2, y2);
}

void Svg::Path(std::string_view d, std::string_view classes) {
  elements_ += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", classes, d);
}

void Svg::Box(const Rect& rect, std::string_view classes, std::string_view note) {
  elements_ += Noted("rect",
                     fmt::format("class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"", classes,
                                 rect.x, rect.y, std::max(rect.width, 0.0), std::max(rect.height, 0.0)),
                     note);
}

void Svg::Marker(double x, double y, int colour, int shape, std::string_view note) {
  elements_ += Noted("path",
                     fmt::format("class=\"{} {}\" transform=\"translate({:.1f} {:.1f})\" d=\"{}\"", IsOpen(shape) ? "mo" : "mk",
                                 ColourClass(colour), x, y, Outline(shape)),
                     note);
}

std::string ColourClass(int colour) { return fmt::format("c{}", colour % kColours); }
std::string DashClass(int colour) { return fmt::format("d{}", colour % kColours); }

}  // namespace weir
