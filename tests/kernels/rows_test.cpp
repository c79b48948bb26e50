// Every vector table gives the bits of the plain one, on any input; and the properties of the
// kernels that are exact: roundings, special values, aliasing, independence of heads and pages.
#include <cstring>

#include "kernels/dequantize.h"
#include "rows_data.h"

namespace weir {
namespace {

constexpr int64_t kSizes[] = {16, 32, 128, 256, 576, 1024, 4096};

/// Calls test(plain, table, "table, n = ...") for each vector table and size.
template <class Test>
void ForTablesAndSizes(Test test) {
  for (const RowTable& table : RowTables()) {
    if (table.rows == &kRowsPlain) continue;
    for (const int64_t n : kSizes) {
      test(*table.rows, n, table.name + ", n = " + std::to_string(n));
    }
  }
}

TEST(RowBits, NormsAndSums) {
  RandomValues random(TestSeed());
  ForTablesAndSizes([&](const RowKernels& rows, int64_t n, const std::string& what) {
    for (const auto& x : {random.Normal(n), random.Awkward(n), std::vector<float>(n, 0.0f)}) {
      const auto other = random.Awkward(n);
      auto expected = x, found = x;
      kRowsPlain.rms_norm(x.data(), other.data(), n, 1e-6f, expected.data());
      rows.rms_norm(found.data(), other.data(), n, 1e-6f, found.data());
      ExpectSameBits(expected, found, "rms_norm, in place, " + what);

      expected = found = x;
      kRowsPlain.l2_norm(expected.data(), n, 1e-6f, 0.0884f);
      rows.l2_norm(found.data(), n, 1e-6f, 0.0884f);
      ExpectSameBits(expected, found, "l2_norm, " + what);

      expected = found = x;
      kRowsPlain.add(other.data(), n, expected.data());
      rows.add(other.data(), n, found.data());
      ExpectSameBits(expected, found, "add, " + what);

      kRowsPlain.add_scaled(other.data(), 0.3f, n, expected.data());
      rows.add_scaled(other.data(), 0.3f, n, found.data());
      ExpectSameBits(expected, found, "add_scaled, " + what);
    }
  });
}

TEST(RowBits, Activations) {
  RandomValues random(TestSeed());
  ForTablesAndSizes([&](const RowKernels& rows, int64_t n, const std::string& what) {
    auto gate = random.Normal(n, 30);
    const float odd[] = {0,      -0.0f, 1e-40f, 200,  -200,  87.4f,
                         -87.4f, 88.5f, -88.5f, kInf, -kInf, kNaN};
    for (size_t i = 0; i < std::size(odd); ++i) gate[i] = odd[i];
    const auto up = random.Awkward(n);
    std::vector<float> expected(n);
    kRowsPlain.silu_mul(gate.data(), up.data(), n, expected.data());
    for (const bool over_gate : {true, false}) {
      auto a = gate, b = up;
      rows.silu_mul(a.data(), b.data(), n, over_gate ? a.data() : b.data());
      ExpectSameBits(expected, over_gate ? a : b, "silu_mul, in place, " + what);
    }

    expected = up;
    auto found = up;
    kRowsPlain.sigmoid_mul(gate.data(), n, expected.data());
    rows.sigmoid_mul(gate.data(), n, found.data());
    ExpectSameBits(expected, found, "sigmoid_mul, " + what);

    const auto w = random.Normal(4 * n);
    const auto x = random.Awkward(4 * n, 1e4f);
    const float* const taps[4] = {&x[0], &x[n], &x[2 * n], &x[3 * n]};
    kRowsPlain.conv_silu(w.data(), taps, n, expected.data());
    rows.conv_silu(w.data(), taps, n, found.data());
    ExpectSameBits(expected, found, "conv_silu, " + what);
  });
}

struct Quantized {
  explicit Quantized(const RowKernels& rows, const std::vector<float>& x)
      : q(x.size()), scale(x.size() / kQuantBlock), sum(x.size() / kSumBlock) {
    rows.quantize(x.data(), static_cast<int64_t>(x.size()), q.data(), scale.data(), sum.data());
  }
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sum;
};

TEST(RowBits, Quantize) {
  RandomValues random(TestSeed());
  ForTablesAndSizes([&](const RowKernels& rows, int64_t n, const std::string& what) {
    if (n % kQuantBlock) return;
    auto poisoned = random.Normal(n);
    poisoned[5] = kNaN;
    poisoned[n - 1] = -kInf;
    for (const auto& x :
         {random.Normal(n), random.Awkward(n), random.Normal(n, 1e-38f), poisoned}) {
      const Quantized expected(kRowsPlain, x), found(rows, x);
      EXPECT_EQ(expected.q, found.q) << what << ", seed " << TestSeed();
      EXPECT_EQ(expected.sum, found.sum) << what << ", seed " << TestSeed();
      ExpectSameBits(expected.scale, found.scale, "scale, " + what);
    }
  });
}

TEST(RowBits, Max) {
  RandomValues random(TestSeed());
  for (const RowTable& table : RowTables()) {
    for (int64_t n = 1; n < 200; ++n) {
      auto x = random.Normal(n);
      x[random.Bits() % n] = kNaN;
      float expected = -kInf;
      for (const float value : x) expected = value > expected ? value : expected;
      EXPECT_EQ(table.rows->max(x.data(), n), expected) << table.name << ", n = " << n;
    }
    const float zeros[2][2] = {{-0.0f, 0}, {0, -0.0f}};
    const float nothing[] = {kNaN, -kInf};
    EXPECT_FALSE(std::signbit(table.rows->max(zeros[0], 2)));
    EXPECT_FALSE(std::signbit(table.rows->max(zeros[1], 2)));
    EXPECT_EQ(table.rows->max(nothing, 1), -kInf);
    EXPECT_EQ(table.rows->max(nothing, 2), -kInf);
  }
}

TEST(RowBits, DeltaRule) {
  RandomValues random(TestSeed());
  for (const RowTable& table : RowTables()) {
    for (const int64_t dim : {16, 48, 64, 128, 256}) {
      auto expected = random.Awkward(dim * dim, 1e3f);
      auto found = expected;
      std::vector<float> expected_out(dim), found_out(dim);
      for (int token = 0; token < 5; ++token) {
        const auto q = random.Normal(dim), k = random.Awkward(dim, 10), v = random.Awkward(dim, 10);
        const float decay = token == 3 ? 0 : random.Uniform(0.5f, 1), beta = random.Uniform(0, 1);
        kRowsPlain.delta_rule(expected.data(), q.data(), k.data(), v.data(), decay, beta, dim,
                              expected_out.data());
        table.rows->delta_rule(found.data(), q.data(), k.data(), v.data(), decay, beta, dim,
                               found_out.data());
        const std::string what = table.name + ", dim " + std::to_string(dim);
        ExpectSameBits(expected_out, found_out, "delta_rule out, " + what);
        ExpectSameBits(expected, found, "delta_rule state, " + what);
      }
    }
  }
}

TEST(RowBits, ToHalf) {
  RandomValues random(TestSeed());
  std::vector<float> x(1 << 16);
  for (float& value : x) value = std::bit_cast<float>(random.Bits());
  for (const RowTable& table : RowTables()) {
    std::vector<uint16_t> half(x.size());
    table.rows->to_half(x.data(), static_cast<int64_t>(x.size()), half.data());
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        EXPECT_GT(half[i] & 0x7fff, 0x7c00) << table.name;
      } else {
        ASSERT_EQ(half[i], FloatToHalf(x[i]))
            << table.name << ": " << x[i] << ", seed " << TestSeed();
      }
    }
  }
}

TEST(RowHalf, EveryHalfAndEveryTie) {
  for (const RowTable& table : RowTables()) {
    for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
      const float value = HalfToFloat(static_cast<uint16_t>(bits));
      const float next = bits == 0x7bff ? 65536 : HalfToFloat(static_cast<uint16_t>(bits + 1));
      const float middle = (value + next) / 2;
      const float below = std::nextafter(middle, 0.0f), above = std::nextafter(middle, kInf);
      const float x[16] = {value, below, middle, above, -value, -below, -middle, -above};
      uint16_t half[16];
      table.rows->to_half(x, 16, half);
      const uint32_t even = bits % 2 ? bits + 1 : bits;
      const uint32_t expected[] = {bits, bits, even, bits + 1};
      for (int i = 0; i < 4; ++i) {
        ASSERT_EQ(half[i], expected[i]) << table.name << ": " << x[i];
        ASSERT_EQ(half[4 + i], expected[i] | 0x8000) << table.name << ": " << x[4 + i];
      }
    }
  }
}

TEST(RowHalf, EveryHalfIsReadExactly) {
  // One position has weight 1, so attention over it returns the value itself.
  constexpr int kHeadDim = 256;
  std::vector<uint16_t> v(kHeadDim), k(kHeadDim);
  const std::vector<float> q(kHeadDim, 1.0f);
  for (const RowTable& table : RowTables()) {
    for (uint32_t first = 0; first < 65536; first += kHeadDim) {
      for (int i = 0; i < kHeadDim; ++i) v[i] = static_cast<uint16_t>(first + i);
      float max = -kInf, sum = 0;
      std::vector<float> out(kHeadDim);
      table.rows->attend_page(q.data(), kHeadDim, 1, kHeadDim, k.data(), v.data(), KvType::kF16, 1,
                              1, {&max, &sum, out.data()});
      for (int i = 0; i < kHeadDim; ++i) {
        const float expected = HalfToFloat(v[i]);
        if (std::isnan(expected)) {
          ASSERT_TRUE(std::isnan(out[i])) << table.name << ": half " << v[i];
        } else {
          ASSERT_EQ(out[i], expected) << table.name << ": half " << v[i];
        }
      }
    }
  }
}

/// One KV head's pages, with garbage after the last position, and the queries of its group.
struct AttentionInput {
  AttentionInput(RandomValues& random, int heads, int64_t dim, int positions, KvType type)
      : n_heads(heads), head_dim(dim), n_positions(positions), kv_type(type) {
    const int64_t n = (positions + kPageTokens - 1) / kPageTokens * kPageTokens * dim;
    q = random.Normal(heads * dim, 2);
    for (auto* cache : {&k, &v}) {
      auto values = random.Normal(n);
      for (int64_t i = positions * dim; i < n; ++i) values[i] = kNaN;
      cache->resize(n * 4);
      if (type == KvType::kF32) {
        std::memcpy(cache->data(), values.data(), n * 4);
      } else {
        kRowsPlain.to_half(values.data(), n, reinterpret_cast<uint16_t*>(cache->data()));
      }
    }
  }

  /// max, sum and out of heads [begin, end) over the first `positions`, in one vector.
  std::vector<float> Attend(const RowKernels& rows, int begin, int end, int positions) const {
    const int n = end - begin;
    std::vector<float> max(n, -kInf), sum(n), out(n * head_dim);
    for (int at = 0; at < positions; at += kPageTokens) {
      const int64_t offset = at * head_dim * (kv_type == KvType::kF32 ? 4 : 2);
      const int in_page = positions - at < kPageTokens ? positions - at : kPageTokens;
      rows.attend_page(&q[begin * head_dim], head_dim, n, head_dim, &k[offset], &v[offset], kv_type,
                       in_page, 1 / std::sqrt(static_cast<float>(head_dim)),
                       {max.data(), sum.data(), out.data()});
    }
    out.insert(out.end(), max.begin(), max.end());
    out.insert(out.end(), sum.begin(), sum.end());
    return out;
  }

  int n_heads;
  int64_t head_dim;
  int n_positions;
  KvType kv_type;
  std::vector<float> q;
  std::vector<uint8_t> k, v;
};

TEST(RowBits, AttendPage) {
  RandomValues random(TestSeed());
  for (const KvType type : {KvType::kF16, KvType::kF32}) {
    for (const int64_t head_dim : {16, 64, 80, 128, 256}) {
      for (const int n_heads : {1, 2, 3, 4, 6, 16}) {
        const int n = 1 + static_cast<int>(random.Bits() % 200);
        const AttentionInput input(random, n_heads, head_dim, n, type);
        const auto expected = input.Attend(kRowsPlain, 0, n_heads, n);
        for (const RowTable& table : RowTables()) {
          ExpectSameBits(expected, input.Attend(*table.rows, 0, n_heads, n),
                         table.name + ", head_dim " + std::to_string(head_dim) + ", heads " +
                             std::to_string(n_heads) + ", positions " + std::to_string(n));
        }
      }
    }
  }
}

TEST(RowBits, AttendPageOfEveryLength) {
  RandomValues random(TestSeed());
  const AttentionInput input(random, 2, 32, 2 * kPageTokens, KvType::kF16);
  for (int n = 1; n <= 2 * kPageTokens; ++n) {
    const auto expected = input.Attend(kRowsPlain, 0, 2, n);
    for (const RowTable& table : RowTables()) {
      ExpectSameBits(expected, input.Attend(*table.rows, 0, 2, n), table.name);
    }
  }
}

TEST(RowAttention, DoesNotDependOnOtherHeadsOrPositions) {
  RandomValues random(TestSeed());
  constexpr int kHeads = 7;
  const AttentionInput input(random, kHeads, 64, 150, KvType::kF16);
  AttentionInput longer = input;  // what follows position 100 is different, and must not be seen
  for (int64_t i = 100 * 64 * 2; i < 150 * 64 * 2; ++i) longer.k[i] = longer.v[i] = 0x7e;
  for (const RowTable& table : RowTables()) {
    const auto together = input.Attend(*table.rows, 0, kHeads, 100);
    ExpectSameBits(together, longer.Attend(*table.rows, 0, kHeads, 100), table.name);
    for (int h = 0; h < kHeads; ++h) {
      const auto alone = input.Attend(*table.rows, h, h + 1, 100);
      const std::vector<float> of_head(&together[h * 64], &together[h * 64] + 64);
      ExpectSameBits(of_head, {alone.begin(), alone.begin() + 64}, table.name + ", alone");
    }
  }
}

TEST(RowQuantize, RoundsTiesToEvenAndSumsExactly) {
  std::vector<float> x(64);
  const float half[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, 127, -127, 3.49999976f};
  const int8_t expected[] = {0, 2, 2, 0, -2, -2, 126, 127, -127, 3};
  for (size_t i = 0; i < std::size(half); ++i) x[i + 20] = half[i];
  for (const RowTable& table : RowTables()) {
    const Quantized found(*table.rows, x);
    for (size_t i = 0; i < std::size(half); ++i)
      EXPECT_EQ(found.q[i + 20], expected[i]) << table.name;
    EXPECT_EQ(found.scale, (std::vector<float>{1, 0})) << table.name;
    EXPECT_EQ(found.sum, (std::vector<int32_t>{0, 127 + 2, 0, 0})) << table.name;
  }
}

TEST(RowQuantize, WhatCannotBeRepresented) {
  std::vector<float> x(5 * 32, 1.0f);
  x[3] = kNaN;
  x[32 + 7] = -kInf;
  for (int i = 64; i < 96; ++i) x[i] = 1e-40f;
  x[96] = std::numeric_limits<float>::max();
  for (const RowTable& table : RowTables()) {
    const Quantized found(*table.rows, x);
    EXPECT_TRUE(std::isnan(found.scale[0])) << table.name;
    EXPECT_TRUE(std::isnan(found.scale[1])) << table.name;
    EXPECT_EQ(found.scale[2], 0) << table.name;
    for (int i = 0; i < 96; ++i) EXPECT_EQ(found.q[i], 0) << table.name << ", element " << i;
    EXPECT_EQ(found.q[96], 127) << table.name;
    EXPECT_EQ(found.q[4 * 32], 127) << table.name;
    EXPECT_EQ(found.sum, (std::vector<int32_t>{0, 0, 0, 0, 0, 0, 127, 0, 16 * 127, 16 * 127}));
  }
}

}  // namespace
}  // namespace weir
