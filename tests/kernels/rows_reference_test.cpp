// The plain row operations against the mathematics in double precision. Since every table has the
// bits of the plain one (rows_test.cpp), this holds for all. The tolerances are a priori error
// bounds: a sum of n products in 16 lanes has at most n / 16 + 4 roundings on the way of each
// product.
#include <algorithm>

#include "rows_data.h"

namespace weir {
namespace {

using Doubles = std::vector<double>;

double Norm(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return std::sqrt(sum);
}

double Silu(double x) { return x / (1 + std::exp(-x)); }

/// Relative error bound of a dot product of n elements, against the product of the norms.
double DotBound(int64_t n) { return static_cast<double>(n / 16 + 4) * kEps; }

TEST(RowExp, IsWithinItsBoundOfTheExponential) {
  double worst = 0;
  const auto check = [&](float x) {
    const double exact = std::exp(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::max(worst, std::abs(Exp(x) - exact) / ulp);
  };
  for (uint32_t bits = 0; std::bit_cast<float>(bits) <= kExpHighest; bits += 4999) {
    const float x = std::bit_cast<float>(bits);
    check(x);
    if (-x >= kExpLowest) check(-x);
  }
  EXPECT_LT(worst, 1.013);
}

TEST(RowExp, HasNoSurprisesAtTheEnds) {
  EXPECT_EQ(Exp(0), 1);
  EXPECT_EQ(Exp(-0.0f), 1);
  EXPECT_EQ(Exp(-1e-30f), 1);
  EXPECT_GE(Exp(kExpLowest), std::numeric_limits<float>::min());
  for (const float x : {std::nextafter(kExpLowest, -kInf), -100.0f, -1e30f, -kInf})
    EXPECT_EQ(Exp(x), 0);
  for (const float x : {88.4f, 89.0f, 1e30f, kInf}) EXPECT_EQ(Exp(x), Exp(kExpHighest));
  EXPECT_TRUE(std::isfinite(Exp(kInf)));
  EXPECT_TRUE(std::isnan(Exp(kNaN)));
}

TEST(RowReference, Norms) {
  RandomValues random(TestSeed());
  for (const int64_t n : {16, 128, 1024, 5120}) {
    const auto x = random.Normal(n, 3), weight = random.Normal(n);
    std::vector<float> y(n), unit = x;
    kRowsPlain.rms_norm(x.data(), weight.data(), n, 1e-6f, y.data());
    kRowsPlain.l2_norm(unit.data(), n, 1e-6f, 0.25f);
    const double norm = Norm(x.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      const double rms = x[i] * weight[i] / std::sqrt(norm * norm / n + 1e-6);
      const double l2 = x[i] * 0.25 / norm;
      EXPECT_NEAR(y[i], rms, std::abs(rms) * (DotBound(n) + 6 * kEps)) << "seed " << TestSeed();
      EXPECT_NEAR(unit[i], l2, std::abs(l2) * (DotBound(n) + 6 * kEps)) << "seed " << TestSeed();
    }
  }
  std::vector<float> small(16, 1e-8f);  // its norm, 4e-8, is below eps
  kRowsPlain.l2_norm(small.data(), 16, 1e-6f, 1);
  EXPECT_NEAR(small[0], 1e-2, 1e-8);
}

TEST(RowReference, Activations) {
  RandomValues random(TestSeed());
  constexpr int64_t kN = 4096;
  const auto gate = random.Normal(kN, 20), up = random.Normal(kN);
  std::vector<float> product(kN), gated = up;
  kRowsPlain.silu_mul(gate.data(), up.data(), kN, product.data());
  kRowsPlain.sigmoid_mul(gate.data(), kN, gated.data());
  for (int64_t i = 0; i < kN; ++i) {
    const double silu = Silu(gate[i]) * up[i];
    const double sigmoid = up[i] / (1 + std::exp(-static_cast<double>(gate[i])));
    EXPECT_NEAR(product[i], silu, std::abs(silu) * 6 * kEps) << gate[i] << ", seed " << TestSeed();
    EXPECT_NEAR(gated[i], sigmoid, std::abs(sigmoid) * 6 * kEps)
        << gate[i] << ", seed " << TestSeed();
  }
}

TEST(RowReference, Convolution) {
  RandomValues random(TestSeed());
  constexpr int64_t kN = 512;
  const auto w = random.Normal(4 * kN), x = random.Normal(4 * kN);
  const float* const taps[4] = {&x[0], &x[kN], &x[2 * kN], &x[3 * kN]};
  std::vector<float> y(kN);
  kRowsPlain.conv_silu(w.data(), taps, kN, y.data());
  for (int64_t i = 0; i < kN; ++i) {
    double sum = 0, magnitude = 0;
    for (int tap = 0; tap < 4; ++tap) {
      const double product = static_cast<double>(w[tap * kN + i]) * taps[tap][i];
      sum += product;
      magnitude += std::abs(product);
    }
    // silu's slope is below 1.1.
    EXPECT_NEAR(y[i], Silu(sum), (1.1 * 4 * magnitude + 5 * std::abs(Silu(sum))) * kEps)
        << "seed " << TestSeed();
  }
}

/// Spec 6.4 in its three steps: decay, correct, read.
void DeltaRuleInSteps(Doubles& state, const float* q, const float* k, const float* v, double decay,
                      double beta, int64_t dim, Doubles& out) {
  for (double& s : state) s *= decay;
  for (int64_t j = 0; j < dim; ++j) {
    double read = 0;
    for (int64_t i = 0; i < dim; ++i) read += state[j * dim + i] * k[i];
    const double d = beta * (v[j] - read);
    out[j] = 0;
    for (int64_t i = 0; i < dim; ++i) {
      state[j * dim + i] += k[i] * d;
      out[j] += state[j * dim + i] * q[i];
    }
  }
}

TEST(RowReference, DeltaRuleOverManyTokens) {
  RandomValues random(TestSeed());
  constexpr int64_t kDim = 128;
  constexpr int kTokens = 200;
  std::vector<float> state(kDim * kDim), out(kDim);
  Doubles exact_state(kDim * kDim), exact_out(kDim);
  double largest = 0;
  for (int token = 1; token <= kTokens; ++token) {
    auto q = random.Normal(kDim), k = random.Normal(kDim);
    const auto v = random.Normal(kDim);
    kRowsPlain.l2_norm(q.data(), kDim, 1e-6f, 1 / std::sqrt(128.0f));
    kRowsPlain.l2_norm(k.data(), kDim, 1e-6f, 1);
    const float decay = random.Uniform(0.95f, 1), beta = random.Uniform(0, 1);
    kRowsPlain.delta_rule(state.data(),
                          {q.data(), k.data(), v.data(), kDim, &decay, &beta, 1, out.data(), kDim, 1},
                          kDim);
    DeltaRuleInSteps(exact_state, q.data(), k.data(), v.data(), decay, beta, kDim, exact_out);
    // With |k| = 1 (up to rounding) and beta, decay <= 1 the step does not expand errors, so they
    // add up: per token one dot product and six roundings of a row's norm and of v.
    for (int64_t j = 0; j < kDim; ++j) {
      largest = std::max(largest, Norm(&state[j * kDim], kDim) + std::abs(v[j]));
    }
    const double bound = token * (DotBound(kDim) + 6 * kEps) * largest;
    for (int64_t j = 0; j < kDim; ++j) {
      double difference = 0;
      for (int64_t i = 0; i < kDim; ++i) {
        const double error = state[j * kDim + i] - exact_state[j * kDim + i];
        difference += error * error;
      }
      ASSERT_LT(std::sqrt(difference), bound) << "token " << token << ", seed " << TestSeed();
      ASSERT_NEAR(out[j], exact_out[j], bound) << "token " << token << ", seed " << TestSeed();
    }
  }
}

/// Attention of one query over n positions, page by page, in spans that are merged.
std::vector<float> AttendInSpans(const RowKernels& rows, const std::vector<float>& q,
                                 const std::vector<float>& k, const std::vector<float>& v, int n,
                                 float scale, int span, float& max) {
  const int64_t dim = static_cast<int64_t>(q.size());
  std::vector<float> out(dim);
  AttentionQuery whole{q.data(), out.data(), -kInf, 0, 0};
  for (int begin = 0; begin < n; begin += span) {
    std::vector<float> part_out(dim);
    AttentionQuery part{q.data(), part_out.data(), -kInf, 0, 0};
    for (int at = begin; at < std::min(n, begin + span); at += kPageTokens) {
      part.n_positions = std::min(n - at, kPageTokens);
      rows.attend_page(&part, 1, dim, {&k[at * dim], &v[at * dim], KvType::kF32}, scale);
    }
    rows.merge_attention(part, dim, whole);
  }
  for (float& value : out) value /= whole.sum;
  max = whole.max;
  return out;
}

class RowAttentionReference : public testing::TestWithParam<int> {};

TEST_P(RowAttentionReference, OverAllPositionsAtOnce) {
  RandomValues random(TestSeed());
  const int kPositions = GetParam();
  const int kPages = (kPositions + kPageTokens - 1) / kPageTokens;
  constexpr int64_t kDim = 64;
  const float scale = 0.5f;  // a sharp softmax: scores of several tens
  const auto q = random.Normal(kDim, 2);
  const auto k = random.Normal(kPages * kPageTokens * kDim),
             v = random.Normal(kPages * kPageTokens * kDim);
  float max = 0;
  const auto out =
      AttendInSpans(*RowTables().back().rows, q, k, v, kPositions, scale, 8 * kPageTokens, max);

  Doubles score(kPositions), exact(kDim);
  double largest_k = 0, largest_v = 0, total = 0;
  for (int j = 0; j < kPositions; ++j) {
    for (int64_t i = 0; i < kDim; ++i) {
      score[j] += static_cast<double>(q[i]) * k[j * kDim + i] * scale;
      largest_v = std::max(largest_v, std::abs(static_cast<double>(v[j * kDim + i])));
    }
    largest_k = std::max(largest_k, Norm(&k[j * kDim], kDim));
  }
  const double exact_max = *std::max_element(score.begin(), score.end());
  for (int j = 0; j < kPositions; ++j) {
    const double weight = std::exp(score[j] - exact_max);
    total += weight;
    for (int64_t i = 0; i < kDim; ++i) exact[i] += weight * v[j * kDim + i];
  }
  // A score's error and the roundings of its differences (of at most twice the largest score) are
  // relative errors of its weight; then come the sums over a page and the merges. Weights are in
  // out and in sum.
  const double largest_score = scale * Norm(q.data(), kDim) * largest_k;
  const double weight_error = (DotBound(kDim) + 6 * kEps) * largest_score + 4 * kEps;
  const double bound = 2 * (weight_error + (kPageTokens + 4 * kPages) * kEps) * largest_v;
  for (int64_t i = 0; i < kDim; ++i) {
    EXPECT_NEAR(out[i], exact[i] / total, bound) << "seed " << TestSeed();
  }
  EXPECT_NEAR(max, exact_max, (DotBound(kDim) + kEps) * largest_score);
}

INSTANTIATE_TEST_SUITE_P(Positions, RowAttentionReference,
                         testing::Values(5 * kPageTokens + 17, 32'768 - 5));

TEST(RowReference, QuantizedValuesAreNear) {
  RandomValues random(TestSeed());
  constexpr int64_t kN = 2048;
  const auto x = random.Normal(kN, 5);
  std::vector<int8_t> q(kN);
  std::vector<float> scale(kN / 32);
  std::vector<int32_t> sum(kN / 16);
  kRowsPlain.quantize(x.data(), kN, q.data(), scale.data(), sum.data());
  for (int64_t i = 0; i < kN; ++i) {
    const double s = scale[i / 32];
    EXPECT_NEAR(q[i] * s, x[i], s * (0.5 + 127 * 3 * kEps)) << "seed " << TestSeed();
  }
}

}  // namespace
}  // namespace weir
