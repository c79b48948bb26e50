// What is in no figure and why, what must be known about the rest, and how all of it was measured.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "report/sections.h"
#include "report/text.h"

namespace weir {
namespace {

ReportTable ExcludedTable(const ReportView& view) {
  ReportTable table{"Cells without all of their figures, and repeats that are in none.",
              {{"what", "", "what", false}, {"model", "", "model", false}, {"users", "", "users"}, {"why", "", "reason", false}, {"cell", "", "cell"}},
              {},
              {}};
  const auto add = [&](const std::string& what, const CellResult& cell, const std::string& why) {
    table.rows.push_back({TextValue(what), TextValue(CellTitle(cell)), IntValue(cell.row.users), TextValue(why), IntValue(cell.id)});
    table.evidence.cells.push_back(cell.id);
  };
  std::map<int64_t, const CellResult*> cells;
  for (const CellResult& cell : view.data.cells) {
    cells[cell.id] = &cell;
    if (cell.status != CellStatus::kOk) add(std::string(Name(cell.status)), cell, cell.reason.empty() ? "no reason is recorded" : cell.reason);
  }
  for (const CellResult& cell : view.data.cells) {
    if (!cell.row.search.empty() && cell.status == CellStatus::kOk) add("tried by a search", cell, "whether it holds " + cell.row.search);
  }
  for (const CellResult* cell : view.superseded) add("measured again", *cell, "a newer cell of the same kind stands in its place");
  for (const LostRepeat& repeat : view.data.lost) {
    const auto cell = cells.find(repeat.cell);
    if (cell == cells.end()) continue;
    add(fmt::format("repeat {} {}", repeat.repeat, repeat.status), *cell->second, repeat.reason.empty() ? "no reason is recorded" : repeat.reason);
  }
  if (!table.evidence.cells.empty()) table.evidence.sql = ExcludedSql(table.evidence.cells);
  return table;
}

ReportTable FlagTable(const ReportView& view) {
  ReportTable table{"Flags: what must be known about a figure. They change no status.",
              {{"flag", "", "flag", false}, {"model", "", "model", false}, {"users", "", "users"}, {"what", "", "detail", false}, {"cell", "", "cell"}},
              {},
              {}};
  for (const CellResult& cell : view.data.cells) {
    for (const Flag& flag : cell.flags) {
      table.rows.push_back({TextValue(flag.name), TextValue(CellTitle(cell)), IntValue(cell.row.users), TextValue(flag.detail), IntValue(cell.id)});
      table.evidence.cells.push_back(cell.id);
    }
  }
  if (!table.evidence.cells.empty()) table.evidence.sql = FlagsSql(table.evidence.cells);
  return table;
}

ReportTable AnswerTable(const ReportView& view) {
  ReportTable table{"How far greedy answers to the same questions agree between targets (docs/metrics.md, Answers). KL is a lower bound.",
              {{"model", "", "model", false}, {"target", "", "base", false}, {"against", "", "other", false}, {"questions", "", "questions"},
               {"the same", "", "same"}, {"in common, median", "characters", "common_characters"}, {"in common", "% of the text", "common_percent"},
               {"KL at least", "nats", "kl_at_least_nats"}, {"over positions", "", "kl_positions"}},
              {},
              {}};
  for (const auto& [model, base, other, agreement] : view.data.answers) {
    table.rows.push_back({TextValue(model), TextValue(base), TextValue(other), IntValue(agreement.n_questions), IntValue(agreement.n_same),
                          NumberValue(agreement.common_characters), NumberValue(100 * agreement.common_share), NumberValue(agreement.kl_nats),
                          IntValue(agreement.n_positions)});
  }
  for (const CellResult& cell : view.data.cells) {
    if (cell.row.asked && !table.rows.empty()) table.evidence.cells.push_back(cell.id);
  }
  if (!table.evidence.cells.empty()) table.evidence.sql = AnswersSql(table.evidence.cells);
  return table;
}

ReportTable RunsTable(const ReportData& data) {
  ReportTable table{"Runs, and the best of each rate that was measured around their repeats.",
              {{"run", "", "run"}, {"started, UTC", "", "started_at", false}, {"ended", "", "ended_at", false}, {"suite", "", "campaign", false},
               {"instruction set", "", "isa", false}, {"threads", "", "threads"}, {"seed", "", "seed"}, {"read", "GB/s", "read_gb_s"},
               {"read + write", "GB/s", "read_write_gb_s"}, {"int8", "GMAC/s", "int8_gmac_s"}, {"f32", "GMAC/s", "f32_gmac_s"}, {"weir", "", "build", false}},
              {},
              {}};
  for (const ReportRun& run : data.runs) {
    const bool foreign = !run.foreign_tool.empty();
    table.rows.push_back({IntValue(run.id), TextValue(run.started_at), TextValue(run.ended_at.empty() ? "not ended" : run.ended_at), TextValue(run.campaign),
                          TextValue(run.isa), IntValue(run.threads), IntValue(run.seed), NumberValue(run.best.read_gb_s),
                          NumberValue(run.best.read_write_gb_s), NumberValue(run.best.int8_gmac_s), NumberValue(run.best.f32_gmac_s),
                          TextValue(foreign ? fmt::format("foreign: {}, from {}", run.foreign_tool, run.foreign_file) : run.build)});
  }
  const std::vector<int64_t> ids = weir::IdsOf(data.cells);
  table.evidence = {RunsSql(ids), ids};
  return table;
}

std::string FactText(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string text;
  for (const auto& item : value) text += (text.empty() ? "" : ", ") + FactText(item);
  return text;
}

ReportTable MachineTable(const ReportData& data) {
  ReportTable table{"The machine, as the system describes it.", {{"fact", "", "fact", false}, {"value", "", "value", false}}, {}, {}};
  for (const ReportMachine& machine : data.machines) {
    const auto facts = nlohmann::ordered_json::parse(machine.facts, nullptr, /*allow_exceptions=*/false);
    table.rows.push_back({TextValue("machine"), TextValue(machine.fingerprint)});
    table.rows.push_back({TextValue("memory"), machine.memory_bytes ? TextValue(ByteText(static_cast<double>(*machine.memory_bytes))) : ReportValue{}});
    if (!facts.is_object()) continue;
    for (const char* key : {"cpu_model", "cpu_features", "virtual_machine", "logical_cpus", "physical_cores", "cpu_quota", "os", "kernel", "huge_pages"}) {
      if (!facts.contains(key) || facts[key].is_null()) continue;
      table.rows.push_back({TextValue(key), TextValue(FactText(facts[key]))});
    }
  }
  const std::vector<int64_t> ids = weir::IdsOf(data.cells);
  table.evidence = {MachinesSql(ids), ids};
  return table;
}

ReportTable LoadTable(const ReportView& view) {
  ReportTable table{"Loads: what each cell asked, by its key.", {{"key", "", "key", false}, {"cells", "", "cells", false}}, {}, {}};
  std::map<std::string, std::vector<int64_t>> keys;
  for (const CellResult& cell : view.data.cells) keys[cell.row.key].push_back(cell.id);
  for (const auto& [key, cells] : keys) {
    table.rows.push_back({TextValue(key.empty() ? "written before there were keys" : key), TextValue(IdRanges(cells))});
    table.evidence.cells.insert(table.evidence.cells.end(), cells.begin(), cells.end());
  }
  table.evidence.sql = fmt::format("SELECT id, key, config FROM cell WHERE {}", CellCondition("id", table.evidence.cells));
  return table;
}

}  // namespace

Section ExclusionSection(const ReportView& view) {
  Section section{"excluded", "What is not in the figures", {}, {}, false, {}, {}};
  ReportTable excluded = ExcludedTable(view), flags = FlagTable(view), answers = AnswerTable(view);
  if (excluded.rows.empty()) {
    section.sentences.push_back({"Nothing was left out: all cells have their figures, no repeat failed or was rejected.", weir::IdsOf(view.data.cells)});
  } else {
    std::map<std::string, int> counts;
    for (const auto& row : excluded.rows) ++counts[row[0].text.starts_with("repeat ") ? "lost repeat" : row[0].text];
    std::string text;
    for (const auto& [what, n] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, what);
    section.sentences.push_back({"Left out: " + text + ".", excluded.evidence.cells});
    section.tables.push_back(std::move(excluded));
  }
  if (!flags.rows.empty()) section.tables.push_back(std::move(flags));
  if (!answers.rows.empty()) section.tables.push_back(std::move(answers));
  return section;
}

Section MethodSection(const ReportView& view) {
  Section section{"method", "How it was measured", {}, {}, false, {}, {}};
  section.sentences.push_back({"Prompts of the named length are asked by so many users at once; each asks again as soon as its answer ends. A first pass warms up and "
                               "is in no figure. Raw time stamps of every token are in the database; every figure on this page is a view over them.", {}});
  section.sentences.push_back({"The share of the limit is the least time that this machine's bandwidth and arithmetic allow for a step, both measured before and after each "
                               "repeat, over the time it took. Definitions of all figures, and what could make each of them wrong: docs/metrics.md.", {}});
  const bool foreign = std::any_of(view.data.cells.begin(), view.data.cells.end(), [](const CellResult& cell) { return !cell.foreign_tool.empty(); });
  if (foreign) section.sentences.push_back({"Rows marked foreign were measured by another tool and imported: their time windows are not weir's, and of their medians there is nothing "
                                            "else.", {}});
  section.tables.push_back(RunsTable(view.data));
  section.tables.push_back(MachineTable(view.data));
  section.tables.push_back(LoadTable(view));
  section.notes.push_back("Database: " + view.data.db);
  return section;
}

}  // namespace weir
