#include "kernels/pack_layout.h"

#include <array>

#include "kernels/codebooks.h"
#include "util/error.h"

namespace weir {
namespace {

using Operands = std::array<uint8_t, 16>;

/// Codes of the codebook types: the index of a magnitude, and above its bits the sign.
template <size_t n>
constexpr Operands SignedOperands(const int (&magnitudes)[n], int sign_bit, int zero) {
  Operands operands{};
  for (size_t i = 0; i < n; ++i) {
    operands[i] = static_cast<uint8_t>(zero + magnitudes[i]);
    operands[i | 1u << sign_bit] = static_cast<uint8_t>(zero - magnitudes[i]);
  }
  return operands;
}

constexpr Operands FileOperands(const int8_t (&levels)[16], int zero) {
  Operands operands{};
  for (size_t i = 0; i < 16; ++i) operands[i] = static_cast<uint8_t>(zero + levels[i]);
  return operands;
}

/// Eighths of grid + delta: the grid's level -1, 0 or 1 in the low bits, above them the sign of the
/// delta.
constexpr Operands kIq1Operands = {9 - 8 + 1, 9 + 1, 9 + 8 + 1, 9, 9 - 8 - 1, 9 - 1, 9 + 8 - 1, 9};
constexpr Operands kIq2Operands = SignedOperands({8, 25, 43}, 2, 43);
constexpr Operands kIq3XxsOperands = SignedOperands({4, 12, 20, 28, 36, 44, 52, 62}, 3, 62);
constexpr Operands kIq3SOperands = SignedOperands({1, 3, 5, 7, 9, 11, 13, 15}, 3, 15);
constexpr Operands kIq4Operands = FileOperands(kIq4Levels, 128);
constexpr Operands kMxfp4Operands = FileOperands(kMxfp4Levels, 12);

using enum TensorType;
using enum ScaleKind;

constexpr const uint8_t* kNoLevels = nullptr;

//  type     bits  group  zero  max_operand  scale  has_min  factor  levels
constexpr PackLayout kLayouts[] = {
    {kQ8_0, 8, 32, 128, 255, kHalf, false, 1, kNoLevels},
    {kQ4_0, 4, 32, 8, 15, kHalf, false, 1, kNoLevels},
    {kQ4_1, 4, 32, 0, 15, kHalf, true, 1, kNoLevels},
    {kQ5_0, 5, 32, 16, 31, kHalf, false, 1, kNoLevels},
    {kQ5_1, 5, 32, 0, 31, kHalf, true, 1, kNoLevels},
    {kQ2_K, 2, 16, 0, 3, kSuperNibbles, true, 1, kNoLevels},
    {kQ3_K, 3, 16, 4, 7, kSuper, false, 1, kNoLevels},
    {kQ4_K, 4, 32, 0, 15, kSuper, true, 1, kNoLevels},
    {kQ5_K, 5, 32, 0, 31, kSuper, true, 1, kNoLevels},
    {kQ6_K, 6, 16, 32, 63, kSuper, false, 1, kNoLevels},
    {kIQ1_S, 3, 32, 9, 18, kSuper, false, 0.125f, kIq1Operands.data()},
    {kIQ1_M, 3, 16, 9, 18, kSuper, false, 0.125f, kIq1Operands.data()},
    {kIQ2_XXS, 3, 32, 43, 86, kSuper, false, 0.125f, kIq2Operands.data()},
    {kIQ2_XS, 3, 16, 43, 86, kSuper, false, 0.125f, kIq2Operands.data()},
    {kIQ2_S, 3, 16, 43, 86, kSuper, false, 0.125f, kIq2Operands.data()},
    {kIQ3_XXS, 4, 32, 62, 124, kSuper, false, 0.25f, kIq3XxsOperands.data()},
    {kIQ3_S, 4, 32, 15, 30, kSuper, false, 1, kIq3SOperands.data()},
    {kIQ4_NL, 4, 32, 128, 241, kHalf, false, 1, kIq4Operands.data()},
    {kIQ4_XS, 4, 32, 128, 241, kSuper, false, 1, kIq4Operands.data()},
    {kMXFP4, 4, 32, 12, 24, kExponent, false, 1, kMxfp4Operands.data()},
};

}  // namespace

const PackLayout& LayoutOf(TensorType type) {
  for (const PackLayout& layout : kLayouts) {
    if (layout.type == type) return layout;
  }
  WEIR_CHECK(!"a quantised type");
  __builtin_unreachable();
}

int GroupBytes(const PackLayout& layout) {
  const int per_row = layout.scale == kHalf ? 2 : 1;
  const bool two = layout.has_min && layout.scale != kSuperNibbles;
  return kTileRows * per_row * (two ? 2 : 1);
}

int SuperBytes(const PackLayout& layout) {
  if (layout.scale != kSuper && layout.scale != kSuperNibbles) return 0;
  return kTileRows * 2 * (layout.has_min ? 2 : 1);
}

TileOffsets OffsetsOf(const PackLayout& layout, int64_t n_cols) {
  TileOffsets offsets;
  offsets.groups = n_cols / kUnitCols * kStepBytes * layout.bits;
  offsets.supers = offsets.groups + n_cols / layout.group * GroupBytes(layout);
  offsets.end = offsets.supers + n_cols / kSuperCols * SuperBytes(layout);
  return offsets;
}

}  // namespace weir
