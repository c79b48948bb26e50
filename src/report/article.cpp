#include <algorithm>

#include "bench/document.h"
#include "bench/statistics.h"
#include "report/report.h"
#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

const CellResult* BestOf(const std::vector<const CellResult*>& cells, std::string_view figure) {
  const CellResult* best = nullptr;
  for (const CellResult* cell : cells) {
    const auto median = MedianOf(*cell, figure);
    if (median && (!best || *median > *MedianOf(*best, figure))) best = cell;
  }
  return best;
}

std::string BestOfRepeats(const CellResult& cell, std::string_view figure) {
  const auto peak = PeakOf(cell, figure);
  if (peak && cell.Find(figure)->n == 1) return "one repeat only";
  return peak ? fmt::format("median of {}, best {}", Count(cell.Find(figure)->n, "repeat"), ThreeDigits(*peak)) : "a foreign median";
}

void AddSpeed(const std::vector<const CellResult*>& cells, Report& article) {
  std::vector<const CellResult*> alone = cells;
  std::erase_if(alone, [](const CellResult* cell) { return cell->row.users != 1; });
  if (const CellResult* cell = BestOf(alone, "decode_tok_s")) {
    const auto share = RooflineShare(*cell);
    article.summary.push_back({fmt::format("One user is served fastest by {}: {} tok/s ({}){}.", CellTitle(*cell), ThreeDigits(*MedianOf(*cell, "decode_tok_s")),
                                           BestOfRepeats(*cell, "decode_tok_s"),
                                           share ? fmt::format(", {} of what the machine's rates allow", PercentText(*share)) : ""), {cell->id}});
  }
  const CellResult* most = BestOf(cells, "aggregate_tok_s");
  if (most && most->row.users > 1) {
    const double rate = *MedianOf(*most, "aggregate_tok_s");
    article.summary.push_back({fmt::format("The most in all comes from {} with {}: {} tok/s with prompts included ({}), {} for each user.", CellTitle(*most),
                                           CellUsersText(*most), ThreeDigits(rate), BestOfRepeats(*most, "aggregate_tok_s"), ThreeDigits(rate / most->row.users)), {most->id}});
  }
}

void AddWaiting(const std::vector<const CellResult*>& cells, Report& article) {
  const CellResult* longest = BestOf(cells, "ttft_ms");
  if (!longest || !longest->foreign_tool.empty()) return;
  article.summary.push_back({fmt::format("The longest wait for a first token is that of {} with {}: {} ms (median of {}, 95th percentile {} ms).", CellTitle(*longest),
                                         CellUsersText(*longest), ThreeDigits(*MedianOf(*longest, "ttft_ms")), Count(longest->Find("ttft_ms")->n, "request"),
                                         ThreeDigits(longest->Find("ttft_ms")->p95)), {longest->id}});
}

void AddCaveats(const ReportData& data, Report& article) {
  std::vector<int64_t> synthetic, foreign, bare, flagged;
  for (const CellResult& cell : data.cells) {
    if (cell.model.synthetic) synthetic.push_back(cell.id);
    if (!cell.foreign_tool.empty()) foreign.push_back(cell.id);
    if (cell.status != CellStatus::kOk) bare.push_back(cell.id);
    if (!cell.flags.empty()) flagged.push_back(cell.id);
  }
  const int64_t n = static_cast<int64_t>(data.cells.size());
  if (!synthetic.empty()) {
    article.summary.push_back({fmt::format("{} are of synthetic models, marked *: the shapes and formats of that model with random weights. Their speed is real, "
                                           "their answers are not, and they have no quality.", Count(static_cast<int64_t>(synthetic.size()), "cell")), synthetic});
  }
  if (!foreign.empty()) {
    article.summary.push_back({fmt::format("{} measured by another tool, marked foreign.", foreign.size() == 1 ? "1 cell was" : fmt::format("{} cells were", foreign.size())), foreign});
  }
  if (!bare.empty()) {
    article.summary.push_back({fmt::format("{} of {} have no full figures; what became of them stands below.", bare.size(), Count(n, "cell")), bare});
  }
  if (!flagged.empty()) {
    article.summary.push_back({fmt::format("{} of {} carry a flag: take them with care.", flagged.size(), Count(n, "cell")), flagged});
  }
}

void AddCapacities(const ReportData& data, Report& article) {
  const std::vector<std::string> lines = CapacityLines(data.capacities, data.cells);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::optional<int64_t> cell = data.capacities[i].cell;
    article.summary.push_back({"A search: " + lines[i] + ".", cell ? std::vector{*cell} : std::vector<int64_t>{}});
  }
}

std::string Subtitle(const ReportData& data) {
  std::string text;
  for (const ReportMachine& machine : data.machines) text += (text.empty() ? "" : "; ") + machine.fingerprint;
  if (!data.runs.empty()) text += fmt::format(". {} to {} UTC", data.runs.front().started_at, data.runs.back().ended_at.empty() ? "now" : data.runs.back().ended_at);
  return text;
}

}  // namespace

Report MakeReport(const ReportData& data) {
  Report article;
  article.title = data.machines.size() == 1 && !data.machines[0].cpu.empty() ? "Language models on " + data.machines[0].cpu : "Language models, measured";
  article.subtitle = Subtitle(data);
  if (data.cells.empty()) {
    article.summary.push_back({"There are no rows yet: weir bench measures.", {}});
    return article;
  }
  ReportView view{data, {}, {}};
  std::vector<const CellResult*> superseded;
  for (CellSeries& series : GroupCells(data.cells, &superseded)) {
    std::erase_if(series.cells, [](const CellResult* cell) { return cell->figures.empty(); });
    if (!series.cells.empty()) view.series.push_back(std::move(series));
  }
  view.superseded = std::move(superseded);
  const std::vector<const CellResult*> cells = CellsOf(view);
  AddSpeed(cells, article);
  AddWaiting(cells, article);
  AddCapacities(data, article);
  AddCaveats(data, article);
  for (const auto section : {ThroughputSection, LatencySection, RooflineSection, MemorySection, EnergySection, FrontierSection, CliffSection,
                             ExclusionSection, MethodSection}) {
    article.sections.push_back(section(view));
  }
  if (data.advice) article.sections.push_back(VerdictSection(view));
  return article;
}

}  // namespace weir
