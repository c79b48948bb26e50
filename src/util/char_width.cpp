#include "util/char_width.h"

#include <algorithm>
#include <iterator>

namespace weir {
namespace {

struct WidthRange {
  uint32_t first;
  uint32_t last;
  int width;
};

constexpr WidthRange kRanges[] = {  // ascending; all others are 1
#include "util/char_width_table.inc"
};

}  // namespace

int CharWidth(uint32_t code_point) {
  if (code_point < kRanges[0].first) return 1;
  const auto above = std::upper_bound(
      std::begin(kRanges), std::end(kRanges), code_point,
      [](uint32_t c, const WidthRange& range) { return c < range.first; });
  const WidthRange& range = *std::prev(above);
  return code_point <= range.last ? range.width : 1;
}

}  // namespace weir
