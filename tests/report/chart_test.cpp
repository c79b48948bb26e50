// Charts as XML, whatever they are made of.
#include "report/chart.h"

#include <gmock/gmock.h>

#include <limits>

#include "report/scale.h"
#include "report/text.h"
#include "xml.h"

namespace weir {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHostile = "</svg><script>alert(\"x\")</script> & '\x01\xff\xe2\x80\xae";

std::vector<std::string> Drawn(const Chart& chart) {
  return {RenderSvg(chart, ChartSize::kWide, "a"), RenderSvg(chart, ChartSize::kNarrow, "b"), RenderSvgFile(chart)};
}

PlotChart SomePlot() {
  PlotChart chart{"Speed", "Rises.", {"users"}, {"tok/s", false, true}, {}};
  chart.series.push_back({"a", {{1, 10, 9, 11, "1 user"}, {2, 20, 18, 22, "2 users"}}, 0, 0});
  chart.series.push_back({"b", {{1, 5}, {2, 7}}, 1, 1});
  return chart;
}

TEST(Chart, IsXmlWithATextAlternative) {
  const Chart charts[] = {SomePlot(), StripChart{"Waits", "Long.", "users", {"TTFT, ms", true}, {}, {}, {{"1", 1, 2, 3, 4, 5, 1, 6, 40}}},
                          BarChart{"Memory", "Much.", "GB", {"weights", "rest"}, "peak", 24, "machine", {{"a", {2, 1}, 2.5}}}};
  for (const Chart& chart : charts) {
    for (const std::string& svg : Drawn(chart)) {
      const Xml xml(svg);
      ASSERT_TRUE(xml.ok()) << xml.error() << svg;
      EXPECT_EQ(xml.Texts("title")[0], TitleOf(chart));
      EXPECT_EQ(xml.Texts("desc")[0], DescriptionOf(chart));
    }
  }
}

TEST(Chart, HostileTextStaysText) {
  PlotChart plot = SomePlot();
  plot.title = plot.description = plot.x.label = plot.y.label = plot.series[0].name = plot.series[0].points[0].note = kHostile;
  plot.series[0].name_points = true;
  const StripChart strips{kHostile, kHostile, kHostile, {kHostile}, {}, {}, {{kHostile, 1, 2, 3, 4, 5, 1, 6, 40}}};
  const BarChart bars{kHostile, kHostile, kHostile, {kHostile}, kHostile, 24, kHostile, {{kHostile, {2}, 2.5}}};
  for (const Chart& chart : {Chart(plot), Chart(strips), Chart(bars)}) {
    for (const std::string& svg : Drawn(chart)) {
      const Xml xml(svg);
      ASSERT_TRUE(xml.ok()) << xml.error();
      EXPECT_TRUE(xml.Texts("script").empty());
      EXPECT_THAT(xml.Texts("title")[0], HasSubstr("<script>"));
      EXPECT_THAT(svg, Not(HasSubstr("\xe2\x80\xae")));
    }
  }
}

TEST(Chart, WhatCannotBeDrawnIsLeftOut) {
  constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  for (const bool log : {false, true}) {
    PlotChart chart{"t", "d", {"x", log}, {"y", log}, {}};
    for (const std::string& svg : Drawn(chart)) EXPECT_TRUE(Xml(svg).ok());
    chart.series.push_back({"a", {{0, 0}, {-1, -1}, {kNan, 1}, {1, kInf}, {3, 3}}, 0, 0});
    chart.series.push_back({"tiny and huge", {{1e-300, 1e-300}, {1e300, 1e300}}, 0, 0});
    for (const std::string& svg : Drawn(chart)) {
      EXPECT_TRUE(Xml(svg).ok());
      EXPECT_THAT(svg, Not(HasSubstr("nan")));
      EXPECT_THAT(svg, Not(HasSubstr("inf")));
    }
  }
  const StripChart strips{"t", "d", "users", {"y", true}, {}, {}, {{"1", 0, 0, 0, 0, 0, 0, 0, 0}}};
  for (const std::string& svg : Drawn(strips)) EXPECT_THAT(svg, Not(HasSubstr("nan")));
  for (const std::string& svg : Drawn(BarChart{})) EXPECT_TRUE(Xml(svg).ok());
}

TEST(Chart, ManyStripsKeepSomeLabels) {
  StripChart chart{"t", "d", "users", {"y", true}, {}, {}, {}};
  for (int users = 1; users <= 120; ++users) chart.strips.push_back({std::to_string(users), 1, 2, 3, 4, 5, 1, 6, 40});
  for (const std::string& svg : Drawn(chart)) {
    const std::vector<std::string> texts = Xml(svg).Texts("text");
    EXPECT_THAT(texts, Not(Contains("3")));
    EXPECT_GT(texts.size(), 12u);
    EXPECT_LT(texts.size(), 40u);
  }
}

TEST(Scale, EndsAndTicksAreRound) {
  const Scale linear = Scale::Over({"y", false, true}, {33.8, 295});
  EXPECT_EQ(linear.low(), 0);
  EXPECT_EQ(linear.high(), 300);
  EXPECT_THAT(linear.Ticks(7), ElementsAre(0, 50, 100, 150, 200, 250, 300));
  const Scale log = Scale::Over({"y", true}, {3, 4000});
  EXPECT_EQ(log.low(), 2);
  EXPECT_EQ(log.high(), 5000);
  EXPECT_THAT(log.Ticks(5), ElementsAre(10, 100, 1000));
  EXPECT_DOUBLE_EQ(log.Place(100), std::log(50.0) / std::log(2500.0));
}

TEST(Scale, OneValueAndNoneMakeAScale) {
  for (const bool log : {false, true}) {
    for (const std::vector<double>& values : {std::vector<double>{}, {5}, {0}, {1, 1, 1}}) {
      const Scale scale = Scale::Over({"x", log}, values);
      EXPECT_LT(scale.low(), scale.high());
      EXPECT_FALSE(scale.Ticks(6).empty());
    }
  }
}

TEST(Scale, LabelsOfUsersDoNotMeet) {
  Axis axis{"users", true};
  for (int users = 1; users <= 40; ++users) axis.ticks.push_back(users);
  const Scale scale = Scale::Over(axis, axis.ticks);
  const std::vector<double> ticks = scale.Ticks(12);
  EXPECT_EQ(ticks.front(), 1);
  EXPECT_GT(ticks.size(), 5u);
  for (size_t i = 1; i < ticks.size(); ++i) EXPECT_GT(scale.Place(ticks[i]) - scale.Place(ticks[i - 1]), 0.05);
}

TEST(Text, NumbersHaveThreeDigitsOrSo) {
  EXPECT_EQ(ThreeDigits(0), "0.00");
  EXPECT_EQ(ThreeDigits(0.01234), "0.0123");
  EXPECT_EQ(ThreeDigits(9.994), "9.99");
  EXPECT_EQ(ThreeDigits(9.996), "10.0");
  EXPECT_EQ(ThreeDigits(33.84), "33.8");
  EXPECT_EQ(ThreeDigits(99.96), "100");
  EXPECT_EQ(ThreeDigits(6721.4), "6,721");
  EXPECT_EQ(ThreeDigits(-1234567), "-1,234,567");
  EXPECT_EQ(ByteText(28.6e9), "28.6 GB");
  EXPECT_EQ(ByteText(999), "999 B");
  EXPECT_EQ(IdRanges(std::vector<int64_t>{5, 3, 4, 9, 9, 11, 12}), "3 to 5, 9, 11, 12");
}

TEST(Text, IsCleanAndEscaped) {
  EXPECT_EQ(XmlText("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(CleanText("a\nb\x1b[2J"), "a b\xef\xbf\xbd[2J");
  EXPECT_EQ(CleanText("\xf0\x9f\x98\x80 \xed\xa0\x80|\xc0\xaf"), "\xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(CleanText("cut \xe2\x82"), "cut \xef\xbf\xbd");
  EXPECT_EQ(MarkdownText("a|b `c` [d](e) <i>"), "a\\|b \\`c\\` \\[d\\](e) &lt;i&gt;");
  EXPECT_EQ(XmlLines("a\n<b>"), "a\n&lt;b&gt;");
}

}  // namespace
}  // namespace weir
