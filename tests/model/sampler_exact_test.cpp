// The sampler against its definition in whole numbers: every id weighed and sorted, no block
// skipped. Each token must be the same, on any logits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "model/sampler.h"
#include "test_data.h"

namespace weir {
namespace {

using Ids = std::vector<int32_t>;
using Logits = std::vector<float>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// Steps 1 to 4 of sampler.h.
void Adjust(const SamplingParams& params, const Ids& prompt, const Ids& answer, Logits& logits) {
  for (size_t id = 0; id < logits.size(); ++id) {
    const auto times = std::count(answer.begin(), answer.end(), static_cast<int32_t>(id));
    const bool seen = times > 0 || std::count(prompt.begin(), prompt.end(), id) > 0;
    float& x = logits[id];
    if (seen) x = x > 0 ? x / params.repetition_penalty : x * params.repetition_penalty;
    if (times > 0) {
      x -= params.frequency_penalty * static_cast<float>(times);
      x -= params.presence_penalty;
    }
    for (const auto& [biased, bias] : params.logit_bias) {
      if (biased == static_cast<int32_t>(id)) x += bias;
    }
    if (params.allowed_tokens) {
      const auto& words = *params.allowed_tokens;
      if (id / 64 >= words.size() || !(words[id / 64] >> (id % 64) & 1)) x = -kInf;
    }
    if (std::isnan(x)) x = -kInf;
  }
}

/// Step 5: the ids that can be drawn, most likely first, and the weight of each id.
Ids Rank(const SamplingParams& params, const Logits& logits, std::vector<uint64_t>& weights) {
  Ids order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
  });
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < order.size()) {
    order.resize(params.top_k);
  }
  const float max = logits[order[0]];
  for (size_t id = 0; id < logits.size(); ++id) {
    // Infinity minus infinity is not a number, but equal logits are equally likely.
    const float same[] = {logits[id] == max ? 0 : logits[id]};
    const WeightScale scale{logits[id] == max ? 0 : max,
                            std::log2(std::exp(1.)) / params.temperature, 1};
    weights.push_back(static_cast<uint64_t>(kSamplingPlain.weigh(same, 1, scale, nullptr)));
  }
  const double least = std::ceil(std::ldexp(double{params.min_p}, kWeightBits));
  std::erase_if(order, [&](int32_t id) { return weights[id] == 0 || weights[id] < least; });
  uint64_t total = 0, sum = 0;
  for (int32_t id : order) total += weights[id];
  if (params.top_p == 1) return order;
  const double share = std::ceil(double{params.top_p} * static_cast<double>(total));
  size_t n = 0;
  while (n == 0 || static_cast<double>(sum) < share) sum += weights[order[n++]];
  order.resize(n);
  return order;
}

/// The whole answer; shorter than n if there is nothing to draw.
Ids Expected(const SamplingParams& params, const Logits& logits, const Ids& prompt, int n) {
  Ids answer;
  for (int i = 0; i < n; ++i) {
    Logits row = logits;
    Adjust(params, prompt, answer, row);
    if (*std::max_element(row.begin(), row.end()) == -kInf) break;
    if (params.temperature == 0) {
      answer.push_back(std::max_element(row.begin(), row.end()) - row.begin());
      continue;
    }
    std::vector<uint64_t> weights;
    Ids ids = Rank(params, row, weights);
    std::sort(ids.begin(), ids.end());
    uint64_t total = 0;
    for (int32_t id : ids) total += weights[id];
    const uint64_t random = Mix(Mix(params.seed) + (i + 1) * 0x9e3779b97f4a7c15);
    uint64_t point = static_cast<unsigned __int128>(random) * total >> 64;
    size_t chosen = 0;
    for (; point >= weights[ids[chosen]]; ++chosen) point -= weights[ids[chosen]];
    answer.push_back(ids[chosen]);
  }
  return answer;
}

/// With maxima of the caller's or without: never the same row twice.
Ids Found(const KernelTable& kernels, const SamplingParams& params, const Logits& logits,
          const Ids& prompt, int n, bool with_maxima) {
  Sampler sampler(params, logits.size(), prompt, n);
  SamplerScratch scratch(logits.size(), kernels);
  Ids answer;
  for (int i = 0; i < n; ++i) {
    Logits row = logits, maxima;
    for (size_t b = 0; b < row.size(); b += kLogitBlock) {
      maxima.push_back(kernels.rows.max(&row[b], std::min<int64_t>(kLogitBlock, row.size() - b)));
    }
    const auto id = with_maxima ? sampler.Draw({row, maxima}, scratch) : sampler.Draw(row, scratch);
    if (!id) break;
    answer.push_back(*id);
  }
  return answer;
}

class Cases {
 public:
  explicit Cases(uint64_t seed) : random_(seed) {}

  template <class... T>
  auto Pick(T... values) {
    const std::common_type_t<T...> all[] = {values...};
    return all[random_() % sizeof...(values)];
  }

  Logits MakeLogits() {
    Logits logits(Pick(1, 2, 63, 127, 128, 129, 1000, 2561));
    const float spread = Pick(0.f, 1e-42f, 0.5f, 3.f, 20.f, 1e38f);
    const int shape = Pick(0, 0, 1, 2, 3);
    for (float& x : logits) {
      x = spread * (static_cast<float>(random_() % 20001) / 10000 - 1);
      if (shape == 1) x = std::round(x * 4) / 4;  // many equals
      if (shape == 2 && random_() % 3 == 0)
        x = Pick(kNan, kInf, -kInf, 3e38f, -3e38f, -0.f, 1e-45f);
      if (shape == 3) x = Pick(kNan, -kInf, -0.f, 0.f);
    }
    return logits;
  }

  SamplingParams MakeParams(int64_t n_vocab) {
    SamplingParams params;
    params.temperature = Pick(0.f, 1e-45f, 0.1f, 0.7f, 1.f, 3.f, 3e38f);
    params.top_k = Pick(0, 0, 1, 5, 40, 900, 100'000);
    params.top_p = Pick(1.f, 1.f, 0.f, 0.1f, 0.5f, 0.95f, 0.9999f);
    params.min_p = Pick(0.f, 0.f, 0.05f, 0.5f, 1.f, 1e-11f);
    params.repetition_penalty = Pick(1.f, 1.f, 1.3f, 0.5f, 1000.f);
    params.presence_penalty = Pick(0.f, 0.f, 1.5f, -1.5f);
    params.frequency_penalty = Pick(0.f, 0.f, 0.3f, -0.3f);
    params.seed = random_();
    for (int i = Pick(0, 0, 3); i > 0; --i) {
      params.logit_bias.push_back({AnId(n_vocab), Pick(1.f, -100.f, 100.f, 3e38f, -3e38f)});
    }
    if (random_() % 4 == 0) params.allowed_tokens = SomeAllowed(n_vocab);
    return params;
  }

  Ids MakePrompt(int64_t n_vocab) {
    Ids prompt(Pick(0, 1, 10, 100));
    for (int32_t& id : prompt) id = AnId(n_vocab);
    return prompt;
  }

 private:
  int32_t AnId(int64_t n_vocab) { return static_cast<int32_t>(random_() % n_vocab); }

  std::shared_ptr<const std::vector<uint64_t>> SomeAllowed(int64_t n_vocab) {
    auto words = std::make_shared<std::vector<uint64_t>>(random_() % (n_vocab / 64 + 2));
    for (uint64_t& word : *words) word = Pick(uint64_t{0}, ~uint64_t{0}, uint64_t{random_()});
    return words;
  }

  std::mt19937_64 random_;
};

TEST(SamplerExact, EveryTokenIsThatOfTheDefinition) {
  Cases cases(TestSeed());
  for (int round = 0; round < 3000; ++round) {
    const Logits logits = cases.MakeLogits();
    const int64_t n_vocab = static_cast<int64_t>(logits.size());
    const SamplingParams params = cases.MakeParams(n_vocab);
    const Ids prompt = cases.MakePrompt(n_vocab);
    const Ids expected = Expected(params, logits, prompt, 3);
    for (const Isa isa : BuiltIsas()) {
      if (!Supported(isa)) continue;
      ASSERT_EQ(Found(Kernels(isa), params, logits, prompt, 3, round % 2), expected)
          << Name(isa) << ", round " << round << ", seed " << TestSeed();
    }
  }
}

/// A vocabulary as large as real ones, its blocks' maxima far apart, and all of it equal.
TEST(SamplerExact, LargeVocabulary) {
  Cases cases(TestSeed());
  std::mt19937_64 random(TestSeed());
  std::normal_distribution<float> normal(0, 2.5f);
  for (const float spread : {1.f, 0.f}) {
    Logits logits(100'003);
    for (float& x : logits) x = spread * normal(random);
    for (int i = 0; i < 30; ++i) logits[random() % logits.size()] += spread * 12;
    for (const float top_p : {1.f, 0.5f, 0.99f}) {
      for (const int top_k : {0, 64, 5000}) {
        SamplingParams params = cases.MakeParams(logits.size());
        params.temperature = 1;
        params.min_p = 0;
        params.top_p = top_p;
        params.top_k = top_k;
        const Ids prompt = {1, 2, 3, 500, 99'999};
        const Ids expected = Expected(params, logits, prompt, 2);
        for (const Isa isa : BuiltIsas()) {
          if (!Supported(isa)) continue;
          ASSERT_EQ(Found(Kernels(isa), params, logits, prompt, 2, true), expected)
              << Name(isa) << ", top_p " << top_p << ", top_k " << top_k << ", seed " << TestSeed();
        }
      }
    }
  }
}

}  // namespace
}  // namespace weir
