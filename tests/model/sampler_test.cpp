#include "model/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "test_data.h"

namespace weir {
namespace {

using Ids = std::vector<int32_t>;
using Logits = std::vector<float>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

/// The first `n` tokens drawn from the same logits each time; shorter if there is nothing to draw.
Ids DrawsWith(const KernelTable& kernels, const SamplingParams& params, const Logits& logits, int n,
              const Ids& prompt) {
  Sampler sampler(params, logits.size(), prompt, n);
  SamplerScratch scratch(logits.size(), kernels);
  Ids drawn;
  for (int i = 0; i < n; ++i) {
    Logits row = logits;
    const auto id = sampler.Draw(row, scratch);
    if (!id) break;
    drawn.push_back(*id);
  }
  return drawn;
}

/// The same on every instruction set.
Ids Draws(const SamplingParams& params, const Logits& logits, int n, const Ids& prompt = {}) {
  const Ids expected = DrawsWith(Kernels(Isa::kPlain), params, logits, n, prompt);
  for (const Isa isa : BuiltIsas()) {
    if (!Supported(isa)) continue;
    EXPECT_EQ(DrawsWith(Kernels(isa), params, logits, n, prompt), expected) << Name(isa);
  }
  return expected;
}

/// Which ids come up in many draws.
std::set<int32_t> Support(const SamplingParams& params, const Logits& logits) {
  const Ids drawn = Draws(params, logits, 2000);
  return {drawn.begin(), drawn.end()};
}

SamplingParams AtTemperature(float temperature) {
  SamplingParams params;
  params.temperature = temperature;
  params.seed = TestSeed();
  return params;
}

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
  EXPECT_EQ(Draws({}, {1, 3, 2, 3}, 2), (Ids{1, 1}));
  Logits wide(1000, 0.f);
  wide[700] = wide[701] = wide[999] = 1;
  EXPECT_EQ(Draws({}, wide, 1), Ids{700});
}

TEST(Sampler, NanIsNeverDrawn) {
  for (float temperature : {0.f, 1.f}) {
    for (int top_k : {0, 1, 2}) {
      SamplingParams params = AtTemperature(temperature);
      params.top_k = top_k;
      EXPECT_EQ(Draws(params, {kNan, 1, kNan, -kInf}, 1), Ids{1});
      EXPECT_EQ(Draws(params, {kNan, kInf, 5, -kInf}, 1), Ids{1});
      EXPECT_EQ(Draws(params, {kNan, kNan}, 1), Ids{});
      EXPECT_EQ(Draws(params, {-kInf, kNan}, 1), Ids{});
    }
  }
}

TEST(Sampler, FrequenciesFollowTheDistribution) {
  const Logits logits = {0, 1, -1, 2, 0.5f, -3, 1.5f, 0, 2.5f, -0.5f};
  constexpr int kDraws = 50'000;
  for (float temperature : {0.5f, 1.f, 2.f}) {
    std::vector<double> expected;
    for (float x : logits) expected.push_back(std::exp(x / temperature));
    const double total = std::accumulate(expected.begin(), expected.end(), 0.);
    std::vector<int> count(logits.size());
    for (int32_t id : Draws(AtTemperature(temperature), logits, kDraws)) ++count[id];
    double chi_square = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      const double e = expected[i] / total * kDraws;
      chi_square += (count[i] - e) * (count[i] - e) / e;
    }
    EXPECT_LT(chi_square, 33.7) << "9 degrees of freedom, 1 in 10,000; seed " << TestSeed();
  }
}

TEST(Sampler, SeedsGiveUnrelatedFirstDraws) {
  std::vector<int> count(4);
  for (uint64_t seed = 0; seed < 8000; ++seed) {
    SamplingParams params = AtTemperature(1);
    params.seed = seed;
    ++count[Draws(params, {0, 0, 0, 0}, 1)[0]];
  }
  for (int n : count) EXPECT_NEAR(n, 2000, 160);  // four standard deviations
}

TEST(Sampler, SeedsAreReproducibleOnEveryPlatform) {
  Logits logits(1000);
  for (int i = 0; i < 1000; ++i) logits[i] = static_cast<float>(i % 37) / 8;
  SamplingParams params = AtTemperature(1);
  params.seed = 1;
  const Ids first = Draws(params, logits, 8);
  EXPECT_EQ(first, Draws(params, logits, 8));
  EXPECT_EQ(first, (Ids{765, 385, 442, 959, 215, 610, 471, 194}));
  params.seed = 2;
  EXPECT_NE(first, Draws(params, logits, 8));
}

TEST(Sampler, TopK) {
  SamplingParams params = AtTemperature(10);
  const Logits logits = {1, 4, 2, 4, 3, 2};
  params.top_k = 1;
  EXPECT_EQ(Support(params, logits), (std::set<int32_t>{1}));
  params.top_k = 3;
  EXPECT_EQ(Support(params, logits), (std::set<int32_t>{1, 3, 4}));
  params.top_k = 4;  // of the two ids with logit 2, the lower
  EXPECT_EQ(Support(params, logits), (std::set<int32_t>{1, 2, 3, 4}));
  params.top_k = 100;
  EXPECT_EQ(Support(params, logits).size(), 6u);
}

TEST(Sampler, TopPAndMinP) {
  // Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625 times a constant, shuffled.
  const float ln2 = std::log(2.f);
  const Logits logits = {-4 * ln2, -ln2, -3 * ln2, -2 * ln2, -4 * ln2};
  SamplingParams params = AtTemperature(1);
  const auto support = [&](float top_p, float min_p, int top_k = 0) {
    params.top_p = top_p;
    params.min_p = min_p;
    params.top_k = top_k;
    return Support(params, logits);
  };
  EXPECT_EQ(support(0, 0), (std::set<int32_t>{1}));
  EXPECT_EQ(support(0.49f, 0), (std::set<int32_t>{1}));
  EXPECT_EQ(support(0.51f, 0), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(support(0.76f, 0), (std::set<int32_t>{1, 2, 3}));
  EXPECT_EQ(support(0.9f, 0), (std::set<int32_t>{0, 1, 2, 3}));
  EXPECT_EQ(support(0.99f, 0), (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(support(1, 1), (std::set<int32_t>{1}));
  EXPECT_EQ(support(1, 0.3f), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(support(1, 0.2f), (std::set<int32_t>{1, 2, 3}));
  // top_p is a share of what top_k and min_p left: of {0.5, 0.25}, two thirds are the first.
  EXPECT_EQ(support(0.6f, 0, 2), (std::set<int32_t>{1}));
  EXPECT_EQ(support(0.6f, 0.3f), (std::set<int32_t>{1}));
  EXPECT_EQ(support(0.7f, 0.3f), (std::set<int32_t>{1, 3}));
}

/// What Draw makes of the logits, seen through a temperature-free choice: the row after the call.
Logits Adjusted(const SamplingParams& params, Logits logits, const Ids& prompt, const Ids& answer) {
  Sampler sampler(params, logits.size(), prompt, answer.size() + 1);
  SamplerScratch scratch(logits.size(), Kernels(Isa::kPlain));
  for (int32_t id : answer) {
    Logits forced(logits.size(), -1e6f);
    forced[id] = 1e6f;
    EXPECT_EQ(sampler.Draw(forced, scratch), id);
  }
  sampler.Draw(logits, scratch);
  return logits;
}

TEST(Sampler, PenaltiesTouchOnlyWhatWasSeen) {
  const Logits logits = {2, -2, 2, -2, 2, 0};
  SamplingParams params;
  EXPECT_EQ(Adjusted(params, logits, {0, 1, 0}, {2, 3, 2}), logits);
  params.repetition_penalty = 2;
  EXPECT_EQ(Adjusted(params, logits, {0, 1, 0}, {2, 3, 2}), (Logits{1, -4, 1, -4, 2, 0}));
  params.repetition_penalty = 1;
  params.presence_penalty = 0.5f;
  EXPECT_EQ(Adjusted(params, logits, {0, 1, 0}, {2, 3, 2}), (Logits{2, -2, 1.5f, -2.5f, 2, 0}));
  params.presence_penalty = 0;
  params.frequency_penalty = 0.25f;
  EXPECT_EQ(Adjusted(params, logits, {0, 1, 0}, {2, 3, 2}), (Logits{2, -2, 1.5f, -2.25f, 2, 0}));
  params.repetition_penalty = 2;
  params.presence_penalty = 1;
  EXPECT_EQ(Adjusted(params, logits, {0, 1, 0}, {2, 3, 2}), (Logits{1, -4, -0.5f, -5.25f, 2, 0}));
}

TEST(Sampler, BiasComesAfterPenaltiesAndTheMaskAfterAll) {
  SamplingParams params;
  params.repetition_penalty = 2;
  params.logit_bias = {{0, 10}, {1, -1}, {1, -1}};
  EXPECT_EQ(Adjusted(params, {2, 2, 2}, {0}, {}), (Logits{11, 0, 2}));
  params.allowed_tokens = std::make_shared<std::vector<uint64_t>>(std::vector<uint64_t>{0b110});
  EXPECT_EQ(Adjusted(params, {2, 2, 2}, {0}, {}), (Logits{-kInf, 0, 2}));
}

TEST(Sampler, OnlyAllowedTokensAreDrawn) {
  Logits logits(200, 0.f);
  SamplingParams params = AtTemperature(1);
  params.allowed_tokens =
      std::make_shared<std::vector<uint64_t>>(std::vector<uint64_t>{1ull << 63, 0, 0b101});
  EXPECT_EQ(Support(params, logits), (std::set<int32_t>{63, 128, 130}));
  params.allowed_tokens = std::make_shared<std::vector<uint64_t>>();
  EXPECT_TRUE(Draws(params, logits, 1).empty());
  params.temperature = 0;
  EXPECT_TRUE(Draws(params, logits, 1).empty());
}

TEST(Sampler, LogprobsAreOfTheLogitsAsTheyCame) {
  std::mt19937_64 random(TestSeed());
  std::normal_distribution<float> normal(0, 4);
  Logits logits(1000);
  for (float& x : logits) x = normal(random);
  logits[17] = -kInf;
  SamplingParams params = AtTemperature(2);
  params.repetition_penalty = 1.5f;
  params.logit_bias = {{3, 50.f}};  // will be drawn, whatever the model said of it
  const Ids draws = Draws(params, logits, 1, {1, 2, 3});
  double sum = 0;
  for (float x : logits) sum += std::exp(double{x});
  Ids order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  for (const Isa isa : BuiltIsas()) {
    if (!Supported(isa)) continue;
    Sampler sampler(params, logits.size(), Ids{1, 2, 3}, 1);
    SamplerScratch scratch(logits.size(), Kernels(isa));
    Logits row = logits, maxima(LogitBlocks(logits.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      float& max = maxima[i / kLogitBlock];
      max = i % kLogitBlock ? std::max(max, row[i]) : row[i];
    }
    TokenLogprobs logprobs;
    EXPECT_EQ(sampler.Draw({row, maxima}, scratch, 5, logprobs), draws[0]);
    EXPECT_EQ(draws[0], 3);
    EXPECT_NEAR(logprobs.chosen, logits[3] - std::log(sum), 1e-5) << Name(isa);
    ASSERT_EQ(logprobs.n_top, 5);
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(logprobs.top[i].id, order[i]);
      EXPECT_NEAR(logprobs.top[i].logprob, logits[order[i]] - std::log(sum), 1e-5);
    }
  }
}

/// The definition, by sorting everything and std::exp.
int32_t NaiveDraw(const SamplingParams& params, const Logits& logits, uint64_t random) {
  Ids order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  });
  const double max = logits[order[0]];
  const auto p = [&](int32_t id) { return std::exp((logits[id] - max) / params.temperature); };
  if (params.top_k > 0 && params.top_k < static_cast<int>(order.size())) order.resize(params.top_k);
  std::erase_if(order, [&](int32_t id) { return p(id) < params.min_p; });
  double total = 0;
  for (int32_t id : order) total += p(id);
  double sum = 0;
  size_t n = 0;
  while (n < order.size() && (n == 0 || sum < params.top_p * total)) sum += p(order[n++]);
  order.resize(n);
  std::sort(order.begin(), order.end());
  double point = std::ldexp(static_cast<double>(random), -64) * sum;
  for (int32_t id : order) {
    if (point < p(id)) return id;
    point -= p(id);
  }
  return order.back();
}

uint64_t SplitMix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

TEST(Sampler, AgreesWithTheDefinition) {
  std::mt19937_64 random(TestSeed());
  const auto pick = [&](auto... values) {
    const std::common_type_t<decltype(values)...> all[] = {values...};
    return all[random() % sizeof...(values)];
  };
  int differences = 0;
  for (int round = 0; round < 3000; ++round) {
    Logits logits(pick(1, 2, 17, 100, 1000));
    const float spread = pick(0.f, 0.5f, 3.f, 20.f);
    const bool coarse = random() % 4 == 0;  // many equal logits
    for (float& x : logits) {
      x = spread * (static_cast<float>(random() % 20001) / 10000 - 1);
      if (coarse) x = std::round(x * 4) / 4;
    }
    SamplingParams params;
    params.temperature = pick(0.1f, 0.7f, 1.f, 3.f);
    params.top_k = pick(0, 0, 1, 5, 40, 900);
    params.min_p = pick(0.f, 0.f, 0.051f, 0.51f);
    params.top_p = pick(1.f, 1.f, 0.1f, 0.503f, 0.95f, 0.999f);
    params.seed = random();
    const uint64_t drawn = SplitMix(SplitMix(params.seed) + 0x9e3779b97f4a7c15);
    differences += Draws(params, logits, 1)[0] != NaiveDraw(params, logits, drawn);
  }
  // A draw or a cut may fall within the rounding of one of the two, but hardly ever does.
  EXPECT_LE(differences, 3) << "seed " << TestSeed();
}

TEST(Sampler, ExtremeParametersAreHarmless) {
  SamplingParams params = AtTemperature(1e-45f);
  EXPECT_EQ(Draws(params, {1, 3e38f, -3e38f, 2}, 3), (Ids{1, 1, 1}));
  params.temperature = 3e38f;
  EXPECT_EQ(Support(params, {1, 3, 2, -kInf}), (std::set<int32_t>{0, 1, 2}));
  params.temperature = 1;
  params.logit_bias = {{0, 3e38f}, {0, 3e38f}};
  EXPECT_EQ(Draws(params, {1, 3, 2}, 1), Ids{0});
}

TEST(Sampler, ParametersOutOfRangeAreNamed) {
  const auto error = [](auto change) {
    SamplingParams params;
    change(params);
    const Status status = CheckSampling(params, 100);
    EXPECT_FALSE(status.ok());
    return status.ok() ? std::string() : status.error().message;
  };
  EXPECT_TRUE(CheckSampling({}, 100).ok());
  EXPECT_NE(error([](auto& p) { p.temperature = -1; }).find("temperature"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.temperature = kNan; }).find("temperature"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.top_k = -1; }).find("top_k"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.top_p = 1.5f; }).find("top_p"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.min_p = -0.1f; }).find("min_p"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.repetition_penalty = 0; }).find("repetition"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.presence_penalty = kInf; }).find("presence"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.frequency_penalty = kNan; }).find("frequency"),
            std::string::npos);
  EXPECT_NE(error([](auto& p) {
              p.logit_bias = {{100, 1}};
            }).find("logit_bias"),
            std::string::npos);
  EXPECT_NE(error([](auto& p) {
              p.logit_bias = {{1, kInf}};
            }).find("logit_bias"),
            std::string::npos);
}

}  // namespace
}  // namespace weir
