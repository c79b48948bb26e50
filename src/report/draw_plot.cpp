// Lines with their bands, points with their names.
#include <fmt/format.h>

#include <algorithm>

#include "report/canvas.h"
#include "report/text.h"

namespace weir {
namespace {

struct Scales {
  Scale x, y;
};

Scales ScalesOf(const PlotChart& chart) {
  std::vector<double> xs, ys;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) {
      xs.push_back(point.x);
      ys.push_back(point.y);
      if (point.low) ys.push_back(*point.low);
      if (point.high) ys.push_back(*point.high);
    }
  }
  return {Scale::Over(chart.x, xs), Scale::Over(chart.y, ys)};
}

/// Points that have a place, from left to right or as they came.
std::vector<Point> Drawable(const Series& series, const Scales& scales) {
  std::vector<Point> points;
  for (const Point& point : series.points) {
    if (scales.x.Has(point.x) && scales.y.Has(point.y)) points.push_back(point);
  }
  return points;
}

/// The 95 % interval: a band along a line, a stroke at a single point.
void DrawIntervals(const std::vector<Point>& points, const Series& series, const Scales& scales, Canvas& frame) {
  std::string upper, lower;
  for (const Point& point : points) {
    const double low = point.low.value_or(point.y), high = point.high.value_or(point.y);
    if (!scales.y.Has(low) || !scales.y.Has(high)) return;
    const double x = frame.X(scales.x.Place(point.x));
    const double y_low = frame.Y(scales.y.Place(low)), y_high = frame.Y(scales.y.Place(high));
    upper += fmt::format("{}{:.1f} {:.1f}", upper.empty() ? "M" : "L", x, y_high);
    lower = fmt::format("L{:.1f} {:.1f}", x, y_low) + lower;
    if (high > low) frame.svg().Line(x, y_low, x, y_high, "er " + ColourClass(series.colour));
  }
  if (series.line && points.size() > 1) frame.svg().Path(upper + lower + "Z", "bd " + ColourClass(series.colour));
}

void DrawLine(const std::vector<Point>& points, const Series& series, const Scales& scales, Canvas& frame) {
  if (points.size() < 2) return;
  std::string d;
  for (const Point& point : points) {
    d += fmt::format("{}{:.1f} {:.1f}", d.empty() ? "M" : "L", frame.X(scales.x.Place(point.x)), frame.Y(scales.y.Place(point.y)));
  }
  frame.svg().Path(d, LineClasses(series.colour, series.limit));
}

/// Names beside points, where there is room: on one of four sides, or not at all.
class Names {
 public:
  void Block(double x, double y) { taken_.push_back({x - 5, y - 5, 10, 10}); }
  void Place(const std::string& name, double x, double y, Canvas& frame) {
    const double width = TextWidth(name), height = kTextHeight;
    const Rect sides[] = {{x + 8, y - height / 2, width, height},
                          {x - 8 - width, y - height / 2, width, height},
                          {x - width / 2, y - 8 - height, width, height},
                          {x - width / 2, y + 8, width, height}};
    const Rect& plot = frame.plot();
    for (const Rect& side : sides) {
      const bool inside = side.x >= plot.x && side.right() <= plot.right() + 12 && side.y >= plot.y - 8 && side.bottom() <= plot.bottom();
      if (!inside || std::any_of(taken_.begin(), taken_.end(), [&](const Rect& other) { return side.Meets(other); })) continue;
      frame.svg().Text(side.x, side.bottom() - 2, name, Anchor::kStart, "tk");
      taken_.push_back(side);
      return;
    }
  }

 private:
  std::vector<Rect> taken_;
};

void DrawMarkers(const PlotChart& chart, const Scales& scales, Canvas& frame) {
  Names names;
  const auto each = [&](const auto& call) {
    for (const Series& series : chart.series) {
      if (!series.markers) continue;
      for (const Point& point : Drawable(series, scales)) {
        call(series, point, frame.X(scales.x.Place(point.x)), frame.Y(scales.y.Place(point.y)));
      }
    }
  };
  each([&](const Series&, const Point&, double x, double y) { names.Block(x, y); });
  each([&](const Series& series, const Point& point, double x, double y) {
    frame.svg().Marker(x, y, series.colour, series.shape, fmt::format("{}{}{}", series.name, point.note.empty() ? "" : ", ", point.note));
    if (series.name_points) names.Place(CleanText(point.note), x, y, frame);
  });
}

}  // namespace

void DrawPlot(const PlotChart& chart, Canvas& frame) {
  const Scales scales = ScalesOf(chart);
  frame.SetPlot(frame.wide() ? 54 : 46, frame.wide() ? 290 : 230);
  frame.DrawYAxis(scales.y, chart.y.label);
  frame.DrawXAxis(scales.x, chart.x.label);
  std::vector<LegendItem> legend;
  for (const Series& series : chart.series) {
    const std::vector<Point> points = Drawable(series, scales);
    if (series.markers) DrawIntervals(points, series, scales, frame);
    if (series.line) DrawLine(points, series, scales, frame);
    if (!series.name.empty()) legend.push_back({series.name, series.colour, series.shape, series.line, series.markers, series.limit});
  }
  DrawMarkers(chart, scales, frame);
  frame.DrawLegend(legend);
}

}  // namespace weir
