// Tokens per second: the table, against users, and where one user more costs.
#include <algorithm>

#include "bench/statistics.h"
#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

ReportValue IntervalText(const ReportData& data, const CellResult& cell) {
  const auto found = data.decode_intervals.find(cell.id);
  return found == data.decode_intervals.end() ? ReportValue{}
                                              : TextValue(fmt::format("{} to {}", ThreeDigits(found->second.low), ThreeDigits(found->second.high)));
}

std::string StatusText(const CellResult& cell) {
  std::string text(Name(cell.status));
  for (const Flag& flag : cell.flags) text += ", " + flag.name;
  return text;
}

ReportTable ThroughputTable(const ReportView& view) {
  ReportTable table{"Tokens per second of all users together. The median is over repeats, the best one never stands without it; "
              "the interval is the 95 % one of the median, of three repeats the least and the greatest. Decode: all users generate, nothing else runs. Aggregate: prompts included.",
              {{"model", "", "model", false}, {"users", "", "users"}, {"decode", "tok/s", "decode_tok_s_median"},
               {"95 %", "", "decode_ci95"}, {"best", "", "decode_tok_s_peak"}, {"each", "tok/s", "decode_tok_s_per_user"},
               {"aggregate", "tok/s", "aggregate_tok_s_median"}, {"best", "", "aggregate_tok_s_peak"},
               {"prefill", "tok/s", "prefill_tok_s"}, {"of limit", "%", "roofline_share"}, {"status, flags", "", "status", false},
               {"cell", "", "cell"}},
              {},
              {}};
  for (const CellSeries& series : view.series) {
    for (const CellResult* cell : series.cells) {
      const std::optional<double> decode = MedianOf(*cell, "decode_tok_s"), share = RooflineShare(*cell);
      table.rows.push_back({TextValue(series.name), IntValue(cell->row.users), NumberValue(decode), IntervalText(view.data, *cell),
                            NumberValue(PeakOf(*cell, "decode_tok_s")),
                            NumberValue(decode ? std::optional(*decode / cell->row.users) : std::nullopt),
                            NumberValue(MedianOf(*cell, "aggregate_tok_s")), NumberValue(PeakOf(*cell, "aggregate_tok_s")),
                            NumberValue(MedianOf(*cell, "prefill_tok_s")), share ? ReportValue{fmt::format("{:.0f}", *share * 100), share} : ReportValue{},
                            TextValue(StatusText(*cell)), IntValue(cell->id)});
    }
  }
  const std::vector<int64_t> ids = IdsOf(CellsOf(view));
  table.evidence = {FiguresSql(ids, {"decode_tok_s", "aggregate_tok_s", "prefill_tok_s", "limit_tok_s"}), ids};
  return table;
}

Series LineOf(const ReportData& data, const CellSeries& series, std::string_view figure) {
  Series line{series.name, {}, series.style, series.style};
  const auto& intervals = figure == "aggregate_tok_s" ? data.aggregate_intervals : data.decode_intervals;
  for (const CellResult* cell : series.cells) {
    const std::optional<double> median = MedianOf(*cell, figure);
    if (!median) continue;
    Point point{static_cast<double>(cell->row.users), *median};
    if (const auto interval = intervals.find(cell->id); interval != intervals.end()) {
      point.low = interval->second.low;
      point.high = interval->second.high;
    }
    point.note = fmt::format("{}: {} tok/s", CellUsersText(*cell), ThreeDigits(*median));
    line.points.push_back(std::move(point));
  }
  return line;
}

std::string Described(const PlotChart& chart) {
  std::string text = "Bands are 95 % intervals of the median.";
  for (const Series& series : chart.series) {
    if (series.points.empty()) continue;
    const Point &first = series.points.front(), &last = series.points.back();
    text += fmt::format(" {}: {} tok/s with {}", series.name, ThreeDigits(first.y), Count(static_cast<int64_t>(first.x), "user"));
    if (series.points.size() > 1) text += fmt::format(", {} with {}", ThreeDigits(last.y), static_cast<int64_t>(last.x));
    text += ".";
  }
  return text;
}

void AddCharts(const ReportView& view, std::string_view figure, std::string_view what, Section& section) {
  for (const std::vector<const CellSeries*>& group : ChartsOf(view.series)) {
    PlotChart chart;
    std::vector<int64_t> ids;
    for (const CellSeries* series : group) {
      Series line = LineOf(view.data, *series, figure);
      if (line.points.empty()) continue;
      chart.series.push_back(std::move(line));
      for (const CellResult* cell : series->cells) ids.push_back(cell->id);
    }
    if (chart.series.empty()) continue;
    const bool split = view.series.size() > group.size();
    chart.title = fmt::format("{}{} rate against users", split ? group.front()->model + ": " : "", figure == "decode_tok_s" ? "Decode" : "Aggregate");
    chart.x = UsersAxis(view);
    chart.y = {fmt::format("{}, tok/s of all users", what), false, true};
    chart.description = Described(chart);
    section.pictures.push_back({std::move(chart), {FiguresSql(ids, {figure}), ids}});
  }
}

/// "0.8B Q8_0: 33.6 tok/s for 1 user, 295 for 32: 8.8 times as much for 32 times the users."
void AddGrowth(const ReportView& view, Section& section) {
  for (const CellSeries& series : view.series) {
    const CellResult *first = nullptr, *last = nullptr;
    for (const CellResult* cell : series.cells) {
      if (!MedianOf(*cell, "decode_tok_s")) continue;
      if (!first) first = cell;
      last = cell;
    }
    if (!first || first == last) continue;
    const double from = *MedianOf(*first, "decode_tok_s"), to = *MedianOf(*last, "decode_tok_s");
    section.sentences.push_back(
        {fmt::format("{}: {} tok/s with {}, {} with {}: {} times as much for {:.3g} times the users, {} tok/s for each of them.",
                     series.name, ThreeDigits(from), CellUsersText(*first), ThreeDigits(to), CellUsersText(*last), ThreeDigits(to / from),
                     static_cast<double>(last->row.users) / first->row.users, ThreeDigits(to / last->row.users)),
         {first->id, last->id}});
  }
}

/// Cells of one load by speed, with those that cannot be told apart.
void AddRanking(const ReportView& view, Section& section) {
  std::vector<CellResult> cells;
  std::vector<std::string> names;  // of the series: two targets may have run the same model
  for (const CellSeries& series : view.series) {
    for (const CellResult* cell : series.cells) {
      if (cell->decode_samples.size() <= 1) continue;  // one repeat could be told apart from nothing
      cells.push_back(*cell);
      names.push_back(series.name);
    }
  }
  for (const Ranking& ranking : RankCells(cells)) {
    ReportSentence sentence{fmt::format("Decode, {}, {} + {} tokens, fastest first: ", Count(ranking.users, "user"), ranking.prompt_tokens,
                                  ranking.gen_tokens), {}};
    for (size_t g = 0; g < ranking.groups.size(); ++g) {
      const std::vector<size_t>& group = ranking.groups[g].cells;
      for (size_t i = 0; i < group.size(); ++i) {
        const CellResult& cell = cells[group[i]];
        sentence.text += (g + i == 0 ? "" : i == 0 ? ", then " : " = ") + names[group[i]];
        sentence.cells.push_back(cell.id);
      }
    }
    sentence.text += ".";
    section.notes.push_back(sentence.text + " (= : no measurable difference)");
  }
}

}  // namespace

Section ThroughputSection(const ReportView& view) {
  Section section{"throughput", "Throughput", {}, {}, false, {}, {}};
  if (CellsOf(view).empty()) {
    section.sentences.push_back({"No cell has a figure.", {}});
    return section;
  }
  AddGrowth(view, section);
  AddCharts(view, "decode_tok_s", "decode", section);
  AddCharts(view, "aggregate_tok_s", "aggregate", section);
  section.tables.push_back(ThroughputTable(view));
  AddRanking(view, section);
  return section;
}

}  // namespace weir
