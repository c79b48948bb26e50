// Distributions: the line from the 5th to the 95th percentile, the box from the 25th to the 75th, the median as a bar.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/canvas.h"
#include "report/text.h"

namespace weir {

void DrawStrips(const StripChart& chart, Canvas& frame) {
  std::vector<double> values;
  for (const Strip& strip : chart.strips) {
    values.insert(values.end(), {strip.p5, strip.p95, strip.greatest});
  }
  if (chart.y_low) values.push_back(*chart.y_low);
  if (chart.y_high) values.push_back(*chart.y_high);
  const Scale scale = Scale::Over(chart.y, values);
  frame.SetPlot(frame.wide() ? 54 : 46, frame.wide() ? 220 : 190);
  frame.DrawYAxis(scale, chart.y.label);
  Svg& svg = frame.svg();
  const Rect& plot = frame.plot();
  svg.Line(plot.x, plot.bottom(), plot.right(), plot.bottom(), "ax");
  const double step = plot.width / static_cast<double>(std::max<size_t>(chart.strips.size(), 1));
  const double half = std::min(14.0, step * 0.3);
  double widest = 0;
  for (const Strip& strip : chart.strips) widest = std::max(widest, TextWidth(strip.label));
  const auto stride = static_cast<size_t>(std::ceil((widest + 4) / step));  // of labels
  for (size_t i = 0; i < chart.strips.size(); ++i) {
    const Strip& strip = chart.strips[i];
    const double x = plot.x + step * (static_cast<double>(i) + 0.5);
    const auto y = [&](double value) { return frame.Y(scale.Place(value)); };
    const std::string note =
        fmt::format("{} {}: median {}, half of {} values between {} and {}, 9 in 10 between {} and {}, greatest {}", chart.groups,
                    strip.label, ThreeDigits(strip.median), strip.n, ThreeDigits(strip.p25), ThreeDigits(strip.p75), ThreeDigits(strip.p5),
                    ThreeDigits(strip.p95), ThreeDigits(strip.greatest));
    if (!scale.Has(strip.p5)) continue;
    svg.Line(x, y(strip.p5), x, y(strip.p95), "er c0");
    svg.Line(x - half / 2, y(strip.p5), x + half / 2, y(strip.p5), "er c0");
    svg.Line(x - half / 2, y(strip.p95), x + half / 2, y(strip.p95), "er c0");
    svg.Box({x - half, y(strip.p75), 2 * half, y(strip.p25) - y(strip.p75)}, "f1 c0", note);
    svg.Line(x - half, y(strip.median), x + half, y(strip.median), "md");
    svg.Marker(x, y(strip.greatest), 0, 5, note);
    if (i % stride == 0) svg.Text(x, plot.bottom() + 17, strip.label, Anchor::kMiddle, "tk");
  }
  svg.Text(plot.x + plot.width / 2, plot.bottom() + 36, chart.groups, Anchor::kMiddle, "lb");
  frame.SetBottom(plot.bottom() + 42);
}

}  // namespace weir
