// weir compare: runs, builds, machines, engines or mixtures against each other.
#include <charconv>
#include <memory>

#include "bench/compare.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/model_text.h"
#include "cli/result_database.h"
#include "util/terminal.h"

namespace weir {
namespace {

struct Flags {
  std::vector<std::string> sides;
  CompareOptions options;
  std::string db, fail_if_slower;
  bool json = false;
};

/// FILE#RUN@QUANT, each part of which may be missing.
struct SideName {
  std::string db;
  int64_t run = 0;  // 0: the last with cells
  std::string quant;
};

Result<SideName> ParseSide(const std::string& text, const std::string& default_db) {
  SideName side{default_db, 0, ""};
  std::string rest = text;
  if (const size_t at = rest.rfind('@'); at != rest.npos) {
    side.quant = rest.substr(at + 1);
    rest.resize(at);
  }
  const size_t hash = rest.rfind('#');
  std::string run = hash == rest.npos ? "" : rest.substr(hash + 1);
  if (hash != rest.npos) rest.resize(hash);
  else if (!rest.empty() && rest.find_first_not_of("0123456789") == rest.npos) run.swap(rest);
  if (!rest.empty()) side.db = rest;
  if (run.empty()) return side;
  const auto [end, error] = std::from_chars(run.data(), run.data() + run.size(), side.run);
  if (error != std::errc() || end != run.data() + run.size() || side.run < 1) {
    return BadInput("'{}': expected [FILE][#RUN][@QUANT], such as 12, #12@Q8_0 or other.db#3", text);
  }
  return side;
}

Result<std::vector<CellResult>> CellsOf(const std::string& text, const Flags& flags) {
  WEIR_TRY(SideName side, ParseSide(text, flags.db));
  WEIR_TRY(Store store, OpenResults(side.db));
  if (side.run == 0) {
    WEIR_TRY(side.run, store.database().QueryInt("SELECT coalesce(max(run), 0) FROM cell"));
  }
  WEIR_TRY(std::vector<CellResult> cells, store.Results(side.run));
  std::erase_if(cells, [&](const CellResult& cell) { return !side.quant.empty() && cell.model.quant != side.quant; });
  if (cells.empty()) {
    return WithHint(BadInput("'{}': no cells in run {} of {}", text, side.run, store.path()), "weir rows lists what there is");
  }
  return cells;
}

Json CellJson(const ComparedCell& cell, const std::string& figure) {
  return Json{{"model", cell.base.model.name},
              {"quant", cell.base.model.quant},
              {"against_quant", cell.other.model.quant},
              {"users", cell.base.row.users},
              {"cells", {cell.base.id, cell.other.id}},
              {"base", cell.base.Find(figure)->median},
              {"other", cell.other.Find(figure)->median},
              {"ratio", cell.ratio},
              {"ci95", cell.interval ? Json{cell.interval->low, cell.interval->high} : Json()},
              {"outcome", Name(cell.outcome)}};
}

Json ComparisonJson(const Comparison& comparison, const std::string& base, const std::string& other,
                    const std::string& figure) {
  Json cells = Json::array(), left_out = Json::array();
  for (const ComparedCell& cell : comparison.cells) cells.push_back(CellJson(cell, figure));
  for (const LeftOut& left : comparison.left_out) {
    left_out.push_back({{"cell", left.cell.id}, {"model", left.cell.model.name}, {"users", left.cell.row.users}, {"why", left.why}});
  }
  return Json{{"base", base},
              {"other", other},
              {"figure", figure},
              {"geometric_mean", OrNull(comparison.geometric_mean)},
              {"differences", comparison.differences},
              {"cells", cells},
              {"left_out", left_out}};
}

std::string OutcomeText(const ComparedCell& cell) {
  const char* colour = cell.outcome == Outcome::kSlower ? "\x1b[31m" : cell.outcome == Outcome::kFaster ? "\x1b[32m" : "";
  const std::string style = *colour ? std::string(StdoutStyle(colour)) : "";
  return fmt::format("{}{}{}", style, Name(cell.outcome), *colour ? StdoutStyle("\x1b[0m") : "");
}

void PrintComparison(const Comparison& comparison, const std::string& base, const std::string& other,
                     const std::string& figure) {
  PrintHeading(fmt::format("{} against {}: {}", EscapedControls(other), EscapedControls(base), figure));
  for (const std::string& difference : comparison.differences) fmt::print("differs: {}\n", EscapedControls(difference));
  if (!comparison.cells.empty()) {
    fmt::print("{:>5} {:>9} {:>9} {:>7} {:>15}  {}\n", "Users", "base", "other", "ratio", "95 %", "");
  }
  std::string model;
  for (const ComparedCell& cell : comparison.cells) {
    const std::string name = cell.base.model.quant == cell.other.model.quant
                                 ? cell.base.model.name
                                 : fmt::format("{} against {}", cell.other.model.name, cell.base.model.name);
    if (name != model) fmt::print("{}\n", Shorten(EscapedControls(name), TerminalWidth()));
    model = name;
    fmt::print("{:>5} {:>9.4g} {:>9.4g} {:>7.3f} {:>15}  {}\n", cell.base.row.users, cell.base.Find(figure)->median,
               cell.other.Find(figure)->median, cell.ratio,
               cell.interval ? fmt::format("{:.3f} to {:.3f}", cell.interval->low, cell.interval->high) : "-",
               OutcomeText(cell));
  }
  if (comparison.geometric_mean) {
    fmt::print("geometric mean of {} {}: {:.3f}\n", comparison.cells.size(), comparison.cells.size() == 1 ? "ratio" : "ratios",
               *comparison.geometric_mean);
  }
  for (const LeftOut& left : comparison.left_out) {
    fmt::print("left out: {}, {} users: {}\n", EscapedControls(left.cell.model.name), left.cell.row.users, left.why);
  }
}

Result<int> RunCompare(const Flags& flags) {
  std::optional<double> gate;
  if (!flags.fail_if_slower.empty()) {
    WEIR_TRY(gate, ParsePercent("--fail-if-slower", flags.fail_if_slower));
  }
  WEIR_TRY(const std::vector<CellResult> base, CellsOf(flags.sides[0], flags));
  Json documents = Json::array();
  int n_slower = 0, n_compared = 0, n_unproven = 0;
  for (size_t i = 1; i < flags.sides.size(); ++i) {
    WEIR_TRY(const std::vector<CellResult> other, CellsOf(flags.sides[i], flags));
    const Comparison comparison = Compare(base, other, flags.options);
    for (const ComparedCell& cell : comparison.cells) {
      ++n_compared;
      n_unproven += cell.outcome == Outcome::kUnproven;
      n_slower += gate && IsSlowerThan(cell, *gate);
    }
    if (flags.json) {
      documents.push_back(ComparisonJson(comparison, flags.sides[0], flags.sides[i], flags.options.figure));
    } else {
      PrintComparison(comparison, flags.sides[0], flags.sides[i], flags.options.figure);
    }
  }
  if (flags.json) PrintJson(Json{{"comparisons", documents}, {"slower_than_allowed", gate ? Json(n_slower) : Json()}});
  if (n_unproven > 0) {
    PrintMessage(fmt::format("{} of {} cells have too few repeats to prove a difference: weir bench --repeats 5 or more\n",
                             n_unproven, n_compared));
  }
  if (gate && n_compared == 0) return Failed("nothing could be compared, so nothing is known to be as fast");
  return n_slower > 0 ? kExitGateFell : kExitOk;
}

}  // namespace

Command AddCompare(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("A B", flags->sides, "[FILE][#RUN][@QUANT]: a run of a database; the last run of the usual one unless it says otherwise")
      ->required()
      ->expected(2, 64);
  app.add_option("--figure", flags->options.figure, "what is compared")
      ->check(CLI::IsMember({"decode_tok_s", "aggregate_tok_s"}))
      ->capture_default_str();
  app.add_flag("--across-quants", flags->options.across_quants, "cells of one model in different mixtures are partners");
  app.add_option("--fail-if-slower", flags->fail_if_slower, "exit with 3 if a cell is slower than A's by more: 5%");
  AddDatabaseFlag(app, flags->db);
  app.add_flag("--json", flags->json, "one JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir compare 12 15                         # two runs\n"
      "  weir compare mac.db linux.db               # two machines, the last run of each\n"
      "  weir compare 15@Q8_0 15@Q4_K_M --across-quants\n"
      "  weir compare main.db new.db --fail-if-slower 5%\n\n"
      "Only cells of the same model under the same load are compared; what is left out says why.\n"
      "Exit code: 3 if --fail-if-slower was exceeded: by the whole 95 % interval, or by the ratio where there are too\n"
      "few repeats for one.");
  return [flags] { return RunCompare(*flags); };
}

}  // namespace weir
