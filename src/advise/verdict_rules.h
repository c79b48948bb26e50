// The rules of a verdict, one function each, and the words they share. Floor-internal: others call
// JudgeMachine.
#pragma once

#include <string>
#include <vector>

#include "advise/verdict.h"

namespace weir {

// What this machine can hold and how fast it is.
std::vector<Sentence> RuleMemory(const Facts& facts);
std::vector<Sentence> RuleSpeed(const Facts& facts);
std::vector<Sentence> RuleFirstToken(const Facts& facts);
std::vector<Sentence> RuleLimit(const Facts& facts);
// What rows say.
std::vector<Sentence> RuleUsers(const Facts& facts);
std::vector<Sentence> RuleFewerBits(const Facts& facts);
std::vector<Sentence> RuleQuality(const Facts& facts);
// What else could be bought.
std::vector<Sentence> RulePurchase(const Facts& facts);
std::vector<Sentence> RuleSmallerFaster(const Facts& facts);
std::vector<Sentence> RuleTokensPerDollar(const Facts& facts);
std::vector<Sentence> RuleTokensPerWattHour(const Facts& facts);

/// The price of a machine, with the computer around a card as far as somebody said what that costs; nothing if unknown.
std::optional<double> UsdOf(const CatalogueMachine& machine, const Need& need);
/// "4 users", "1 user".
std::string UsersText(int users);
/// "4 users want 10 tok/s each from a model of 9B or more".
std::string WantText(const Need& need);
/// What somebody asked for, as it was asked: "10", "0.3".
std::string Plain(double value);
/// "qwen3.5-9b Q4_K_M".
std::string ModelText(const Candidate& candidate);
/// "13.8 to 14.9"; one number where they are equal.
std::string RangeText(Range range);
/// "a model of 9B or more"; "a model" where any will do.
std::string SizeText(const Need& need);
/// "262,144".
std::string Thousands(double whole);
/// "28.6 GB", "729 MB".
std::string BytesText(int64_t bytes);
/// "row 3", "rows 3, 5 and 7".
std::string RowsText(const std::vector<int64_t>& cells);
/// "12.1 tok/s each (measured 11.9 to 12.4, row 3)".
std::string SpeedText(const Speed& speed);
/// Flags that make the speeds of cells uncertain, in brackets; empty where there are none. A limit is uncertain where
/// the rates moved, too.
enum class CaveatOf { kSpeed, kLimit };
std::string CaveatsText(const std::vector<const MeasuredCell*>& cells, CaveatOf of = CaveatOf::kSpeed);
/// Of the row that a measured speed is; empty for others.
std::string CaveatsText(const Facts& facts, const Speed& speed, CaveatOf of = CaveatOf::kSpeed);
/// The command that would measure a candidate for a need.
std::string BenchCommand(const Candidate& candidate, const Need& need);

}  // namespace weir
