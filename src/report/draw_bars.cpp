// Stacked bars from left to right, each below its label, and the limit that none should cross.
#include <fmt/format.h>

#include "report/canvas.h"
#include "report/text.h"

namespace weir {
namespace {

constexpr double kBarStep = 34, kBarHeight = 13;

Scale ScaleOf(const BarChart& chart) {
  std::vector<double> values;
  for (const Bar& bar : chart.bars) {
    double sum = 0;
    for (const double part : bar.parts) sum += part;
    values.push_back(sum);
    if (bar.marker) values.push_back(*bar.marker);
  }
  if (chart.limit) values.push_back(*chart.limit);
  return Scale::Over(Axis{chart.unit, false, /*from_zero=*/true}, values);
}

std::string FillClass(size_t part) { return fmt::format("f{} c0", std::min<size_t>(part, 3)); }

}  // namespace

void DrawBars(const BarChart& chart, Canvas& frame) {
  const Scale scale = ScaleOf(chart);
  frame.SetPlot(10, kBarStep * static_cast<double>(chart.bars.size()) + 6);
  Svg& svg = frame.svg();
  const Rect& plot = frame.plot();
  for (const double tick : scale.Ticks(frame.wide() ? 8 : 5)) {
    svg.Line(frame.X(scale.Place(tick)), plot.y, frame.X(scale.Place(tick)), plot.bottom(), "gr");
  }
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    const Bar& bar = chart.bars[i];
    const double y = plot.y + kBarStep * static_cast<double>(i);
    svg.Text(plot.x + 2, y + 12, FitText(bar.label, plot.width));
    double sum = 0;
    for (size_t part = 0; part < bar.parts.size(); ++part) {
      const double x = frame.X(scale.Place(sum));
      sum += bar.parts[part];
      svg.Box({x, y + 16, frame.X(scale.Place(sum)) - x, kBarHeight}, FillClass(part),
              fmt::format("{}, {}: {} {}", bar.label, part < chart.parts.size() ? chart.parts[part] : "", ThreeDigits(bar.parts[part]), chart.unit));
    }
    if (bar.marker) {
      svg.Marker(frame.X(scale.Place(*bar.marker)), y + 16 + kBarHeight / 2, 1, 3,
                 fmt::format("{}, {}: {} {}", bar.label, chart.marker, ThreeDigits(*bar.marker), chart.unit));
    }
  }
  frame.DrawXAxis(scale, chart.unit);
  if (chart.limit) {
    const double x = frame.X(scale.Place(*chart.limit));
    svg.Line(x, plot.y - 8, x, plot.bottom(), "lm");
    svg.Text(x - 4, plot.y - 8, chart.limit_label, Anchor::kEnd, "tk");
  }
  std::vector<LegendItem> legend;
  for (size_t part = 0; part < chart.parts.size(); ++part) legend.push_back({chart.parts[part], 0, 0, false, false, false, FillClass(part)});
  if (!chart.marker.empty()) legend.push_back({chart.marker, 1, 3, false, true});
  frame.DrawLegend(legend);
}

}  // namespace weir
