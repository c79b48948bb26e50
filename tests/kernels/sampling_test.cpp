// The kernels of sampling: weights against exp in long double, and every vector table against the
// plain one, bit by bit.
#include "kernels/sampling.h"

#include <cmath>

#include "rows_data.h"

namespace weir {
namespace {

struct SamplingTable {
  std::string name;
  const SamplingKernels* kernels;
};

std::vector<SamplingTable> SamplingTables() {
  std::vector<SamplingTable> tables = {{"plain", &kSamplingPlain}};
#if defined(__x86_64__)
  if (Supported(Isa::kAvx2)) tables.push_back({"avx2", &kSamplingAvx2});
  if (Supported(Isa::kAvx512Vnni)) tables.push_back({"avx512vnni", &kSamplingAvx512});
#endif
  return tables;
}

constexpr double kLog2E = 0x1.71547652b82fep0;

/// Blocks of every length, with everything that a float can be.
std::vector<std::vector<float>> Blocks() {
  RandomValues random(TestSeed());
  std::vector<std::vector<float>> blocks;
  for (int64_t n = 1; n <= kLogitBlock; ++n) {
    blocks.push_back(random.Normal(n, 10));
    blocks.push_back(random.Awkward(n));
    blocks.push_back(random.Normal(n));
    const float odd[] = {kInf, -kInf, kNaN, 3e38f, -3e38f, 1e-45f, -0.0f};
    for (float& x : blocks.back()) {
      if (random.Bits() % 4 == 0) x = odd[random.Bits() % std::size(odd)];
    }
  }
  return blocks;
}

TEST(SamplingWeights, AreTheNearestIntegers) {
  RandomValues random(TestSeed());
  for (int round = 0; round < 20'000; ++round) {
    const float max = random.Uniform(-30, 30), logit = max - random.Uniform(0, 32);
    const double octaves = kLog2E / random.Uniform(0.2f, 3);
    const double weight = kSamplingPlain.weigh(&logit, 1, {max, octaves, 1}, nullptr);
    const long double exact =
        std::exp2((static_cast<long double>(logit) - max) * octaves + kWeightBits);
    ASSERT_NEAR(weight, static_cast<double>(exact), 0.51) << logit << ", max " << max;
    ASSERT_EQ(weight, std::floor(weight));
  }
}

TEST(SamplingWeights, SpecialValues) {
  const float inf_row[] = {kInf, 3.4e38f, -kInf, kNaN, 0};
  double weights[16];
  EXPECT_EQ(kSamplingPlain.weigh(inf_row, 5, {0x1p128, 1, 1}, weights), 0x1p40);
  EXPECT_EQ(std::vector<double>(weights, weights + 5), (std::vector<double>{0x1p40, 0, 0, 0, 0}));
  const float row[] = {2, 1, -26};  // the last is 40.4 octaves down: three quarters of a unit
  const double sum = kSamplingPlain.weigh(row, 3, {2, kLog2E, 1}, weights);
  EXPECT_EQ(weights[0], 0x1p40);
  EXPECT_EQ(weights[2], 1);
  EXPECT_EQ(sum, weights[0] + weights[1] + 1);
  const double second = weights[1];
  EXPECT_EQ(kSamplingPlain.weigh(row, 3, {2, kLog2E, second}, nullptr), 0x1p40 + second);
  EXPECT_EQ(kSamplingPlain.weigh(row, 3, {2, kLog2E, second + 1}, nullptr), 0x1p40);
}

TEST(SamplingBits, Weigh) {
  for (const auto& logits : Blocks()) {
    const int64_t n = static_cast<int64_t>(logits.size());
    float max = -kInf;
    for (const float x : logits) max = x > max ? x : max;
    if (max == -kInf) continue;
    for (const double octaves : {kLog2E, kLog2E / 0.01, 1e45, 1e-39}) {
      const WeightScale scale{max == kInf ? 0x1p128 : max, octaves, n % 2 ? 1. : 0x1p36};
      std::vector<double> expected(n), found(n + 16);
      const double sum = kSamplingPlain.weigh(logits.data(), n, scale, expected.data());
      for (const SamplingTable& table : SamplingTables()) {
        EXPECT_EQ(table.kernels->weigh(logits.data(), n, scale, nullptr), sum) << table.name;
        EXPECT_EQ(table.kernels->weigh(logits.data(), n, scale, found.data()), sum) << table.name;
        ASSERT_EQ(std::vector<double>(found.begin(), found.begin() + n), expected)
            << table.name << ", n = " << n << ", seed " << TestSeed();
      }
    }
  }
}

TEST(SamplingBits, Collect) {
  for (const auto& logits : Blocks()) {
    const int64_t n = static_cast<int64_t>(logits.size());
    for (const float limit : {-kInf, -1.0f, 0.0f, logits[0], 1e10f, kInf}) {
      std::vector<int32_t> ids(n + 16), expected_ids;
      std::vector<float> values(n + 16), expected;
      for (int64_t i = 0; i < n; ++i) {
        if (!(logits[i] >= limit)) continue;
        expected_ids.push_back(static_cast<int32_t>(7 + i));
        expected.push_back(logits[i]);
      }
      for (const SamplingTable& table : SamplingTables()) {
        const int64_t n_found =
            table.kernels->collect(logits.data(), n, limit, 7, ids.data(), values.data());
        ASSERT_EQ(std::vector(ids.begin(), ids.begin() + n_found), expected_ids) << table.name;
        ExpectSameBits(expected, std::vector(values.begin(), values.begin() + n_found), table.name);
      }
    }
  }
}

TEST(SamplingBits, Forbid) {
  RandomValues random(TestSeed());
  for (const auto& logits : Blocks()) {
    const int64_t n = static_cast<int64_t>(logits.size());
    uint64_t allowed[2] = {0, ~uint64_t{0}};
    for (int i = 0; i < 3; ++i) allowed[0] = allowed[0] << 32 | random.Bits();
    std::vector<float> expected = logits;
    float largest = -kInf;
    for (int64_t i = 0; i < n; ++i) {
      if (!(allowed[i / 64] >> (i % 64) & 1)) expected[i] = -kInf;
      if (expected[i] > largest) largest = expected[i];
    }
    for (const SamplingTable& table : SamplingTables()) {
      std::vector<float> found = logits;
      EXPECT_EQ(table.kernels->forbid(found.data(), n, allowed), largest) << table.name;
      ExpectSameBits(expected, found, table.name);
    }
  }
}

TEST(SamplingBits, Hash) {
  for (const auto& logits : Blocks()) {
    const int64_t n = static_cast<int64_t>(logits.size());
    const uint64_t expected = kSamplingPlain.hash(logits.data(), n);
    for (const SamplingTable& table : SamplingTables()) {
      EXPECT_EQ(table.kernels->hash(logits.data(), n), expected) << table.name << ", n = " << n;
    }
  }
}

TEST(SamplingHash, EveryBitOfEveryLogitCounts) {
  std::vector<float> logits = RandomValues(TestSeed()).Normal(kLogitBlock - 3);
  const auto hash = [&] { return kSamplingPlain.hash(logits.data(), logits.size()); };
  const uint64_t expected = hash();
  for (float& x : logits) {
    const float original = x;
    for (int bit = 0; bit < 32; ++bit) {
      x = std::bit_cast<float>(std::bit_cast<uint32_t>(original) ^ (1u << bit));
      EXPECT_NE(hash(), expected);
    }
    x = original;
  }
  for (const int other : {1, 2, 16, 64}) {
    std::swap(logits[0], logits[other]);
    EXPECT_NE(hash(), expected);
    std::swap(logits[0], logits[other]);
  }
}

}  // namespace
}  // namespace weir
