#include <gtest/gtest.h>

#include <cmath>

#include "kernels/dequantize.h"
#include "kernels/matmul_data.h"
#include "kernels/random_matrix.h"
#include "test_data.h"

namespace weir {
namespace {

constexpr int64_t kMaxActivationRows = 70;

class MatMul : public testing::TestWithParam<TypeTraits> {
 protected:
  // Two panels of any kernel and a rest; three tiles, the last one half full.
  const TensorType type_ = GetParam().type;
  const int64_t n_cols_ = GetParam().block_size == 256 ? 1280 : 1184;
  const int64_t n_rows_ = 40;
  const int64_t n_tiles_ = 3;
  std::mt19937_64 random_{TestSeed()};
  const std::vector<uint8_t> rows_ = RandomRows(type_, n_rows_, n_cols_, Scales::kTame, random_);
  const OwnedMatrix packed_{type_, n_rows_, n_cols_, rows_};
  const testing::ScopedTrace seed_{__FILE__, __LINE__,
                                   testing::Message() << "WEIR_SEED=" << TestSeed()};

  void ExpectNearReference(const std::vector<uint8_t>& rows, const OwnedActivations& x,
                           const std::vector<float>& y);
};

/// Compares with the product in double precision. A result is a chain of at most two roundings per
/// 16 columns (one per column in the float types) of partial sums, none of which exceeds the row's
/// largest weight, doubled for scale and minimum apart, times the 1-norm of the activations.
void MatMul::ExpectNearReference(const std::vector<uint8_t>& rows, const OwnedActivations& x,
                                 const std::vector<float>& y) {
  const double roundings = IsQuantized(type_) ? 3. * static_cast<double>(n_cols_) / 16
                                              : static_cast<double>(n_cols_) / 4 + 2;
  std::vector<float> weights(static_cast<size_t>(n_cols_));
  for (int64_t r = 0; r < n_rows_; ++r) {
    DequantizeRow(type_, rows.data() + r * RowBytes(type_, n_cols_), n_cols_, weights.data());
    double largest = 0;
    for (float w : weights) largest = std::max(largest, std::abs(double{w}));
    for (int64_t i = 0; i < x.n_rows; ++i) {
      double expected = 0, norm = 0;
      for (int64_t c = 0; c < n_cols_; ++c) {
        const auto at = static_cast<size_t>(i * n_cols_ + c);
        const double value =
            IsQuantized(type_) ? double{x.scale[at / 32]} * x.q8[at] : double{x.f32[at]};
        expected += double{weights[static_cast<size_t>(c)]} * value;
        norm += std::abs(value);
      }
      ASSERT_NEAR(y[static_cast<size_t>(i * n_rows_ + r)], expected,
                  roundings * 0x1p-24 * 2 * largest * norm)
          << "activation row " << i << ", weight row " << r;
    }
  }
}

TEST_P(MatMul, PlainIsNearTheDoublePrecisionProduct) {
  const OwnedActivations x = RandomActivations(3, n_cols_, random_);
  const auto y = Multiply(Isa::kPlain, packed_.matrix(), 0, n_tiles_, x.View(3), n_rows_);
  ExpectNearReference(rows_, x, y);
}

TEST_P(MatMul, EveryIsaGivesTheSameBitsForAnyNumberOfRows) {
  const OwnedActivations x = RandomActivations(kMaxActivationRows, n_cols_, random_);
  const int64_t stride = n_rows_ + 5;
  const auto expected =
      Multiply(Isa::kPlain, packed_.matrix(), 0, n_tiles_, x.View(kMaxActivationRows), stride);
  const auto check = [&](Isa isa, int64_t n, int block_rows) {
    const auto y = Multiply(isa, packed_.matrix(), 0, n_tiles_, x.View(n), stride, block_rows);
    for (int64_t i = 0; i < n * stride; ++i) {
      const auto at = static_cast<size_t>(i);
      const float wanted = i % stride < n_rows_ ? expected[at] : kUntouched;
      ASSERT_EQ(y[at], wanted) << Name(isa) << ": row " << i / stride << " of " << n << ", output "
                               << i % stride << ", blocks of " << block_rows;
    }
  };
  for (Isa isa : SupportedIsas()) {
    for (int64_t n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33, 70}) {
      check(isa, n, 0);
    }
    if (!IsQuantized(type_)) continue;
    for (int block_rows : BlockHeights(isa)) check(isa, 33, block_rows);
  }
}

TEST_P(MatMul, EveryIsaPicksRowsAndSplitsTiles) {
  const OwnedActivations x = RandomActivations(20, n_cols_, random_);
  const auto expected =
      Multiply(Isa::kPlain, packed_.matrix(), 0, n_tiles_, x.View(x.n_rows), n_rows_);
  std::vector<int32_t> pick(19);
  for (int32_t& row : pick) row = static_cast<int32_t>(random_() % 20);
  for (Isa isa : SupportedIsas()) {
    const std::vector<int> heights = IsQuantized(type_) ? BlockHeights(isa) : std::vector<int>();
    for (int64_t tile = 0; tile < n_tiles_; ++tile) {
      const auto y = Multiply(isa, packed_.matrix(), tile, tile + 1,
                              x.View(static_cast<int64_t>(pick.size()), pick.data()), n_rows_,
                              heights.empty() ? 0 : heights[heights.size() - 1 - static_cast<size_t>(tile)]);
      for (size_t i = 0; i < pick.size() * static_cast<size_t>(n_rows_); ++i) {
        const auto output = static_cast<int64_t>(i) % n_rows_;
        const auto row = static_cast<size_t>(pick[i / static_cast<size_t>(n_rows_)]);
        const float wanted =
            output / kTileRows == tile
                ? expected[row * static_cast<size_t>(n_rows_) + static_cast<size_t>(output)]
                : kUntouched;
        ASSERT_EQ(y[i], wanted) << Name(isa) << ": tile " << tile << ", output " << output;
      }
    }
  }
}

TEST_P(MatMul, EveryIsaTakesNarrowMatrices) {
  for (int64_t n_cols : {1, 2, 5, 32, 64, 256, 512, 544}) {
    if (n_cols % (IsQuantized(type_) ? GetParam().block_size : 1) != 0) continue;
    const auto rows = RandomRows(type_, 16, n_cols, Scales::kTame, random_);
    const OwnedMatrix packed(type_, 16, n_cols, rows);
    const OwnedActivations x = RandomActivations(5, n_cols, random_);
    const auto expected = Multiply(Isa::kPlain, packed.matrix(), 0, 1, x.View(5), 16);
    for (Isa isa : SupportedIsas()) {
      ASSERT_EQ(Multiply(isa, packed.matrix(), 0, 1, x.View(5), 16), expected)
          << Name(isa) << ", " << n_cols << " columns";
    }
  }
}

// Where 16-bit or saturating arithmetic would give itself away: every weight byte and every
// activation at an end of its range, signs in all combinations.
TEST_P(MatMul, EveryIsaIsExactAtTheExtremes) {
  OwnedActivations x(13, n_cols_);  // more than any kernel takes at once
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t row = i / static_cast<size_t>(n_cols_);
    const bool negative = row < 2 ? row == 1 : row == 2 ? i % 2 == 0 : random_() % 2 == 0;
    x.q8[i] = negative ? -127 : 127;
  }
  for (float& scale : x.scale) scale = 1;
  x.Finish();
  std::vector<uint8_t> bytes(rows_);
  for (int byte : {0x00, 0xff, 0x80, 0x7f, 0x0f, 0xf0, -1}) {
    const int block_bytes = GetParam().block_bytes;
    for (size_t i = 0; i < bytes.size(); ++i) {
      const auto in_block = static_cast<int>(i) % block_bytes;
      if (HoldsScale(type_, in_block)) continue;
      const uint8_t random_extreme = random_() % 2 == 0 ? 0x00 : 0xff;
      bytes[i] = byte < 0 ? random_extreme : static_cast<uint8_t>(byte);
    }
    const OwnedMatrix packed(type_, n_rows_, n_cols_, bytes);
    const auto expected =
        Multiply(Isa::kPlain, packed.matrix(), 0, n_tiles_, x.View(x.n_rows), n_rows_);
    ExpectNearReference(bytes, x, expected);
    for (Isa isa : SupportedIsas()) {
      ASSERT_EQ(Multiply(isa, packed.matrix(), 0, n_tiles_, x.View(x.n_rows), n_rows_), expected)
          << Name(isa) << ", byte " << byte;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, MatMul, testing::ValuesIn(TypeList()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace weir
