#include "report/chart.h"

#include <fmt/format.h>

#include "report/canvas.h"
#include "report/text.h"

namespace weir {
namespace {

// Two palettes of like lightness order, each at least 3 : 1 against its paper, so that greys differ as well as hues do;
// dashes and markers differ besides.
constexpr std::string_view kStyle = R"css(
.wc{--ink:#1a2027;--soft:#56606b;--grid:#e2e6ea;--axis:#8b95a1;--paper:#fff;
--k0:#0b57a4;--k1:#b8440a;--k2:#0b7a6d;--k3:#7a3fc4;--k4:#8a6a00;--k5:#b01d6d;--k6:#4b7a12;--k7:#4a5563;max-width:100%;height:auto}
@media (prefers-color-scheme:dark){.wc{--ink:#e6eaee;--soft:#a4aeb9;--grid:#2c333b;--axis:#6d7782;--paper:#14181d;
--k0:#6fb3ff;--k1:#ff9c63;--k2:#45d0bd;--k3:#bfa2ff;--k4:#e3bf45;--k5:#ff86bf;--k6:#a7d558;--k7:#b4bfca}}
@media print{.wc{--ink:#000;--soft:#333;--grid:#ddd;--axis:#666;--paper:#fff;
--k0:#0b57a4;--k1:#b8440a;--k2:#0b7a6d;--k3:#7a3fc4;--k4:#8a6a00;--k5:#b01d6d;--k6:#4b7a12;--k7:#4a5563}}
.wc text{font:12px/1 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif;fill:var(--ink)}
.wc .tk{fill:var(--soft);font-variant-numeric:tabular-nums}
.wc .lb{fill:var(--soft)}
.wc .hd{font-size:14px;font-weight:600}
.wc .gr{stroke:var(--grid);fill:none}
.wc .ax{stroke:var(--axis);fill:none}
.wc .lm{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 3;fill:none}
.wc .rf{stroke:var(--ink);stroke-width:1.6;fill:none}
.wc .ln{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:butt}
.wc .bd{fill:var(--c);fill-opacity:.15;stroke:none}
.wc .er{stroke:var(--c);fill:none;stroke-width:1.2}
.wc .mk{fill:var(--c);stroke:var(--paper);stroke-width:1}
.wc .mo{fill:var(--paper);stroke:var(--c);stroke-width:1.8}
.wc .f0{fill:var(--c);stroke:var(--c)}
.wc .f1{fill:var(--c);fill-opacity:.45;stroke:var(--c)}
.wc .f2{fill:var(--c);fill-opacity:.18;stroke:var(--c)}
.wc .f3{fill:none;stroke:var(--c);stroke-dasharray:3 2}
.wc .md{stroke:var(--ink);stroke-width:2.5;fill:none}
.wc .c0{--c:var(--k0)}.wc .c1{--c:var(--k1)}.wc .c2{--c:var(--k2)}.wc .c3{--c:var(--k3)}
.wc .c4{--c:var(--k4)}.wc .c5{--c:var(--k5)}.wc .c6{--c:var(--k6)}.wc .c7{--c:var(--k7)}
.wc .d1{stroke-dasharray:7 3}.wc .d2{stroke-dasharray:2 2.5}.wc .d3{stroke-dasharray:9 3 2 3}
.wc .d4{stroke-dasharray:13 3}.wc .d5{stroke-dasharray:5 2 1.5 2 1.5 2}.wc .d6{stroke-dasharray:4 4}.wc .d7{stroke-dasharray:1.5 4}
)css";

void Draw(const Chart& chart, Canvas& frame) {
  if (const auto* plot = std::get_if<PlotChart>(&chart)) DrawPlot(*plot, frame);
  if (const auto* strips = std::get_if<StripChart>(&chart)) DrawStrips(*strips, frame);
  if (const auto* bars = std::get_if<BarChart>(&chart)) DrawBars(*bars, frame);
}

/// The opening tag and the text alternative of a drawing.
std::string Head(const Chart& chart, double width, double height, double top, const std::string& id, bool is_file) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wc\" role=\"img\" viewBox=\"0 {:.0f} {:.0f} {:.0f}\" width=\"{:.0f}\" "
      "height=\"{:.0f}\" aria-labelledby=\"{}-t {}-d\">\n<title id=\"{}-t\">{}</title>\n<desc id=\"{}-d\">{}</desc>\n{}",
      -top, width, height + top, width, height + top, id, id, id, XmlText(TitleOf(chart)), id, XmlText(DescriptionOf(chart)),
      is_file ? fmt::format("<style>{}svg{{background:var(--paper)}}</style>\n", kStyle) : "");
}

}  // namespace

std::string RenderSvg(const Chart& chart, ChartSize size, const std::string& id) {
  Canvas frame(size);
  Draw(chart, frame);
  return Head(chart, frame.width(), frame.bottom(), 0, id, false) + frame.svg().elements() + "</svg>\n";
}

std::string RenderSvgFile(const Chart& chart) {
  constexpr double kTitleHeight = 28;
  Canvas frame(ChartSize::kWide);
  frame.svg().Text(2, 14 - kTitleHeight, FitText(TitleOf(chart), frame.width() * 0.85), Anchor::kStart, "hd");
  Draw(chart, frame);
  return Head(chart, frame.width(), frame.bottom() + 6, kTitleHeight, "chart", true) + frame.svg().elements() + "</svg>\n";
}

std::string_view ChartStyle() { return kStyle; }

const std::string& TitleOf(const Chart& chart) {
  return std::visit([](const auto& of) -> const std::string& { return of.title; }, chart);
}
const std::string& DescriptionOf(const Chart& chart) {
  return std::visit([](const auto& of) -> const std::string& { return of.description; }, chart);
}

}  // namespace weir
