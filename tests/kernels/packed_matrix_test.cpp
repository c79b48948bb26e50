#include "kernels/packed_matrix.h"

#include <gtest/gtest.h>

#include "kernels/dequantize.h"
#include "kernels/random_matrix.h"
#include "test_data.h"

namespace weir {
namespace {

/// Packs the rows and expects every one to come back as DequantizeRow gives it.
void ExpectLossless(TensorType type, int64_t n_rows, int64_t n_cols,
                    const std::vector<uint8_t>& rows) {
  const OwnedMatrix packed(type, n_rows, n_cols, rows);
  std::vector<float> expected(static_cast<size_t>(n_cols)), values(expected.size());
  for (int64_t row = 0; row < n_rows; ++row) {
    DequantizeRow(type, rows.data() + row * RowBytes(type, n_cols), n_cols, expected.data());
    UnpackRow(packed.matrix(), row, values.data());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i], expected[i]) << "row " << row << " column " << i << " of " << n_cols;
    }
  }
}

class EveryType : public testing::TestWithParam<TypeTraits> {};

TEST_P(EveryType, SurvivesPacking) {
  const TypeTraits traits = GetParam();
  SCOPED_TRACE(testing::Message() << "WEIR_SEED=" << TestSeed());
  std::mt19937_64 random(TestSeed());
  for (const int64_t n_cols : {1, 7, 32, 96, 256, 288, 512, 768, 1024 + 32}) {
    if (n_cols % traits.block_size != 0) continue;
    for (const int64_t n_rows : {1, 15, 16, 33}) {
      ExpectLossless(traits.type, n_rows, n_cols,
                     RandomRows(traits.type, n_rows, n_cols, Scales::kAnyFinite, random));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(EveryType, PacksTheGoldenVectors) {
  const TypeTraits traits = GetParam();
  if (traits.block_size == 1) return;  // the vectors hold blocks only
  const nlohmann::json golden = ReadJson(TestData("quant_vectors.json"));
  for (const auto& row : golden.at(std::string(traits.name)).at("rows")) {
    const auto hex = row.at("hex").get<std::string>();
    const auto expected = row.at("values").get<std::vector<float>>();
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i < hex.size(); i += 2) {
      bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
    }
    const auto n_cols = static_cast<int64_t>(expected.size());
    const OwnedMatrix packed(traits.type, 1, n_cols, bytes);
    std::vector<float> values(expected.size());
    UnpackRow(packed.matrix(), 0, values.data());
    for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], expected[i]) << "value " << i;
  }
}

TEST_P(EveryType, FillsMissingRowsWithZeros) {
  const TypeTraits traits = GetParam();
  const int64_t n_cols = 512;
  std::mt19937_64 random(TestSeed());
  OwnedMatrix packed(traits.type, 3, n_cols,
                     RandomRows(traits.type, 3, n_cols, Scales::kAnyFinite, random));
  PackedMatrix whole_tile = packed.matrix();
  whole_tile.n_rows = kTileRows;
  std::vector<float> values(static_cast<size_t>(n_cols));
  for (int64_t row = 3; row < kTileRows; ++row) {
    UnpackRow(whole_tile, row, values.data());
    for (float value : values) ASSERT_EQ(value, 0) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(PackedMatrix, EveryType, testing::ValuesIn(TypeList()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(PackedMatrix, TakesLittleMoreThanTheFile) {
  const auto bits_per_weight = [](TensorType type) {
    constexpr int64_t kCols = 4096;
    return static_cast<double>(TileBytes(type, kCols)) * 8 / (kTileRows * kCols);
  };
  EXPECT_EQ(bits_per_weight(TensorType::kF32), 32);
  EXPECT_EQ(bits_per_weight(TensorType::kBF16), 16);
  EXPECT_EQ(bits_per_weight(TensorType::kQ8_0), 8.5);
  EXPECT_EQ(bits_per_weight(TensorType::kQ6_K), 6.5625);
  EXPECT_EQ(bits_per_weight(TensorType::kQ5_K), 5.625);
  EXPECT_EQ(bits_per_weight(TensorType::kQ4_K), 4.625);
  EXPECT_EQ(bits_per_weight(TensorType::kQ4_0), 4.5);
  EXPECT_EQ(bits_per_weight(TensorType::kMXFP4), 4.25);
  EXPECT_EQ(bits_per_weight(TensorType::kIQ4_XS), 4.3125);
  EXPECT_EQ(bits_per_weight(TensorType::kIQ3_XXS), 4.3125);
  EXPECT_EQ(bits_per_weight(TensorType::kQ3_K), 3.5625);
  EXPECT_EQ(bits_per_weight(TensorType::kIQ2_XXS), 3.3125);
  EXPECT_EQ(bits_per_weight(TensorType::kQ2_K), 2.625);
}

}  // namespace
}  // namespace weir
