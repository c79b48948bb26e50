// Charts as data, and as SVG. A chart can be read without its colours: series differ in marker and dash too, and
// the text alternative says what is drawn.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir {

struct Axis {
  std::string label;  // with its unit: "decode, tok/s"
  bool log = false;
  bool from_zero = false;             // a linear axis that must not exaggerate
  std::vector<double> ticks = {};     // where there is something to mark; empty: round numbers
};

struct Point {
  double x = 0, y = 0;
  std::optional<double> low = {}, high = {};  // 95 % interval of y
  std::string note = {};                      // what the pointer is told, and beside the point if `name_points`
};

struct Series {
  std::string name;
  std::vector<Point> points;
  int colour = 0, shape = 0;  // the colour has a dash of its own, the shape is that of the markers
  bool line = true, markers = true, name_points = false;
  bool limit = false;  // a line of the machine, not of a measurement
};

/// Lines, points, or both.
struct PlotChart {
  std::string title, description;
  Axis x, y;
  std::vector<Series> series;
};

/// How values are distributed, one strip for each group.
struct Strip {
  std::string label;
  double p5 = 0, p25 = 0, median = 0, p75 = 0, p95 = 0;
  double least = 0, greatest = 0;
  int64_t n = 0;
};
struct StripChart {
  std::string title, description;
  std::string groups;  // what the labels of the strips are: "users"
  Axis y;
  std::optional<double> y_low, y_high;  // of several charts with one scale
  std::vector<Strip> strips;
};

struct Bar {
  std::string label;
  std::vector<double> parts;     // from the axis outwards, as `parts` of the chart names them
  std::optional<double> marker;  // a measured value beside the stacked ones
};
struct BarChart {
  std::string title, description;
  std::string unit;  // of values: "GB"
  std::vector<std::string> parts;
  std::string marker;  // what the markers are
  std::optional<double> limit;
  std::string limit_label;
  std::vector<Bar> bars;
};

using Chart = std::variant<PlotChart, StripChart, BarChart>;

enum class ChartSize {
  kWide,    // 640 px
  kNarrow,  // 340 px, for the page of a telephone
};

/// An <svg> element for a page that has ChartStyle() among its styles. `id` makes the text alternative's ids unique.
std::string RenderSvg(const Chart& chart, ChartSize size, const std::string& id);
/// A file of its own.
std::string RenderSvgFile(const Chart& chart);

/// Colours for light and dark pages and for paper, as CSS.
std::string_view ChartStyle();

const std::string& TitleOf(const Chart& chart);
const std::string& DescriptionOf(const Chart& chart);

}  // namespace weir
