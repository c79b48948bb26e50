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

// Any number of tokens at a time, from rows wider than a head, with the bits of one token after the other.
TEST(RowBits, DeltaRule) {
  RandomValues random(TestSeed());
  constexpr int64_t kTokens = 7;
  for (const int64_t dim : {16, 48, 64, 128, 256}) {
    const int64_t stride = 3 * dim + 16;
    const auto start = random.Awkward(dim * dim, 1e3f);
    auto x = random.Awkward(kTokens * stride, 10);
    std::vector<float> gates(2 * kTokens * 2);
    for (float& gate : gates) gate = random.Uniform(0.5f, 1);
    gates[3 * 4] = 0;
    const auto run = [&](const RowKernels& rows, int64_t tokens_at_a_time) {
      auto state = start;
      std::vector<float> out(kTokens * (dim + 5));
      for (int64_t t = 0; t < kTokens; t += tokens_at_a_time) {
        const float* u = &x[t * stride];
        rows.delta_rule(state.data(),
                        {u, u + dim, u + 2 * dim, stride, &gates[t * 4], &gates[t * 4 + 1], 4,
                         &out[t * (dim + 5)], dim + 5, std::min(tokens_at_a_time, kTokens - t)},
                        dim);
      }
      out.insert(out.end(), state.begin(), state.end());
      return out;
    };
    const auto expected = run(kRowsPlain, 1);
    for (const RowTable& table : RowTables()) {
      for (const int64_t n : {1, 2, 3, 7}) {
        ExpectSameBits(expected, run(*table.rows, n), table.name + ", dim " + std::to_string(dim) +
                                                          ", tokens at a time " + std::to_string(n));
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
    table.rows->store_position(x.data(), static_cast<int64_t>(x.size()), KvType::kF16, 0,
                               half.data());
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
      table.rows->store_position(x, 16, KvType::kF16, 0, half);
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
  std::vector<uint16_t> v(kPageTokens * kHeadDim), k(kPageTokens * kHeadDim);
  const std::vector<float> q(kHeadDim, 1.0f);
  for (const RowTable& table : RowTables()) {
    for (uint32_t first = 0; first < 65536; first += kHeadDim) {
      for (int i = 0; i < kHeadDim; ++i) v[i] = static_cast<uint16_t>(first + i);
      std::vector<float> out(kHeadDim);
      AttentionQuery query{q.data(), out.data(), -kInf, 0, 1};
      table.rows->attend_page(&query, 1, kHeadDim, {k.data(), v.data(), KvType::kF16}, 1);
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

constexpr KvType kKvTypes[] = {KvType::kF16, KvType::kBF16, KvType::kQ8_0, KvType::kF32};

TEST(RowBits, StorePosition) {
  RandomValues random(TestSeed());
  constexpr int64_t kHeadDim = 96;
  for (const KvType type : kKvTypes) {
    std::vector<uint8_t> expected(KvPageBytes(type, kHeadDim));
    for (int position = 0; position < kPageTokens; ++position) {
      auto x = position % 2 ? random.Awkward(kHeadDim) : random.Normal(kHeadDim);
      if (position % 3 == 0) x[position % 32] = position % 2 ? kInf : 0x1.018p-100f;
      for (float& value : x) {
        if (position % 5 == 0) value = std::bit_cast<float>(random.Bits() & ~(1u << 23));  // no NaN
      }
      kRowsPlain.store_position(x.data(), kHeadDim, type, position, expected.data());
      for (const RowTable& table : RowTables()) {
        auto found = expected;
        for (const auto& neighbour : {position, (position + 1) % kPageTokens}) {
          const auto other = random.Normal(kHeadDim);
          table.rows->store_position(other.data(), kHeadDim, type, neighbour, found.data());
        }
        auto wanted = found;
        kRowsPlain.store_position(x.data(), kHeadDim, type, position, wanted.data());
        table.rows->store_position(x.data(), kHeadDim, type, position, found.data());
        ASSERT_EQ(wanted, found) << table.name << ", type " << static_cast<int>(type)
                                 << ", position " << position << ", seed " << TestSeed();
      }
    }
  }
}

TEST(RowKv, BFloatRoundsToNearestEvenAndKeepsNaN) {
  for (const RowTable& table : RowTables()) {
    float x[16] = {};
    const uint32_t bits[] = {0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff,
                             0x7f7fffff, 0x7f800000, 0x7f800001, 0x80000001};
    const uint16_t expected[] = {0x3f80, 0x3f82, 0x3f81, 0x3f80, 0x7f80, 0x7f80, 0x7fc0, 0x8000};
    for (int i = 0; i < 8; ++i) x[i] = std::bit_cast<float>(bits[i]);
    uint16_t found[16];
    table.rows->store_position(x, 16, KvType::kBF16, 0, found);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(found[i], expected[i]) << table.name << ", " << i;
  }
}

TEST(RowKv, Q8IsTheBlockFormatOfTheSpecification) {
  // max 254: d = 2, exactly a half; q = round(x / 2), ties to even.
  constexpr int64_t kHeadDim = 32;
  for (const RowTable& table : RowTables()) {
    std::vector<float> x(kHeadDim, 0.0f);
    const float some[] = {254, -254, 1, 3, 5, -1, -3, 2.5f};
    const int8_t expected[] = {127, -127, 0, 2, 2, 0, -2, 1};
    std::copy(std::begin(some), std::end(some), x.begin());
    std::vector<uint8_t> page(KvPageBytes(KvType::kQ8_0, kHeadDim));
    EXPECT_EQ(page.size(), kPageTokens * 34u);
    table.rows->store_position(x.data(), kHeadDim, KvType::kQ8_0, 3, page.data());
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(static_cast<int8_t>(page[3 * kHeadDim + i]), expected[i]) << table.name << i;
    }
    uint16_t scale;
    std::memcpy(&scale, &page[kPageTokens * kHeadDim + 3 * 2], 2);
    EXPECT_EQ(HalfToFloat(scale), 2) << table.name;
  }
}

/// One KV head's pages, with garbage after the last position, and queries.
struct AttentionInput {
  AttentionInput(RandomValues& random, int queries, int64_t dim, int positions, KvType type)
      : n_queries(queries), head_dim(dim), n_positions(positions), kv_type(type) {
    const int n_pages = (positions + kPageTokens - 1) / kPageTokens;
    page_bytes = KvPageBytes(type, dim);
    q = random.Normal(queries * dim, 2);
    for (auto* cache : {&k, &v}) {
      cache->assign(n_pages * page_bytes, 0xff);  // NaN, in every type but int8
      for (int j = 0; j < positions; ++j) {
        kRowsPlain.store_position(random.Normal(dim).data(), dim, type, j % kPageTokens,
                                  &(*cache)[j / kPageTokens * page_bytes]);
      }
    }
  }

  /// out, max and sum of queries [begin, end), in one vector; query i sees positions(i) positions.
  template <class Positions>
  std::vector<float> Attend(const RowKernels& rows, int begin, int end, Positions positions) const {
    std::vector<float> out((end - begin) * head_dim);
    std::vector<AttentionQuery> queries;
    for (int i = begin; i < end; ++i) {
      queries.push_back({&q[i * head_dim], &out[(i - begin) * head_dim], -kInf, 0, 0});
    }
    for (int at = 0; at < n_positions; at += kPageTokens) {
      std::vector<AttentionQuery> present;  // those that see some of the page
      for (int i = begin; i < end; ++i) {
        if (positions(i) <= at) continue;
        present.push_back(queries[i - begin]);
        present.back().n_positions = std::min(positions(i) - at, kPageTokens);
      }
      const uint8_t* page = &k[at / kPageTokens * page_bytes];
      const KvPage kv{page, &v[at / kPageTokens * page_bytes], kv_type, k.data(), kPageTokens};
      rows.attend_page(present.data(), static_cast<int>(present.size()), head_dim, kv,
                       1 / std::sqrt(static_cast<float>(head_dim)));
      for (int i = begin, n = 0; i < end; ++i) {
        if (positions(i) > at) queries[i - begin] = present[n++];
      }
    }
    for (const AttentionQuery& query : queries) out.insert(out.end(), {query.max, query.sum});
    return out;
  }
  std::vector<float> Attend(const RowKernels& rows, int begin, int end, int positions) const {
    return Attend(rows, begin, end, [=](int) { return positions; });
  }

  int n_queries;
  int64_t head_dim;
  int n_positions;
  KvType kv_type;
  int64_t page_bytes;
  std::vector<float> q;
  std::vector<uint8_t> k, v;
};

TEST(RowBits, AttendPage) {
  RandomValues random(TestSeed());
  for (const KvType type : kKvTypes) {
    for (const int64_t head_dim : {32, 64, 96, 128, 256}) {
      for (const int n_queries : {1, 2, 3, 4, 7, 16}) {
        const int n = 1 + static_cast<int>(random.Bits() % 150);
        const AttentionInput input(random, n_queries, head_dim, n, type);
        const auto expected = input.Attend(kRowsPlain, 0, n_queries, n);
        for (const RowTable& table : RowTables()) {
          ExpectSameBits(expected, input.Attend(*table.rows, 0, n_queries, n),
                         table.name + ", head_dim " + std::to_string(head_dim) + ", queries " +
                             std::to_string(n_queries) + ", positions " + std::to_string(n));
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

// Tiles of a prompt: each query ends at a position of its own, and gets the bits that it gets alone.
TEST(RowAttention, QueriesOfATileAreThoseOfASingleQuery) {
  RandomValues random(TestSeed());
  constexpr int kQueries = 133, kPositions = 180;
  for (const KvType type : kKvTypes) {
    const AttentionInput input(random, kQueries, 64, kPositions, type);
    const auto positions = [&](int i) { return 30 + i; };
    std::vector<float> alone, states;
    for (int i = 0; i < kQueries; ++i) {
      const auto one = input.Attend(kRowsPlain, i, i + 1, positions);
      alone.insert(alone.end(), one.begin(), one.begin() + 64);
      states.insert(states.end(), one.begin() + 64, one.end());
    }
    alone.insert(alone.end(), states.begin(), states.end());
    for (const RowTable& table : RowTables()) {
      ExpectSameBits(alone, input.Attend(*table.rows, 0, kQueries, positions), table.name);
    }
  }
}

TEST(RowBits, MergeAttention) {
  RandomValues random(TestSeed());
  for (const int64_t n : {32, 256}) {
    for (const float part_max : {-100.0f, 0.3f, 0.5f, 100.0f}) {
      const auto part = random.Normal(n), whole = random.Normal(n);
      auto part_out = part;
      const AttentionQuery from{nullptr, part_out.data(), part_max, 2.5f, 0};
      auto expected = whole;
      AttentionQuery plain{nullptr, expected.data(), 0.5f, 3, 0};
      kRowsPlain.merge_attention(from, n, plain);
      for (const RowTable& table : RowTables()) {
        auto found = whole;
        AttentionQuery into{nullptr, found.data(), 0.5f, 3, 0};
        table.rows->merge_attention(from, n, into);
        ExpectSameBits(expected, found, "merge_attention, " + table.name);
        ExpectSameBits({plain.max, plain.sum}, {into.max, into.sum}, table.name);
      }
    }
  }
}

TEST(RowAttention, DoesNotDependOnOtherQueriesOrLaterPositions) {
  RandomValues random(TestSeed());
  constexpr int kQueries = 7;
  for (const KvType type : kKvTypes) {
    const AttentionInput input(random, kQueries, 64, 150, type);
    AttentionInput longer = input;  // what follows position 100 is different, and must not be seen
    for (int j = 100; j < 150; ++j) {
      for (auto* cache : {&longer.k, &longer.v}) {
        kRowsPlain.store_position(std::vector<float>(64, kInf).data(), 64, type, j % kPageTokens,
                                  &(*cache)[j / kPageTokens * input.page_bytes]);
      }
    }
    for (const RowTable& table : RowTables()) {
      const auto together = input.Attend(*table.rows, 0, kQueries, 100);
      ExpectSameBits(together, longer.Attend(*table.rows, 0, kQueries, 100), table.name);
      for (int h = 0; h < kQueries; ++h) {
        const auto alone = input.Attend(*table.rows, h, h + 1, 100);
        const std::vector<float> of_query(&together[h * 64], &together[h * 64] + 64);
        ExpectSameBits(of_query, {alone.begin(), alone.begin() + 64}, table.name + ", alone");
      }
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
