#include "quantise/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/dequantize.h"
#include "test_data.h"

namespace weir {
namespace {

std::vector<TypeTraits> EncodedTypes() {
  std::vector<TypeTraits> types;
  for (const TypeTraits& traits : AllTypes()) {
    if (CanEncode(traits.type) && traits.block_size > 1) types.push_back(traits);
  }
  return types;
}

std::vector<float> RandomRow(int64_t n, float sigma, uint64_t seed) {
  std::mt19937_64 random(TestSeed() + seed);
  std::normal_distribution<float> normal(0, sigma);
  std::vector<float> row(static_cast<size_t>(n));
  for (float& x : row) x = normal(random);
  return row;
}

std::vector<float> RoundTrip(TensorType type, const std::vector<float>& row,
                             const Importance& importance = {}) {
  const auto n = static_cast<int64_t>(row.size());
  std::vector<uint8_t> bytes(static_cast<size_t>(RowBytes(type, n)));
  EncodeRow(type, row.data(), importance, n, bytes.data());
  std::vector<float> values(row.size());
  DequantizeRow(type, bytes.data(), n, values.data());
  return values;
}

/// The squared error as a share of the squares.
double RelativeError(const std::vector<float>& row, const std::vector<float>& values) {
  double error = 0, squares = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    error += std::pow(static_cast<double>(row[i] - values[i]), 2);
    squares += std::pow(static_cast<double>(row[i]), 2);
  }
  return error / squares;
}

class Encode : public testing::TestWithParam<TypeTraits> {};

TEST_P(Encode, NormalWeightsKeepWhatTheBitsAllow) {
  const TypeTraits traits = GetParam();
  const std::vector<float> row = RandomRow(4096, 0.02f, 1);
  const double error = RelativeError(row, RoundTrip(traits.type, row));
  // No code of b bits per value does better on independent normal values than 2^-2b (rate and distortion). Uniform
  // grids lose a factor of 1.42 to that, half a bit of scales per value a factor of 2, and clipping the rest: the
  // bound is 4 % above what the loosest format (Q4_1, a whole bit of scales) reached when this was written.
  const double bits = 8.0 * traits.block_bytes / traits.block_size;
  const double bound = std::exp2(-2 * bits);
  EXPECT_GT(error, bound);
  EXPECT_LT(error, (bits == 5 || bits == 6 ? 5.1 : 3.6) * bound);
}

INSTANTIATE_TEST_SUITE_P(Types, Encode, testing::ValuesIn(EncodedTypes()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace weir
