// Where one user more costs throughput, and where memory ends.
#include <algorithm>

#include "bench/statistics.h"
#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

/// Whether repeats prove that `after` is slower, as weir compare has it: by the 95 % interval of the ratio.
const char* ProofText(const std::vector<double>& before, const std::vector<double>& after) {
  const auto interval = RatioInterval(after, before);
  if (!interval) return "no: too few repeats, fewer than 5";
  return interval->high < 1 ? "yes" : "no: within the noise of the repeats";
}

void AddFalls(const CellSeries& series, std::string_view figure, const char* what, ReportTable& table) {
  const CellResult* before = nullptr;
  for (const CellResult* cell : series.cells) {
    const std::optional<double> now = MedianOf(*cell, figure);
    if (!now) continue;
    if (before) {
      const double then = *MedianOf(*before, figure);
      if (*now < then) {
        const bool decode = figure == "decode_tok_s";
        const char* proof = ProofText(decode ? before->decode_samples : before->aggregate_samples,
                                      decode ? cell->decode_samples : cell->aggregate_samples);
        table.rows.push_back({TextValue(series.name), TextValue(what), IntValue(before->row.users), IntValue(cell->row.users),
                              NumberValue(then), NumberValue(now), {PercentText(*now / then - 1), *now / then - 1},
                              TextValue(proof),
                              TextValue(fmt::format("{}, {}", before->id, cell->id))});
        table.evidence.cells.insert(table.evidence.cells.end(), {before->id, cell->id});
      }
    }
    before = cell;
  }
}

std::string LoadText(double value, const std::string& unit) {
  if (unit == "requests_per_s") return fmt::format("{} requests/s", ThreeDigits(value));
  if (unit == "context_tokens") return fmt::format("{:.0f} tokens of context", value);
  return Count(static_cast<int64_t>(value), "user");
}

/// What searches for the largest load found: of latencies that hold, or of memory.
ReportTable CapacityTable(const ReportData& data) {
  ReportTable table{"What searches found: the largest load that holds an objective, and the smallest that was seen not to. Loads that a search tried are in no other figure.",
              {{"model", "", "model", false}, {"at", "", "target", false}, {"objective", "", "objective", false}, {"holds", "", "best", false},
               {"breaks", "", "broken", false}, {"why", "", "why", false}, {"planned", "", "predicted", false}, {"cell", "", "cell"}},
              {},
              {}};
  std::vector<int64_t> runs;
  for (const CapacityRow& row : data.capacities) {
    CellResult titled;
    titled.model.name = row.model_name;
    titled.model.quant = row.quant;
    titled.model.synthetic = row.model_name.starts_with("synth:");
    const auto load = [&](const std::optional<double>& value) {
      return value ? ReportValue{LoadText(*value, row.unit), value} : ReportValue{};
    };
    table.rows.push_back({TextValue(CellTitle(titled)), TextValue(row.target), TextValue(row.objective),
                          row.best > 0 ? load(row.best) : TextValue("not even the smallest"),
                          row.broken ? load(row.broken) : TextValue("nothing that was tried"), TextValue(row.why), load(row.predicted),
                          row.cell ? IntValue(*row.cell) : ReportValue{}});
    if (row.cell) table.evidence.cells.push_back(*row.cell);
  }
  for (const ReportRun& run : data.runs) runs.push_back(run.id);
  table.evidence.sql = fmt::format("SELECT a.*, m.name FROM capacity a JOIN model m ON m.id = a.model\nWHERE {}\nORDER BY a.id", CellCondition("a.run", runs));
  return table;
}

}  // namespace

Section CliffSection(const ReportView& view) {
  Section section{"cliff", "The cliff", {}, {}, false, {}, {}};
  ReportTable table{"Steps at which all users together get fewer tokens because there are more of them.",
              {{"model", "", "model", false}, {"what", "", "figure", false}, {"from users", "", "from_users"}, {"to users", "", "to_users"},
               {"before", "tok/s", "before_tok_s"}, {"after", "tok/s", "after_tok_s"}, {"change", "", "change"},
               {"proven by repeats", "", "proven", false}, {"cells", "", "cells", false}},
              {},
              {}};
  int n_steps = 0;
  for (const CellSeries& series : view.series) {
    n_steps += std::max(0, static_cast<int>(series.cells.size()) - 1);
    AddFalls(series, "decode_tok_s", "decode", table);
    AddFalls(series, "aggregate_tok_s", "aggregate", table);
  }
  if (n_steps == 0) {
    if (view.data.capacities.empty()) section.sentences.push_back({"No model was measured with more than one number of users, so nothing is known of a cliff.", {}});
  } else if (table.rows.empty()) {
    section.sentences.push_back({fmt::format("No cliff: in none of {} does throughput fall when users are added.", Count(n_steps, "step")),
                                 IdsOf(CellsOf(view))});
  } else {
    const auto n_proven = std::count_if(table.rows.begin(), table.rows.end(), [](const auto& row) { return row[7].text == "yes"; });
    section.sentences.push_back({fmt::format("Throughput falls {} when users are added; {} of them proven by the repeats.",
                                             table.rows.size() == 1 ? "once" : fmt::format("{} times", table.rows.size()), n_proven),
                                 table.evidence.cells});
    table.evidence.sql = FiguresSql(table.evidence.cells, {"decode_tok_s", "aggregate_tok_s"});
    section.tables.push_back(std::move(table));
  }
  if (!view.data.capacities.empty()) section.tables.push_back(CapacityTable(view.data));
  for (const CellResult& cell : view.data.cells) {
    if (cell.status != CellStatus::kRefused) continue;
    section.sentences.push_back({fmt::format("{} with {} was refused: {}", CellTitle(cell), CellUsersText(cell), cell.reason), {cell.id}});
  }
  return section;
}

}  // namespace weir
