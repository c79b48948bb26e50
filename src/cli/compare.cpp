// weir compare: runs, builds, machines, engines or mixtures against each other.
#include <charconv>
#include <memory>

#include "bench/compare.h"
#include "cli/command.h"
#include "cli/compare_text.h"
#include "cli/format.h"
#include "cli/result_database.h"

namespace weir {
namespace {

struct Flags {
  std::vector<std::string> sides;
  CompareOptions options;
  std::string db, fail_if_slower;
  bool by_target = false, json = false;
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
  // The address of a server may have an @ of its own: there a quantisation follows a #.
  const size_t from = IsFleetUrl(text) ? text.rfind('#') : 0;
  if (const size_t at = rest.rfind('@'); at != rest.npos && from != rest.npos && at >= from) {
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

/// What is compared, by name: runs, or the targets of one.
struct NamedCells {
  std::string name;
  std::vector<CellResult> cells;
  std::vector<AskedRow> asked;  // of their run, and more
};

Result<NamedCells> CellsOf(const std::string& text, const Flags& flags) {
  WEIR_TRY(SideName side, ParseSide(text, flags.db));
  const FleetSelection wanted = side.run > 0 ? FleetSelection{.run = side.run} : FleetSelection{.last_cells = 1};
  WEIR_TRY(Store store, OpenResults(side.db, wanted));
  if (side.run == 0) {
    WEIR_TRY(side.run, store.database().QueryInt("SELECT coalesce(max(run), 0) FROM cell"));
  }
  WEIR_TRY(std::vector<CellResult> cells, store.Results(side.run));
  std::erase_if(cells, [&](const CellResult& cell) { return !side.quant.empty() && cell.model.quant != side.quant; });
  if (cells.empty()) {
    return WithHint(BadInput("'{}': no cells in run {} of {}", text, side.run, store.path()), "weir rows lists what there is");
  }
  WEIR_TRY(std::vector<AskedRow> asked, store.AskedWith(side.run));
  return NamedCells{text, std::move(cells), std::move(asked)};
}

Result<std::vector<NamedCells>> SidesOf(const Flags& flags) {
  std::vector<NamedCells> sides;
  for (const std::string& name : flags.sides) {
    WEIR_TRY(NamedCells cells, CellsOf(name, flags));
    sides.push_back(std::move(cells));
  }
  if (!flags.by_target && sides.size() > 1) return sides;
  if (!flags.by_target) return WithHint(BadInput("'{}': compared with what?", flags.sides[0]), "name two, or add --by-target");
  if (sides.size() > 1) return BadInput("--by-target compares the targets of one run, found {} runs", sides.size());
  std::vector<NamedCells> targets;
  for (auto& [target, cells] : ByTarget(sides.front().cells)) {
    targets.push_back({target, std::move(cells), sides.front().asked});
  }
  if (targets.size() == 1) return BadInput("'{}': has only one target, {}", flags.sides[0], targets.front().name);
  return targets;
}

Result<int> RunCompare(const Flags& flags) {
  std::optional<double> gate;
  if (!flags.fail_if_slower.empty()) {
    WEIR_TRY(gate, ParsePercent("--fail-if-slower", flags.fail_if_slower));
  }
  WEIR_TRY(const std::vector<NamedCells> sides, SidesOf(flags));
  const NamedCells& base = sides.front();
  CompareOptions options = flags.options;
  options.across_targets = flags.by_target;
  Json documents = Json::array();
  int n_slower = 0, n_compared = 0, n_unproven = 0;
  for (size_t i = 1; i < sides.size(); ++i) {
    const Comparison comparison = Compare(base.cells, sides[i].cells, options);
    const std::vector<ComparedAnswers> answers = AnswersOf(comparison, base.asked, sides[i].asked);
    for (const ComparedCell& cell : comparison.cells) {
      ++n_compared;
      n_unproven += cell.outcome == Outcome::kUnproven;
      n_slower += gate && IsSlowerThan(cell, *gate);
    }
    if (flags.json) {
      documents.push_back(ComparisonJson(comparison, base.name, sides[i].name, options.figure));
      documents.back()["answers"] = AnswersJson(answers);
    } else {
      PrintComparison(comparison, base.name, sides[i].name, options.figure);
      for (const std::string& line : AnswerLines(answers)) fmt::print("{}\n", line);
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
  app.add_option("A B", flags->sides, "[DB][#RUN][@QUANT]: a run of a database; the last run of the usual one unless it says otherwise")
      ->required()
      ->expected(-1);  // one or more
  app.add_option("--figure", flags->options.figure, "what is compared")
      ->check(CLI::IsMember({"decode_tok_s", "aggregate_tok_s"}))
      ->capture_default_str();
  app.add_flag("--across-quants", flags->options.across_quants, "cells of one model in different mixtures are partners");
  app.add_flag("--by-target", flags->by_target, "the targets of one run against the engine, or the first of them");
  app.add_option("--fail-if-slower", flags->fail_if_slower, "exit with 3 if a cell is slower than A's by more: 5%");
  AddDatabaseFlag(app, flags->db);
  app.add_flag("--json", flags->json, "one JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  weir compare 12 15                         # two runs\n"
      "  weir compare mac.db linux.db               # two machines, the last run of each\n"
      "  weir compare 16 --by-target                # the engine and servers, measured in turns\n"
      "  weir compare 15@Q8_0 15@Q4_K_M --across-quants\n"
      "  weir compare main.db new.db --fail-if-slower 5%\n\n"
      "Beside the rates: how far the greedy answers to the fixed questions agree (docs/metrics.md).\n"
      "Only cells of the same model under the same load are compared, and of the same target where a side has\n"
      "several; what is left out says why. Flags of the cells, and rates of memory that differ, stand below the ratio.\n"
      "Exit code: 3 if --fail-if-slower was exceeded: by the whole 95 % interval, or by the ratio where there are too\n"
      "few repeats for one.");
  return [flags] { return RunCompare(*flags); };
}

}  // namespace weir
