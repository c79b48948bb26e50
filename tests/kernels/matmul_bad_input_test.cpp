// The matrix kernels at the edges of what may reach them: sums as large as a layout allows, scales
// that are not numbers, shapes that fit no tile. The plain kernel is the specification.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <optional>
#include <string>

#include "kernels/matmul_data.h"
#include "kernels/pack_layout.h"
#include "kernels/random_matrix.h"
#include "test_data.h"

namespace weir {
namespace {

/// Equal bits; the payload of a NaN is not promised.
void ExpectSameBits(const std::vector<float>& expected, const std::vector<float>& found,
                    const std::string& what) {
  ASSERT_EQ(expected.size(), found.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(found[i])) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(expected[i]), std::bit_cast<uint32_t>(found[i]))
        << what << ", output " << i << ": expected " << expected[i] << ", found " << found[i];
  }
}

class MatMulBadInput : public testing::TestWithParam<TypeTraits> {
 protected:
  const TensorType type_ = GetParam().type;
  const int64_t n_cols_ = GetParam().block_size == 256 ? 1280 : 1184;
  std::mt19937_64 random_{TestSeed()};
  const testing::ScopedTrace seed_{__FILE__, __LINE__,
                                   testing::Message() << "WEIR_SEED=" << TestSeed()};

  void ExpectPlainBitsOnEveryIsa(const PackedMatrix& w, const Activations& x,
                                 const std::string& what) {
    const int64_t n_tiles = w.n_tiles();
    const auto expected = Multiply(Isa::kPlain, w, 0, n_tiles, x, w.n_rows);
    for (Isa isa : SupportedIsas()) {
      const auto y = Multiply(isa, w, 0, n_tiles, x, w.n_rows);
      ExpectSameBits(expected, y, std::string(Name(isa)) + ", " + what);
    }
  }
};

/// The bytes of a unit, all of whose codes are `code`: see pack_layout.h.
std::vector<uint8_t> UnitOf(const PackLayout& layout, int code) {
  const int low = layout.bits == 3 ? 2 : layout.bits == 8 || layout.bits == 2 ? layout.bits : 4;
  const auto repeated = [](int value, int bits) {
    int byte = 0;
    for (int at = 0; at < 8; at += bits) byte |= value << at;
    return static_cast<uint8_t>(byte);
  };
  std::vector<uint8_t> unit(static_cast<size_t>(kStepBytes * layout.bits));
  const auto high_begin = unit.begin() + kStepBytes * low;
  std::fill(unit.begin(), high_begin, repeated(code & ((1 << low) - 1), low));
  if (layout.bits > low) {
    std::fill(high_begin, unit.end(), repeated(code >> low, layout.bits - low));
  }
  return unit;
}

// The largest and the smallest sums that each layout allows, which files need not contain: every
// operand at its maximum, every activation at an end of its range, signs in runs of any length.
TEST_P(MatMulBadInput, NoSumSaturates) {
  if (!IsQuantized(type_)) GTEST_SKIP() << "skipped: no integers";
  const PackLayout& layout = LayoutOf(type_);
  OwnedActivations x(19, n_cols_);
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t row = i / static_cast<size_t>(n_cols_), column = i % static_cast<size_t>(n_cols_);
    x.q8[i] = row < 10 && (row < 2 ? row == 0 : column >> (row - 2) & 1) ? 127 : -127;
    if (row >= 10) x.q8[i] = random_() % 2 == 0 ? -127 : 127;
  }
  std::fill(x.scale.begin(), x.scale.end(), 1.f);
  x.Finish();
  int best = 0;
  for (int code = 0; layout.levels && code < 1 << layout.bits; ++code) {
    if (layout.levels[code] > layout.levels[best]) best = code;
  }
  if (!layout.levels) best = (1 << layout.bits) - 1;
  const std::vector<uint8_t> unit = UnitOf(layout, best);
  uint8_t operands[kUnitSteps * kStepBytes];
  UnpackUnit(layout, unit.data(), operands);
  ASSERT_EQ(std::ranges::count(operands, layout.max_operand), std::ssize(operands));
  const auto rows = RandomRows(type_, 32, n_cols_, Scales::kTame, random_);
  const OwnedMatrix packed(type_, 32, n_cols_, rows);
  std::vector<uint8_t> memory(2 * static_cast<size_t>(TileBytes(type_, n_cols_)) + 64);
  uint8_t* tiles = memory.data();
  while (reinterpret_cast<uintptr_t>(tiles) % 64 != 0) ++tiles;
  std::copy_n(packed.matrix().tiles, 2 * TileBytes(type_, n_cols_), tiles);
  for (int64_t at = 0; at < OffsetsOf(layout, n_cols_).groups; ++at) {
    const auto in_unit = static_cast<size_t>(at) % unit.size();
    tiles[at] = tiles[TileBytes(type_, n_cols_) + at] = unit[in_unit];
  }
  const PackedMatrix largest = {type_, 32, n_cols_, tiles};
  for (int64_t n : {1, 2, 3, 4, 5, 6, 19}) {
    ExpectPlainBitsOnEveryIsa(largest, x.View(n), std::to_string(n) + " rows");
  }
}

enum class Odd { kSubnormal, kInfinity, kNaN };

/// Gives a block a scale, or a first value, that is not an ordinary number.
void MakeOdd(TensorType type, Odd kind, uint8_t* block) {
  const bool special = kind != Odd::kSubnormal;
  const auto set_half = [&](uint8_t* p) {
    p[0] = kind == Odd::kInfinity ? 0 : 3;
    p[1] = static_cast<uint8_t>((p[1] & 0x80) | (special ? 0x7c : 0));
  };
  if (type == TensorType::kF32 || type == TensorType::kBF16) {
    uint8_t* top = block + Traits(type).block_bytes - 2;
    top[0] = kind == Odd::kInfinity ? 0x80 : kind == Odd::kNaN ? 0xc1 : 0x01;
    top[1] = static_cast<uint8_t>((top[1] & 0x80) | (special ? 0x7f : 0));
  } else if (type == TensorType::kMXFP4) {
    block[0] = special ? 255 : 0;
  } else if (type == TensorType::kIQ1_M) {
    const int half = kind == Odd::kInfinity ? 0x7c00 : kind == Odd::kNaN ? 0x7c03 : 3;
    for (int i = 0; i < 4; ++i) {
      uint8_t& byte = block[49 + 2 * i];
      byte = static_cast<uint8_t>((byte & 15) | (half >> 4 * i & 15) << 4);
    }
  } else {
    const HalfPlaces halves = HalvesOf(type);
    set_half(block + halves.first);
    if (halves.second >= 0 && kind != Odd::kInfinity) set_half(block + halves.second);
  }
}

// Every table propagates them alike; which outputs they reach is up to the file.
TEST_P(MatMulBadInput, OddScalesGiveTheSameBitsOnEveryIsa) {
  constexpr int64_t kRows = 36;
  auto rows = RandomRows(type_, kRows, n_cols_, Scales::kTame, random_);
  const int64_t row_bytes = RowBytes(type_, n_cols_), block_bytes = GetParam().block_bytes;
  for (int64_t row = 0; row < kRows; ++row) {
    if (row % 4 == 3) continue;
    uint8_t* first = rows.data() + row * row_bytes;
    const int64_t n_blocks = row_bytes / block_bytes;
    if (row % 4 == 0) {
      for (int64_t b = 0; b < n_blocks; ++b) MakeOdd(type_, Odd::kSubnormal, first + b * block_bytes);
      continue;
    }
    const auto block = static_cast<int64_t>(random_() % static_cast<uint64_t>(n_blocks));
    MakeOdd(type_, row % 4 == 1 ? Odd::kInfinity : Odd::kNaN, first + block * block_bytes);
  }
  const OwnedMatrix packed(type_, kRows, n_cols_, rows);
  OwnedActivations x = RandomActivations(9, n_cols_, random_);
  const auto per_row = static_cast<size_t>(n_cols_ / 32);
  for (size_t block = 0; block < per_row; ++block) x.scale[block] = 1e-41f;
  x.scale[per_row + 3] = std::nanf("");  // what quantize() leaves for a block it cannot represent
  x.scale[2 * per_row + 5] = 0;
  x.Finish();
  for (int64_t n : {1, 2, 5, 9}) {
    ExpectPlainBitsOnEveryIsa(packed.matrix(), x.View(n), std::to_string(n) + " rows");
  }
  const auto y = Multiply(Isa::kPlain, packed.matrix(), 0, 3, x.View(9), kRows);
  const auto row3 = y.begin() + 3 * kRows;
  EXPECT_TRUE(std::isfinite(row3[3])) << "an ordinary row";
  EXPECT_TRUE(type_ == TensorType::kMXFP4 || std::isnan(row3[2])) << "a row with a NaN";
  EXPECT_TRUE(type_ == TensorType::kMXFP4 || !std::isfinite(row3[1])) << "one with an infinity";
}

TEST_P(MatMulBadInput, OneRowMatrices) {
  const auto rows = RandomRows(type_, 1, n_cols_, Scales::kTame, random_);
  const OwnedMatrix packed(type_, 1, n_cols_, rows);
  const OwnedActivations x = RandomActivations(9, n_cols_, random_);
  for (int64_t n : {1, 9}) {
    ExpectPlainBitsOnEveryIsa(packed.matrix(), x.View(n), std::to_string(n) + " rows");
  }
}

TEST_P(MatMulBadInput, NoActivationsAreNoWork) {
  const auto rows = RandomRows(type_, 40, n_cols_, Scales::kTame, random_);
  const OwnedMatrix packed(type_, 40, n_cols_, rows);
  const OwnedActivations x = RandomActivations(1, n_cols_, random_);
  for (Isa isa : SupportedIsas()) {
    float y = kUntouched;
    Kernels(isa).mat_mul(packed.matrix(), 0, 3, x.View(0), &y, 40);
    Kernels(isa).mat_mul(packed.matrix(), 1, 1, x.View(1), &y, 40);
    EXPECT_EQ(y, kUntouched) << Name(isa);
  }
}

TEST_P(MatMulBadInput, MoreRowsThanAnyBlockHolds) {
  constexpr int64_t kMany = 5000, kDistinct = 23;
  const int64_t n_cols = GetParam().block_size == 256 ? 256 : 32;
  const auto rows = RandomRows(type_, 17, n_cols, Scales::kTame, random_);
  const OwnedMatrix packed(type_, 17, n_cols, rows);
  const OwnedActivations x = RandomActivations(kDistinct, n_cols, random_);
  std::vector<int32_t> pick(kMany);
  for (int32_t& row : pick) row = static_cast<int32_t>(random_() % kDistinct);
  const auto expected = Multiply(Isa::kPlain, packed.matrix(), 0, 2, x.View(kDistinct), 17);
  for (Isa isa : SupportedIsas()) {
    std::vector<float> y(kMany * 17, kUntouched);
    Activations view = x.View(kMany, pick.data());
    std::optional<OwnedBlocks> blocks;
    view.block_rows = Kernels(isa).BlockRows(type_, kMany);
    if (view.block_rows > 0) view.blocks = blocks.emplace(view).first;
    Kernels(isa).mat_mul(packed.matrix(), 0, 2, view, y.data(), 17);
    for (size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(y[i], expected[static_cast<size_t>(pick[i / 17]) * 17 + i % 17])
          << Name(isa) << ", row " << i / 17;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, MatMulBadInput, testing::ValuesIn(TypeList()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace weir
