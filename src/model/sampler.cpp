#include "model/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

namespace weir {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// 2^40 steps leave out at most 1e-7 of the probability of 250,000 ids, and leave room to add up
// 2^23.
constexpr int kWeightBits = 40;
constexpr int64_t kMaxVocab = int64_t{1} << 23;

/// 2^(40 + y) to the nearest integer, for y <= 0; 0 for NaN.
uint64_t Weight(double y) {
  if (!(y > -kWeightBits - 2)) return 0;
  constexpr double kRound = 0x1.8p52;  // adding it rounds to the nearest integer
  const double whole = (y + kRound) - kRound;
  const double t = (y - whole) * 0x1.62e42fefa39efp-1;  // * ln 2: |t| < 0.35
  constexpr double kInverse[] = {0,       1,       1. / 2., 1. / 3., 1. / 4.,  1. / 5.,
                                 1. / 6., 1. / 7., 1. / 8., 1. / 9., 1. / 10., 1. / 11.};
  double series = 1;  // Taylor's of e^t: the first term left out is below 2^-47
  for (int k = 11; k >= 1; --k) series = 1 + series * (t * kInverse[k]);
  const double power =
      std::bit_cast<double>((1023 + kWeightBits + static_cast<int64_t>(whole)) << 52);
  return static_cast<uint64_t>(series * power + 0.5);
}

/// SplitMix64's finaliser.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// -infinity if all are that or NaN.
float Largest(std::span<const float> logits) {
  constexpr size_t kLanes = 16;  // each its own chain, so that the compiler can use vectors
  float best[kLanes];
  std::fill_n(best, kLanes, -kInfinity);
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) best[j] = logits[i + j] > best[j] ? logits[i + j] : best[j];
  }
  for (; i < logits.size(); ++i) best[0] = logits[i] > best[0] ? logits[i] : best[0];
  return *std::max_element(best, best + kLanes);
}

/// The order of likelihood: no two candidates are equal in it.
template <class Candidate>
bool Before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/// The last of the k likeliest ids.
template <class Candidate>
Candidate Kth(std::span<const float> logits, size_t k, std::vector<Candidate>& heap) {
  heap.clear();
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!(logits[id] > -kInfinity)) continue;
    if (heap.size() == k) {
      if (!(logits[id] > heap.front().logit)) continue;
      std::pop_heap(heap.begin(), heap.end(), Before<Candidate>);
      heap.pop_back();
    }
    heap.push_back({0, logits[id], static_cast<int32_t>(id)});
    std::push_heap(heap.begin(), heap.end(), Before<Candidate>);
  }
  return heap.front();
}

template <class Candidate>
uint64_t TotalWeight(std::span<const Candidate> candidates) {
  uint64_t total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

/// The last of the fewest likeliest candidates that weigh `target` together: quickselect by weight.
template <class Candidate>
Candidate LastOfNucleus(std::span<Candidate> rest, uint64_t target) {
  for (;;) {
    std::swap(rest[rest.size() / 2], rest.back());
    const Candidate pivot = rest.back();
    const auto middle = std::partition(rest.begin(), rest.end() - 1,
                                       [&](const Candidate& c) { return Before(c, pivot); });
    const size_t n_before = middle - rest.begin();
    const uint64_t before = TotalWeight<Candidate>(rest.first(n_before));
    if (before >= target) {
      rest = rest.first(n_before);
    } else if (before + pivot.weight >= target) {
      return pivot;
    } else {
      target -= before + pivot.weight;
      rest = rest.subspan(n_before, rest.size() - 1 - n_before);
    }
  }
}

Status CheckRange(std::string_view name, float value, float min, float max) {
  if (value >= min && value <= max) return {};
  return BadInput("{}: expected a number from {} to {}, found {}", name, min, max, value);
}

}  // namespace

Status CheckSampling(const SamplingParams& params, int64_t n_vocab) {
  constexpr float kMax = std::numeric_limits<float>::max();
  if (n_vocab > kMaxVocab) {
    return BadInput("vocabulary: expected at most {} tokens, found {}", kMaxVocab, n_vocab);
  }
  WEIR_RETURN_IF_ERROR(CheckRange("temperature", params.temperature, 0, kMax));
  if (params.top_k < 0) return BadInput("top_k: expected 0 or more, found {}", params.top_k);
  WEIR_RETURN_IF_ERROR(CheckRange("top_p", params.top_p, 0, 1));
  WEIR_RETURN_IF_ERROR(CheckRange("min_p", params.min_p, 0, 1));
  WEIR_RETURN_IF_ERROR(CheckRange("repetition_penalty", params.repetition_penalty, 1e-3f, 1e3f));
  WEIR_RETURN_IF_ERROR(CheckRange("presence_penalty", params.presence_penalty, -1e3f, 1e3f));
  WEIR_RETURN_IF_ERROR(CheckRange("frequency_penalty", params.frequency_penalty, -1e3f, 1e3f));
  for (const auto& [id, bias] : params.logit_bias) {
    if (id < 0 || id >= n_vocab) {
      return BadInput("logit_bias: expected token ids below {}, found {}", n_vocab, id);
    }
    WEIR_RETURN_IF_ERROR(CheckRange("logit_bias", bias, -kMax, kMax));
  }
  return {};
}

SamplerScratch::SamplerScratch(int64_t n_vocab) {
  candidates_.reserve(n_vocab);
  ranking_.reserve(n_vocab);
}

int64_t SamplerScratch::Bytes(int64_t n_vocab) { return 2 * n_vocab * sizeof(Candidate); }

Sampler::Sampler(SamplingParams params, int64_t n_vocab, std::span<const int32_t> prompt,
                 int64_t max_tokens)
    : params_(std::move(params)),
      penalised_(params_.repetition_penalty != 1 || params_.presence_penalty != 0 ||
                 params_.frequency_penalty != 0) {
  if (!penalised_) return;
  std::vector<int32_t> ids(prompt.begin(), prompt.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  seen_.reserve(std::min(n_vocab, static_cast<int64_t>(ids.size()) + max_tokens));
  for (int32_t id : ids) seen_.push_back({id, 0});
}

std::optional<int32_t> Sampler::Draw(std::span<float> logits, SamplerScratch& scratch) {
  Adjust(logits);
  const float max = Largest(logits);
  if (max == -kInfinity) return std::nullopt;
  const int32_t id = params_.temperature == 0
                         ? std::find(logits.begin(), logits.end(), max) - logits.begin()
                         : DrawAtTemperature(logits, max, scratch);
  ++n_drawn_;
  if (penalised_) Remember(id);
  return id;
}

void Sampler::Remember(int32_t id) {
  auto at = std::lower_bound(seen_.begin(), seen_.end(), id,
                             [](const Seen& seen, int32_t wanted) { return seen.id < wanted; });
  if (at == seen_.end() || at->id != id) at = seen_.insert(at, {id, 0});
  ++at->n_generated;
}

void Sampler::Adjust(std::span<float> logits) const {
  for (const Seen& seen : seen_) {
    float& x = logits[seen.id];
    x = x > 0 ? x / params_.repetition_penalty : x * params_.repetition_penalty;
    if (seen.n_generated > 0) {
      x -= params_.frequency_penalty * static_cast<float>(seen.n_generated);
      x -= params_.presence_penalty;
    }
  }
  for (const auto& [id, bias] : params_.logit_bias) logits[id] += bias;
  if (!params_.allowed_tokens) return;
  const std::vector<uint64_t>& allowed = *params_.allowed_tokens;
  for (size_t id = 0; id < logits.size(); ++id) {
    const bool keep = id / 64 < allowed.size() && (allowed[id / 64] >> (id % 64) & 1);
    if (!keep) logits[id] = -kInfinity;
  }
}

int32_t Sampler::DrawAtTemperature(std::span<const float> logits, float max,
                                   SamplerScratch& scratch) {
  std::vector<Candidate>& candidates = scratch.candidates_;
  Candidate last{0, -kInfinity, std::numeric_limits<int32_t>::max()};
  const size_t top_k = params_.top_k;
  if (top_k > 0 && top_k < logits.size()) last = Kth(logits, top_k, scratch.ranking_);

  const double octaves = 0x1.71547652b82fep0 / params_.temperature;  // log2 e per unit of logit
  const uint64_t least = std::max<uint64_t>(1, std::ceil(std::ldexp(params_.min_p, kWeightBits)));
  candidates.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] >= last.logit)) continue;
    Candidate candidate{0, logits[i], static_cast<int32_t>(i)};
    if (Before(last, candidate)) continue;
    candidate.weight = Weight(logits[i] == max ? 0 : (double{logits[i]} - max) * octaves);
    if (candidate.weight >= least) candidates.push_back(candidate);
  }

  uint64_t total = TotalWeight<Candidate>(candidates);
  if (params_.top_p < 1) {
    const double share = std::ceil(double{params_.top_p} * static_cast<double>(total));
    const uint64_t target = std::clamp<uint64_t>(static_cast<uint64_t>(share), 1, total);
    scratch.ranking_.assign(candidates.begin(), candidates.end());
    last = LastOfNucleus<Candidate>(scratch.ranking_, target);
    std::erase_if(candidates, [&](const Candidate& candidate) { return Before(last, candidate); });
    total = TotalWeight<Candidate>(candidates);
  }

  // The high half of the product: uniform in [0, total) but for one part in 2^64 / total.
  uint64_t point = static_cast<unsigned __int128>(NextRandom()) * total >> 64;
  auto chosen = candidates.begin();
  for (; point >= chosen->weight; ++chosen) point -= chosen->weight;
  return chosen->id;
}

uint64_t Sampler::NextRandom() const {
  return Mix(Mix(params_.seed) + (n_drawn_ + 1) * 0x9e3779b97f4a7c15);
}

}  // namespace weir
