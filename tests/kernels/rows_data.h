// What the tests of the row operations share: the tables of this machine and random values.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/rows.h"
#include "test_data.h"

namespace weir {

struct RowTable {
  std::string name;
  const RowKernels* rows;
};

/// The tables that this machine can run, the plain one first.
inline std::vector<RowTable> RowTables() {
  std::vector<RowTable> tables = {{"plain", &kRowsPlain}};
#if defined(__x86_64__)
  if (Supported(Isa::kAvx2)) tables.push_back({"avx2", &kRowsAvx2});
  if (Supported(Isa::kAvx512Vnni)) tables.push_back({"avx512vnni", &kRowsAvx512});
#endif
  return tables;
}

inline constexpr float kEps = 0x1p-24f;  // largest relative error of one rounding
inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : engine_(seed) {}

  std::vector<float> Normal(int64_t n, float sigma = 1) {
    std::normal_distribution<float> distribution(0, sigma);
    std::vector<float> values(n);
    for (float& value : values) value = distribution(engine_);
    return values;
  }
  /// A third of them zeros of both signs, subnormals, tiny or large (at most `largest`).
  std::vector<float> Awkward(int64_t n, float largest = 1e15f) {
    std::vector<float> values = Normal(n);
    const float odd[] = {0, -0.0f, 1e-45f, -1e-40f, 1e-38f, -3e-30f, largest, -largest};
    for (float& value : values) {
      if (engine_() % 3 == 0) value = odd[engine_() % 8];
    }
    return values;
  }
  float Uniform(float low, float high) {
    return std::uniform_real_distribution<float>(low, high)(engine_);
  }
  uint32_t Bits() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937_64 engine_;
};

/// Equal bits; the payload of a NaN is not promised.
inline bool SameBits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

inline void ExpectSameBits(const std::vector<float>& expected, const std::vector<float>& found,
                           const std::string& what) {
  ASSERT_EQ(expected.size(), found.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(SameBits(expected[i], found[i]))
        << what << ", element " << i << ": expected " << expected[i] << ", found " << found[i]
        << " (seed " << TestSeed() << ")";
  }
}

}  // namespace weir
