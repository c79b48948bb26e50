// Comparisons as people and programs read them.
#pragma once

#include <string>

#include "bench/compare.h"
#include "cli/command.h"

namespace weir {

/// One of "comparisons" of `weir compare --json`.
Json ComparisonJson(const Comparison& comparison, const std::string& base, const std::string& other,
                    const std::string& figure);

void PrintComparison(const Comparison& comparison, const std::string& base, const std::string& other,
                     const std::string& figure);

}  // namespace weir
