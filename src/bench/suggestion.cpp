#include "bench/suggestion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace weir {
namespace {

/// Insertions, deletions and replacements that make `a` into `b`.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string Suggestion(std::string_view word, const std::vector<std::string_view>& known) {
  if (word.size() < 64) {
    const auto nearest = std::min_element(known.begin(), known.end(), [&](auto a, auto b) {
      return Distance(word, a) < Distance(word, b);
    });
    if (nearest != known.end() && Distance(word, *nearest) <= 1 + word.size() / 3) {
      return fmt::format("did you mean {}?", *nearest);
    }
  }
  return fmt::format("known are {}", fmt::join(known, ", "));
}

}  // namespace weir
