#include "cli/compare_text.h"

#include <cmath>

#include "bench/document.h"
#include "cli/format.h"
#include "cli/model_text.h"
#include "util/terminal.h"

namespace weir {
namespace {

Json FlagsJson(const CellResult& cell) {
  Json flags = Json::array();
  for (const Flag& flag : cell.flags) flags.push_back(flag.name);
  return flags;
}

/// What a reader must know of a side before believing the ratio: "80.1 GB/s, flagged rates_drifted, stolen".
std::string SideText(const CellResult& cell) {
  std::string text = cell.read_gb_s ? fmt::format("{:.1f} GB/s", *cell.read_gb_s) : "";
  for (size_t i = 0; i < cell.flags.size(); ++i) {
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", i == 0 ? "flagged " : "", cell.flags[i].name);
  }
  return text.empty() ? "not flagged" : text;
}

/// Sides whose memory gave the same, and without flags, need no line.
bool NeedsSides(const ComparedCell& cell) {
  constexpr double kSameRate = 0.05;
  const auto &a = cell.base.read_gb_s, &b = cell.other.read_gb_s;
  return !cell.base.flags.empty() || !cell.other.flags.empty() || (a && b && std::abs(*b / *a - 1) > kSameRate);
}

Json CellJson(const ComparedCell& cell, const std::string& figure) {
  return Json{{"model", cell.base.model.name},
              {"quant", cell.base.model.quant},
              {"against_quant", cell.other.model.quant},
              {"target", cell.base.row.target},
              {"against_target", cell.other.row.target},
              {"users", cell.base.row.users},
              {"cells", {cell.base.id, cell.other.id}},
              {"base", cell.base.Find(figure)->median},
              {"other", cell.other.Find(figure)->median},
              {"ratio", cell.ratio},
              {"ci95", cell.interval ? Json{cell.interval->low, cell.interval->high} : Json()},
              {"outcome", Name(cell.outcome)},
              {"read_gb_s", {OrNull(cell.base.read_gb_s), OrNull(cell.other.read_gb_s)}},
              {"flags", {FlagsJson(cell.base), FlagsJson(cell.other)}}};
}

std::string OutcomeText(const ComparedCell& cell) {
  const char* colour = cell.outcome == Outcome::kSlower ? "\x1b[31m" : cell.outcome == Outcome::kFaster ? "\x1b[32m" : "";
  const std::string style = *colour ? std::string(StdoutStyle(colour)) : "";
  return fmt::format("{}{}{}", style, Name(cell.outcome), *colour ? StdoutStyle("\x1b[0m") : "");
}

}  // namespace

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

void PrintComparison(const Comparison& comparison, const std::string& base, const std::string& other,
                     const std::string& figure) {
  const int width = TerminalWidth();
  const auto print = [&](const std::string& line) { fmt::print("{}\n", Wrap(EscapedControls(line), width, 2)); };
  PrintHeading(Wrap(fmt::format("{} against {}: {}", EscapedControls(other), EscapedControls(base), figure), width, 2));
  for (const std::string& difference : comparison.differences) print("differs: " + difference);
  if (!comparison.cells.empty()) {
    fmt::print("{:>5} {:>9} {:>9} {:>7} {:>15}  {}\n", "Users", "base", "other", "ratio", "95 %", "");
  }
  std::string model;
  for (const ComparedCell& cell : comparison.cells) {
    std::string name = cell.base.model.quant == cell.other.model.quant
                           ? cell.base.model.name
                           : fmt::format("{} against {}", cell.other.model.name, cell.base.model.name);
    // Where the targets differ, a line above says so.
    if (cell.base.row.target == cell.other.row.target && cell.base.row.target != "engine") {
      name = fmt::format("{}, {}", cell.base.row.target, name);
    }
    if (name != model) fmt::print("{}\n", Shorten(EscapedControls(name), width));
    model = name;
    fmt::print("{:>5} {:>9.4g} {:>9.4g} {:>7.3f} {:>15}  {}\n", cell.base.row.users, cell.base.Find(figure)->median,
               cell.other.Find(figure)->median, cell.ratio,
               cell.interval ? fmt::format("{:.3f} to {:.3f}", cell.interval->low, cell.interval->high) : "-",
               OutcomeText(cell));
    if (NeedsSides(cell)) {
      fmt::print("      base: {}; other: {}\n", SideText(cell.base), SideText(cell.other));
    }
  }
  if (comparison.geometric_mean) {
    fmt::print("geometric mean of {} {}: {:.3f}\n", comparison.cells.size(), comparison.cells.size() == 1 ? "ratio" : "ratios",
               *comparison.geometric_mean);
  }
  for (const LeftOut& left : comparison.left_out) {
    print(fmt::format("left out: {}, {} user{}: {}", left.cell.model.name, left.cell.row.users,
                      left.cell.row.users == 1 ? "" : "s", left.why));
  }
}

std::vector<ComparedAnswers> AnswersOf(const Comparison& comparison, const std::vector<AskedRow>& base,
                                       const std::vector<AskedRow>& other) {
  std::vector<std::pair<int64_t, int64_t>> ids;
  for (const ComparedCell& cell : comparison.cells) {
    if (cell.base.row.asked && cell.other.row.asked) ids.emplace_back(*cell.base.row.asked, *cell.other.row.asked);
  }
  return CompareAnswers(base, other, ids);
}

Json AnswersJson(const std::vector<ComparedAnswers>& answers) {
  Json json = Json::array();
  for (const auto& [model, base, other, agreement] : answers) {
    json.push_back({{"model", OrNull(model)},
                    {"base", base},
                    {"other", other},
                    {"questions", agreement.n_questions},
                    {"same", agreement.n_same},
                    {"common_share", agreement.common_share},
                    {"common_characters", agreement.common_characters},
                    {"kl_at_least_nats", OrNull(agreement.kl_nats)},
                    {"kl_positions", agreement.n_positions}});
  }
  return json;
}

std::vector<std::string> AnswerLines(const std::vector<ComparedAnswers>& answers) {
  std::vector<std::string> lines;
  for (const auto& [model, base, other, agreement] : answers) {
    std::string line = fmt::format("answers{}{}, {} against {}: {} of {} the same, {:.0f} characters in common (median), {:.0f} % of the text",
                                   model.empty() ? "" : " of ", model, other, base, agreement.n_same, agreement.n_questions,
                                   agreement.common_characters, 100 * agreement.common_share);
    if (agreement.kl_nats) {
      line += fmt::format("; KL at least {:.2g} nats over {} positions", *agreement.kl_nats, agreement.n_positions);
    }
    if (agreement.common_share < kLeastCommonShare) line += ": they do not compute the same";
    lines.push_back(EscapedControls(line));
  }
  return lines;
}

}  // namespace weir
