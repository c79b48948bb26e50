#include "advise/verdict_rules.h"

#include <algorithm>

namespace weir {
namespace {

constexpr Rule kRules[] = {
    {"memory", "tensor tables, context, users, this machine's memory",
     "whether a model as large as needed fits with the context needed",
     "a longer context; a smaller model", RuleMemory},
    {"speed", "rows of the very cell, else a prediction from rows, else an estimate from rates",
     "whether each user gets --min-tps", "--min-tps at the end of the range", RuleSpeed},
    {"first-token", "the same, for prompts",
     "whether the last of all users has a first token within --max-ttft",
     "--max-ttft; longer prompts", RuleFirstToken},
    {"limit", "T* of a step: bytes, operations, rates of this machine",
     "what no software can exceed, and how far from it this one is", "--min-tps at the limit",
     RuleLimit},
    {"users", "rows of one model with several numbers of users",
     "how many users get --min-tps each", "--min-tps; the first row that is too slow", RuleUsers},
    {"fewer-bits", "pairs of rows of one model in two quantisations",
     "whether fewer bits are faster by more than repeats differ",
     "a row's slowest or fastest repeat", RuleFewerBits},
    {"quality", "rows of weir perplexity", "how far the chosen quantisation is from the original",
     "--max-kl at the end of its interval", RuleQuality},
    {"purchase", "catalogue: memory, estimates, prices", "the cheapest machine that is sure to do",
     "--budget; --min-tps; a longer context", RulePurchase},
    {"smaller-faster", "catalogue: memory, estimates, prices",
     "up to which model a machine with less memory and more bandwidth wins", "a longer context",
     RuleSmallerFaster},
    {"tokens-per-dollar", "catalogue: estimates, prices, power",
     "which machine gives most tokens for its cost", "--kwh; --host-usd", RuleTokensPerDollar},
    {"tokens-per-watt-hour", "catalogue: estimates, power; measured energy of this machine",
     "which machine gives most tokens for its energy", "--host-watts", RuleTokensPerWattHour},
};

}  // namespace

std::span<const Rule> VerdictRules() { return kRules; }

std::string UsersText(int users) { return fmt::format("{} user{}", users, users == 1 ? "" : "s"); }

std::string Plain(double value) { return fmt::format("{:.6g}", value); }

std::string WantText(const Need& need) {
  return fmt::format("{} want{} {} tok/s{} from {}", UsersText(need.users),
                     need.users == 1 ? "s" : "", Plain(*need.min_tok_s),
                     need.users == 1 ? "" : " each", SizeText(need));
}

std::string CaveatsText(const std::vector<const MeasuredCell*>& cells, CaveatOf of) {
  constexpr std::string_view kOfNeither[] = {"cliff", "probe_buffer_small"};
  constexpr std::string_view kOfRates[] = {"rates_drifted", "rates_missing"};
  const auto is_one_of = [](const std::string& flag, const auto& names) {
    return std::find(std::begin(names), std::end(names), flag) != std::end(names);
  };
  std::string text;
  for (const MeasuredCell* cell : cells) {
    for (const std::string& flag : cell->caveats) {
      if (is_one_of(flag, kOfNeither) || (of == CaveatOf::kSpeed && is_one_of(flag, kOfRates))) continue;
      text += fmt::format("{}row {} {}", text.empty() ? "" : ", ", cell->id, flag);
    }
  }
  return text.empty() ? "" : " [flagged: " + text + "]";
}

std::string CaveatsText(const Facts& facts, const Speed& speed, CaveatOf of) {
  if (speed.basis != Basis::kMeasured) return "";
  std::vector<const MeasuredCell*> cells;
  for (const MeasuredCell& cell : facts.evidence.cells) {
    if (cell.id == speed.cells[0]) cells.push_back(&cell);
  }
  return CaveatsText(cells, of);
}

std::string ModelText(const Candidate& candidate) {
  return candidate.synthetic ? candidate.model + " " + candidate.quant : candidate.model;
}

std::string RangeText(Range range) {
  const std::string low = Digits(range.low), high = Digits(range.high);
  return low == high ? low : low + " to " + high;
}

std::string SizeText(const Need& need) {
  return need.least_params > 0
             ? fmt::format("a model of {}B or more", Plain(need.least_params * 1e-9))
             : "a model";
}

std::string Thousands(double whole) {
  std::string digits = fmt::format("{:.0f}", whole);
  const std::ptrdiff_t first = whole < 0 ? 1 : 0;
  for (auto i = std::ssize(digits) - 3; i > first; i -= 3) digits.insert(static_cast<size_t>(i), 1, ',');
  return digits;
}

std::string BytesText(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return value < 999.5e6 ? Digits(value * 1e-6) + " MB" : Digits(value * 1e-9) + " GB";
}

std::string RowsText(const std::vector<int64_t>& cells) {
  std::string text = cells.size() == 1 ? "row" : "rows";
  for (size_t i = 0; i < cells.size(); ++i) {
    text += fmt::format("{} {}", i == 0 ? "" : i + 1 == cells.size() ? " and" : ",", cells[i]);
  }
  return text;
}

std::string SpeedText(const Speed& speed) {
  if (speed.basis == Basis::kNone) return "at a speed that nobody measured";
  const std::string from = speed.cells.empty() ? "" : ", " + RowsText(speed.cells);
  if (speed.median_tok_s_each) {
    return fmt::format("{} tok/s each (measured {}{})", Digits(*speed.median_tok_s_each),
                       RangeText(speed.tok_s_each), from);
  }
  return fmt::format("{} tok/s each ({}{})", RangeText(speed.tok_s_each), Name(speed.basis), from);
}

std::string BenchCommand(const Candidate& candidate, const Need& need) {
  return fmt::format("weir bench {} --users {} --prompt-tokens {} --gen-tokens 64", candidate.name,
                     need.users, need.prompt_tokens);
}

}  // namespace weir
