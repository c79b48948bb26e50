#include "kernels/codebooks.h"

#include <cstddef>

namespace weir {
namespace {

#include "kernels/codebooks_data.inc"

constexpr uint8_t kIq2Levels[] = {8, 25, 43};
constexpr uint8_t kIq3xxsLevels[] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr uint8_t kIq3sLevels[] = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr int8_t kIq1Levels[] = {-1, 0, 1};

uint32_t HexDigit(char c) { return static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

/// Expands words of kDigits hex digits into kElements levels each; the lowest bits are element 0.
template <int kDigits, size_t kEntries, size_t kElements, class Level>
void Expand(const char (&codes)[kEntries * kDigits + 1], const Level* levels,
            Level (&grid)[kEntries][kElements]) {
  constexpr uint32_t kBits = 4 * kDigits / kElements;
  for (size_t entry = 0; entry < kEntries; ++entry) {
    uint32_t word = 0;
    for (int digit = 0; digit < kDigits; ++digit) {
      word = word << 4 | HexDigit(codes[entry * kDigits + digit]);
    }
    for (Level& level : grid[entry]) {
      level = levels[word & ((1u << kBits) - 1)];
      word >>= kBits;
    }
  }
}

Codebooks ExpandAll() {
  Codebooks books;
  Expand<4>(kIq2xxsCodes, kIq2Levels, books.iq2xxs);
  Expand<4>(kIq2xsCodes, kIq2Levels, books.iq2xs);
  Expand<4>(kIq2sCodes, kIq2Levels, books.iq2s);
  Expand<3>(kIq3xxsCodes, kIq3xxsLevels, books.iq3xxs);
  Expand<3>(kIq3sCodes, kIq3sLevels, books.iq3s);
  Expand<4>(kIq1sCodes, kIq1Levels, books.iq1s);
  return books;
}

}  // namespace

const Codebooks& GetCodebooks() {
  static const Codebooks books = ExpandAll();
  return books;
}

}  // namespace weir
