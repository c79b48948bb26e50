#include "kernels/dequantize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "test_data.h"

namespace weir {
namespace {

std::vector<uint8_t> FromHex(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

class GoldenVectors : public testing::TestWithParam<TypeTraits> {};

TEST_P(GoldenVectors, AreExact) {
  const TypeTraits traits = GetParam();
  const nlohmann::json golden = ReadJson(TestData("quant_vectors.json"));
  const nlohmann::json& vectors = golden.at(std::string(traits.name));
  EXPECT_EQ(vectors.at("block"), traits.block_size);
  EXPECT_EQ(vectors.at("bytes"), traits.block_bytes);
  ASSERT_FALSE(vectors.at("rows").empty());
  for (const nlohmann::json& row : vectors.at("rows")) {
    // A copy at an odd address: rows in a file have no alignment.
    std::vector<uint8_t> bytes = FromHex("00" + row.at("hex").get<std::string>());
    const auto expected = row.at("values").get<std::vector<float>>();
    ASSERT_EQ(RowBytes(traits.type, static_cast<int64_t>(expected.size())) + 1,
              static_cast<int64_t>(bytes.size()));
    std::vector<float> values(expected.size(), -1.f);
    DequantizeRow(traits.type, bytes.data() + 1, static_cast<int64_t>(values.size()),
                  values.data());
    for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], expected[i]) << "value " << i;
  }
}

std::vector<TypeTraits> BlockTypes() {
  std::vector<TypeTraits> types;
  for (const TypeTraits& traits : AllTypes()) {
    if (traits.block_size > 1) types.push_back(traits);
  }
  return types;
}

INSTANTIATE_TEST_SUITE_P(Dequantize, GoldenVectors, testing::ValuesIn(BlockTypes()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Dequantize, EveryGoldenVectorHasAType) {
  const nlohmann::json golden = ReadJson(TestData("quant_vectors.json"));
  EXPECT_EQ(golden.size(), BlockTypes().size());
  for (const auto& [name, vectors] : golden.items()) EXPECT_TRUE(TypeFromName(name)) << name;
}

TEST(Dequantize, Mxfp4ReachesSubnormalsAndTheTop) {
  std::vector<uint8_t> block(17, 0x22);  // every value is level 2 of 12, that is 1.0 of FP4
  for (int e = 0; e < 255; ++e) {
    block[0] = static_cast<uint8_t>(e);
    float values[32];
    DequantizeRow(TensorType::kMXFP4, block.data(), 32, values);
    EXPECT_EQ(values[31], std::ldexp(1.f, e - 127)) << e;
  }
}

/// A half by its definition, in arithmetic.
double HalfByDefinition(int bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) return mantissa ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Half, EveryHalfIsExactAndReturns) {
  for (int bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    const double expected = HalfByDefinition(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value)))) << bits;
    } else {
      ASSERT_EQ(value, expected) << bits;
      ASSERT_EQ(FloatToHalf(value), half) << bits;
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  // Between each pair of neighbours: the midpoint goes to the even one, a hair beside it to its
  // side.
  for (int bits = 0; bits < 0x7bff; ++bits) {
    const float low = HalfToFloat(static_cast<uint16_t>(bits));
    const float high = HalfToFloat(static_cast<uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;
    ASSERT_EQ(FloatToHalf(middle), bits + bits % 2) << bits;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.f)), bits) << bits;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9f)), bits + 1) << bits;
    ASSERT_EQ(FloatToHalf(-middle), 0x8000 | (bits + bits % 2)) << bits;
  }
  EXPECT_EQ(FloatToHalf(65519.f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.f), 0x7c00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::max()), 0x7c00);
  EXPECT_EQ(FloatToHalf(-std::numeric_limits<float>::infinity()), 0xfc00);
}

TEST(Dequantize, PlainFloats) {
  const float floats[] = {1.5f, -0x1p-149f, 3e38f};
  float values[3];
  DequantizeRow(TensorType::kF32, reinterpret_cast<const uint8_t*>(floats), 3, values);
  EXPECT_EQ(std::memcmp(floats, values, sizeof(floats)), 0);
  const uint8_t halves[] = {0x00, 0x3c, 0x00, 0xc0};
  DequantizeRow(TensorType::kF16, halves, 2, values);
  EXPECT_EQ(values[0], 1.f);
  EXPECT_EQ(values[1], -2.f);
  const uint8_t brains[] = {0x80, 0x3f, 0x01, 0x00};
  DequantizeRow(TensorType::kBF16, brains, 2, values);
  EXPECT_EQ(values[0], 1.f);
  EXPECT_EQ(values[1], 0x1p-133f);
}

}  // namespace
}  // namespace weir
