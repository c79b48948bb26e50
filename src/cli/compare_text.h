// Comparisons as people and programs read them.
#pragma once

#include <string>

#include "bench/agreement.h"
#include "bench/compare.h"
#include "cli/command.h"

namespace weir {

/// One of "comparisons" of `weir compare --json`.
Json ComparisonJson(const Comparison& comparison, const std::string& base, const std::string& other,
                    const std::string& figure);

void PrintComparison(const Comparison& comparison, const std::string& base, const std::string& other,
                     const std::string& figure);

/// How far the answers of those that were compared agree. `base` and `other` were asked, in their runs and beside them.
std::vector<ComparedAnswers> AnswersOf(const Comparison& comparison, const std::vector<AskedRow>& base,
                                       const std::vector<AskedRow>& other);

/// "answers": how far greedy answers to the fixed questions agree.
Json AnswersJson(const std::vector<ComparedAnswers>& answers);

/// The same in words, a line for each.
std::vector<std::string> AnswerLines(const std::vector<ComparedAnswers>& answers);

}  // namespace weir
