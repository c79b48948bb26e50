#include "report/canvas.h"

#include <algorithm>

namespace weir {
namespace {

constexpr double kTop = 26, kRight = 14, kKeyWidth = 32;

}  // namespace

std::string LineClasses(int colour, bool limit) {
  return limit ? "rf" : "ln " + ColourClass(colour) + " " + DashClass(colour);
}

void Canvas::SetPlot(double left, double height) {
  plot_ = {left, kTop, width() - left - kRight, height};
  bottom_ = plot_.bottom();
}

void Canvas::DrawYAxis(const Scale& scale, const std::string& label) {
  svg_.Text(2, kTextHeight, FitText(label, width() - 4), Anchor::kStart, "lb");
  const int most = static_cast<int>(plot_.height / 28);
  for (const double tick : scale.Ticks(most)) {
    const double y = Y(scale.Place(tick));
    svg_.Line(plot_.x, y, plot_.right(), y, "gr");
    svg_.Text(plot_.x - 6, y + 4, TickText(tick), Anchor::kEnd, "tk");
  }
}

void Canvas::DrawXAxis(const Scale& scale, const std::string& label) {
  const int most = static_cast<int>(plot_.width / 46);
  svg_.Line(plot_.x, plot_.bottom(), plot_.right(), plot_.bottom(), "ax");
  for (const double tick : scale.Ticks(most)) {
    const double x = X(scale.Place(tick));
    svg_.Line(x, plot_.bottom(), x, plot_.bottom() + 4, "ax");
    svg_.Text(x, plot_.bottom() + 17, TickText(tick), Anchor::kMiddle, "tk");
  }
  svg_.Text(plot_.x + plot_.width / 2, plot_.bottom() + 36, FitText(label, plot_.width), Anchor::kMiddle, "lb");
  bottom_ = plot_.bottom() + 42;
}

void Canvas::DrawLegend(const std::vector<LegendItem>& items) {
  if (items.empty()) return;
  double widest = 0;
  for (const LegendItem& item : items) widest = std::max(widest, TextWidth(item.name) + kKeyWidth + 14);
  const double left = 6, room = width() - left - 4;
  const int columns = std::max(1, static_cast<int>(room / std::min(widest, room)));
  const double column_width = room / columns;
  for (size_t i = 0; i < items.size(); ++i) {
    const LegendItem& item = items[i];
    const double x = left + column_width * static_cast<double>(i % columns);
    const double y = bottom_ + kRowHeight * (static_cast<double>(i / columns) + 0.7);
    if (!item.box.empty()) svg_.Box({x, y - 6, 24, 12}, item.box);
    if (item.line) svg_.Line(x, y, x + 25, y, LineClasses(item.colour, item.limit));
    if (item.marker) svg_.Marker(x + 12.5, y, item.colour, item.shape);
    svg_.Text(x + kKeyWidth, y + 4, FitText(item.name, column_width - kKeyWidth - 4));
  }
  bottom_ += kRowHeight * static_cast<double>((items.size() + columns - 1) / columns) + 6;
}

}  // namespace weir
