#include "quantise/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/dequantize.h"
#include "test_data.h"

namespace weir {
namespace {

using enum TensorType;

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
  // One byte more, to see that nothing is written past the end.
  std::vector<uint8_t> bytes(static_cast<size_t>(RowBytes(type, n)) + 1, 0xa5);
  EncodeRow(type, row.data(), importance, n, bytes.data());
  EXPECT_EQ(bytes.back(), 0xa5);
  std::vector<float> values(row.size());
  DequantizeRow(type, bytes.data(), n, values.data());
  return values;
}

/// The squared error, weighted, as a share of the squares.
double RelativeError(const std::vector<float>& row, const std::vector<float>& values,
                     const std::vector<float>& weights = {}) {
  double error = 0, squares = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const double w = weights.empty() ? 1 : static_cast<double>(weights[i]);
    error += w * std::pow(static_cast<double>(row[i]) - static_cast<double>(values[i]), 2);
    squares += w * std::pow(static_cast<double>(row[i]), 2);
  }
  return squares > 0 ? error / squares : error;
}

class Encode : public testing::TestWithParam<TypeTraits> {
 protected:
  const TensorType type_ = GetParam().type;
};

TEST_P(Encode, NormalWeightsKeepWhatTheBitsAllow) {
  const std::vector<float> row = RandomRow(4096, 0.02f, 1);
  const double error = RelativeError(row, RoundTrip(type_, row));
  // No code of b bits per value does better on independent normal values than 2^-2b (rate and distortion). Uniform
  // grids lose a factor of 1.42 to that, half a bit of scales per value a factor of 2, and clipping the rest: the
  // bound is 4 % above what the loosest format (Q4_1, a whole bit of scales) reached when this was written.
  const double bits = 8.0 * GetParam().block_bytes / GetParam().block_size;
  const double bound = std::exp2(-2 * bits);
  EXPECT_GT(error, bound);
  EXPECT_LT(error, (bits == 5 || bits == 6 ? 5.1 : 3.6) * bound);
}

TEST_P(Encode, ScalesOfAnySizeAreAsGood) {
  const double bound = 1.3 * RelativeError(RandomRow(1024, 1, 2), RoundTrip(type_, RandomRow(1024, 1, 2)));
  for (const float sigma : {1e-3f, 30.0f, 10000.0f}) {
    std::vector<float> row = RandomRow(1024, 1, 2);
    for (float& x : row) x *= sigma;
    EXPECT_LT(RelativeError(row, RoundTrip(type_, row)), bound) << sigma;
  }
}

TEST_P(Encode, HostileRowsStayFiniteAndInReach) {
  const auto expect_sane = [&](const char* what, const std::vector<float>& row, double bound) {
    const std::vector<float> values = RoundTrip(type_, row);
    for (const float value : values) ASSERT_TRUE(std::isfinite(value)) << what;
    EXPECT_LE(RelativeError(row, values), bound) << what;
  };
  const std::vector<float> zeros(512, 0.0f);
  EXPECT_EQ(RelativeError(zeros, RoundTrip(type_, zeros)), 0.0);
  // The entries of codebooks have no zeros: beside a value that is alone in its group they cost up to half of it.
  const std::string_view name = GetParam().name;
  const double alone = name.starts_with("IQ2") ? 0.55 : name.starts_with("IQ3") ? 0.2 : 0.05;
  expect_sane("all the same", std::vector<float>(512, 0.37f), 0.05);
  expect_sane("all the same, negative", std::vector<float>(512, -0.37f), 0.05);
  expect_sane("smallest numbers", std::vector<float>(512, 1e-45f), 1.0);
  expect_sane("smaller than halves", std::vector<float>(512, 1e-8f), 1.1);
  expect_sane("the largest", std::vector<float>(512, kMaxWeight), 0.05);
  expect_sane("the largest, negative", std::vector<float>(512, -kMaxWeight), 0.05);
  std::vector<float> row = RandomRow(512, 0.02f, 3);
  row[100] = 1000;
  expect_sane("an outlier", row, alone);
  row[101] = -kMaxWeight;
  row[300] = kMaxWeight;
  expect_sane("huge outliers", row, alone);
  for (size_t i = 0; i < row.size(); ++i) row[i] = i % 2 ? kMaxWeight : -kMaxWeight;
  expect_sane("the largest of both signs", row, 0.1);
  std::fill(row.begin(), row.end(), 0.0f);
  row[17] = -0.5f;
  expect_sane("one value", row, alone);
}

TEST_P(Encode, ImportantColumnsComeOutBetter) {
  const std::vector<float> row = RandomRow(1024, 1, 4);
  std::vector<float> weights(row.size(), 0.01f);
  for (size_t i = 0; i < row.size(); i += 5) weights[i] = 1;
  const double plain = RelativeError(row, RoundTrip(type_, row), weights);
  const double weighted =
      RelativeError(row, RoundTrip(type_, row, {weights.data(), nullptr}), weights);
  EXPECT_LT(weighted, 0.95 * plain);
}

/// Mean products of inputs that share a few hidden causes, [2][256][256].
std::vector<float> Products() {
  std::vector<float> products(2 * kWindow * kWindow);
  for (uint64_t window = 0; window < 2; ++window) {
    std::vector<std::vector<float>> causes;
    for (uint64_t c = 0; c < 12; ++c) causes.push_back(RandomRow(kWindow, 1, 100 + 20 * window + c));
    for (size_t i = 0; i < kWindow; ++i) {
      for (size_t j = 0; j < kWindow; ++j) {
        float sum = i == j ? 1 : 0;
        for (const auto& cause : causes) sum += cause[i] * cause[j] / 4;
        products[(window * kWindow + i) * kWindow + j] = sum;
      }
    }
  }
  return products;
}

double OutputError(const std::vector<float>& row, const std::vector<float>& values,
                   const std::vector<float>& products) {
  double error = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const size_t window = i / kWindow * kWindow;
    for (size_t j = 0; j < kWindow; ++j) {
      error += static_cast<double>(row[i] - values[i]) * static_cast<double>(products[i * kWindow + j]) *
               static_cast<double>(row[window + j] - values[window + j]);
    }
  }
  return error;
}

TEST_P(Encode, ErrorsOfColumnsThatMoveTogetherCancel) {
  const std::vector<float> row = RandomRow(2 * kWindow, 1, 5), products = Products();
  std::vector<float> squares;
  for (size_t i = 0; i < row.size(); ++i) squares.push_back(products[i * kWindow + i % kWindow]);
  const auto diagonal = RoundTrip(type_, row, {squares.data(), nullptr});
  const auto all = RoundTrip(type_, row, {squares.data(), products.data()});
  // Of four parts of the error, three lie in the twelve directions of the causes, and most of those can go.
  EXPECT_LT(OutputError(row, all, products), 0.75 * OutputError(row, diagonal, products));
}

TEST_P(Encode, RowsAreEncodedWindowByWindow) {
  const std::vector<float> row = RandomRow(1024, 1, 6);
  const std::vector<float> values = RoundTrip(type_, row);
  const std::vector<float> part(row.begin() + kWindow, row.begin() + 3 * kWindow);
  EXPECT_EQ(RoundTrip(type_, part),
            std::vector<float>(values.begin() + kWindow, values.begin() + 3 * kWindow));
}

INSTANTIATE_TEST_SUITE_P(Types, Encode, testing::ValuesIn(EncodedTypes()),
                         [](const auto& test) { return std::string(test.param.name); });

/// Levels that reach both ends of a grid in every block, as those of real blocks do.
std::vector<float> FullGrid(int n, int low, int high, int block) {
  std::mt19937_64 random(TestSeed());
  std::uniform_int_distribution<int> level(low, high);
  std::vector<float> levels;
  for (int i = 0; i < n; ++i) {
    levels.push_back(static_cast<float>(i % block == 0 ? low : i % block == 1 ? high : level(random)));
  }
  return levels;
}

TEST(EncodeExactly, WhatAFormatCanHoldIsHeld) {
  const auto expect_exact = [](TensorType type, const std::vector<float>& row) {
    const std::vector<float> values = RoundTrip(type, row);
    for (size_t i = 0; i < row.size(); ++i) {
      ASSERT_EQ(values[i], row[i]) << Traits(type).name << " value " << i;
    }
  };
  const auto scaled = [](std::vector<float> levels, float step, float min) {
    for (float& level : levels) level = step * level - min;
    return levels;
  };
  const float step = 0.0117340087890625f;  // a half
  expect_exact(kQ8_0, scaled(FullGrid(512, -127, 127, 32), step, 0));
  expect_exact(kQ4_0, scaled(FullGrid(512, -8, 7, 32), step, 0));
  expect_exact(kQ5_0, scaled(FullGrid(512, -16, 15, 32), step, 0));
  expect_exact(kQ4_1, scaled(FullGrid(512, 0, 15, 32), step, 0.125f));
  expect_exact(kQ5_1, scaled(FullGrid(512, 0, 31, 32), step, 0.125f));
  expect_exact(kQ2_K, scaled(FullGrid(512, 0, 3, 16), 15 * step, 15 * 0.0078125f));
  expect_exact(kQ3_K, scaled(FullGrid(512, -4, 3, 16), -31 * step, 0));
  expect_exact(kQ4_K, scaled(FullGrid(512, 0, 15, 32), 63 * step, 63 * 0.0078125f));
  expect_exact(kQ5_K, scaled(FullGrid(512, 0, 31, 32), 63 * step, 63 * 0.0078125f));
  expect_exact(kQ6_K, scaled(FullGrid(512, -32, 31, 16), 127 * step, 0));
  const std::vector<float> halves = scaled(FullGrid(64, -1000, 1000, 32), step, 0);
  expect_exact(kF32, halves);
  std::vector<float> exact;
  for (const float x : halves) exact.push_back(HalfToFloat(FloatToHalf(x)));
  expect_exact(kF16, exact);
}

TEST(EncodeExactly, FloatsRoundToNearestEven) {
  const std::vector<float> row = {1.00390625f, 1.01171875f, 1.0039064f, -1.00390625f};
  EXPECT_EQ(RoundTrip(kBF16, row), (std::vector<float>{1.0f, 1.015625f, 1.0078125f, -1.0f}));
}

}  // namespace
}  // namespace weir
