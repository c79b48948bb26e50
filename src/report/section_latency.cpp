// How long people wait: for the first token, and for each one after it.
#include <algorithm>

#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

struct Latency {
  const std::map<int64_t, Distribution>& distributions;
  const char *short_name, *what, *view, *column;
};

void AddStrips(const ReportView& view, const Latency& latency, Section& section) {
  std::optional<double> low, high;
  bool is_first = true;
  for (const auto& [cell, of] : latency.distributions) {
    low = std::min(low.value_or(of.p5), of.p5);
    high = std::max(high.value_or(of.greatest), of.greatest);
  }
  for (const CellSeries& series : view.series) {
    StripChart chart{fmt::format("{}: {}", series.name, latency.what), "", "users", {fmt::format("{}, ms", latency.short_name), true}, low, high, {}};
    std::vector<int64_t> ids;
    for (const CellResult* cell : series.cells) {
      const auto found = latency.distributions.find(cell->id);
      if (found == latency.distributions.end()) continue;
      const Distribution& of = found->second;
      chart.strips.push_back({fmt::to_string(cell->row.users), of.p5, of.p25, of.median, of.p75, of.p95, of.least, of.greatest, of.n});
      chart.description += fmt::format("{}: median {} ms, 95th percentile {} ms, {} values. ", CellUsersText(*cell), ThreeDigits(of.median),
                                       ThreeDigits(of.p95), of.n);
      ids.push_back(cell->id);
    }
    if (ids.empty()) continue;
    section.pictures.push_back({std::move(chart), {DistributionSql(ids, latency.view, latency.column), ids}, is_first});
    is_first = false;
  }
}

std::vector<ReportValue> LatencyValues(const CellResult& cell, const char* figure) {
  const Figure* found = cell.Find(figure);
  if (!found) return {ReportValue{}, ReportValue{}, ReportValue{}};
  if (!cell.foreign_tool.empty()) return {NumberValue(found->median), ReportValue{}, ReportValue{}};
  return {NumberValue(found->median), NumberValue(found->p95), IntValue(found->n)};
}

ReportTable LatencyTable(const ReportView& view) {
  ReportTable table{"TTFT: from the moment at which a user wants to ask to the first token, waiting included. ITL: gaps between tokens of one "
              "answer, pooled over users and repeats. A 95th percentile of fewer than 20 values is their greatest.",
              {{"model", "", "model", false}, {"users", "", "users"}, {"TTFT median", "ms", "ttft_ms_median"}, {"p95", "ms", "ttft_ms_p95"},
               {"values", "", "ttft_n"}, {"ITL median", "ms", "itl_ms_median"}, {"p95", "ms", "itl_ms_p95"}, {"values", "", "itl_n"},
               {"cell", "", "cell"}},
              {},
              {}};
  for (const CellSeries& series : view.series) {
    for (const CellResult* cell : series.cells) {
      std::vector<ReportValue> row{TextValue(series.name), IntValue(cell->row.users)};
      for (const char* figure : {"ttft_ms", "itl_ms"}) {
        for (ReportValue& value : LatencyValues(*cell, figure)) row.push_back(std::move(value));
      }
      row.push_back(IntValue(cell->id));
      table.rows.push_back(std::move(row));
    }
  }
  const std::vector<int64_t> ids = IdsOf(CellsOf(view));
  table.evidence = {FiguresSql(ids, {"ttft_ms", "itl_ms"}), ids};
  return table;
}

void AddSentences(const ReportView& view, Section& section) {
  for (const CellSeries& series : view.series) {
    const CellResult *first = nullptr, *last = nullptr;
    for (const CellResult* cell : series.cells) {
      if (!MedianOf(*cell, "ttft_ms") || !MedianOf(*cell, "itl_ms")) continue;
      if (!first) first = cell;
      last = cell;
    }
    if (!first) continue;
    std::string text = fmt::format("{}: a lone prompt of {} tokens", series.name, first->row.prompt_tokens);
    if (first->row.users > 1) text = fmt::format("{}: with {}", series.name, CellUsersText(*first));
    text += fmt::format(" waits {} ms for its first token and {} ms for each further one", ThreeDigits(*MedianOf(*first, "ttft_ms")),
                        ThreeDigits(*MedianOf(*first, "itl_ms")));
    if (last != first) {
      text += fmt::format("; with {}, {} and {} ms", CellUsersText(*last), ThreeDigits(*MedianOf(*last, "ttft_ms")), ThreeDigits(*MedianOf(*last, "itl_ms")));
    }
    section.sentences.push_back({text + " (medians).", last == first ? std::vector{first->id} : std::vector{first->id, last->id}});
  }
}

}  // namespace

Section LatencySection(const ReportView& view) {
  Section section{"latency", "Latency", {}, {}, view.series.size() > 1, {}, {}};
  const bool any = std::any_of(view.series.begin(), view.series.end(), [](const CellSeries& series) {
    return std::any_of(series.cells.begin(), series.cells.end(), [](const CellResult* cell) { return cell->Find("ttft_ms") || cell->Find("itl_ms"); });
  });
  if (!any) {
    section.sentences.push_back({"No cell has a latency.", {}});
    return section;
  }
  AddSentences(view, section);
  AddStrips(view, {view.data.ttft, "TTFT", "time to the first token", "request_latency", "ttft_ms"}, section);
  AddStrips(view, {view.data.itl, "ITL", "time between tokens", "token_gap", "itl_ms"}, section);
  section.notes.push_back(
      "A box holds the middle half of the values, its bar is the median, the stroke reaches from the 5th to the 95th percentile, the "
      "ring is the greatest. All charts of a kind have one scale, a logarithmic one.");
  section.tables.push_back(LatencyTable(view));
  return section;
}

}  // namespace weir
