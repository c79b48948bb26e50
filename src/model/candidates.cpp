#include "model/candidates.h"

#include <algorithm>
#include <bit>

namespace weir {
namespace {

constexpr int64_t kSlack = 16;  // that kernels may write too many

/// Unsigned integers in the order of the floats, -0 being 0.
uint32_t KeyOf(float x) {
  const int32_t bits = std::bit_cast<int32_t>(x + 0.0f);
  return static_cast<uint32_t>(bits) ^ (static_cast<uint32_t>(bits >> 31) | 0x80000000u);
}
float FloatOf(uint32_t key) {
  return std::bit_cast<float>(key & 0x80000000u ? key ^ 0x80000000u : ~key);
}

/// By way of a signed integer, which takes one instruction.
uint64_t Whole(double weight) { return static_cast<uint64_t>(static_cast<int64_t>(weight)); }

/// A byte of the keys at a time, the highest first: four passes whatever the values are.
template <class WeightOf>
RankingEnd FindEndBy(std::span<const float> logits, WeightOf weight_of, uint64_t target) {
  constexpr int kOthers = 256;  // where keys are counted that differ in higher bytes
  constexpr int kChains = 4;    // most keys share a first byte, and each sum waits for the last
  uint32_t prefix = 0, known = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    uint64_t sums[kOthers + 1][kChains] = {};
    for (size_t i = 0; i < logits.size(); ++i) {
      const uint32_t key = KeyOf(logits[i]);
      sums[(key & known) == prefix ? key >> shift & 0xff : kOthers][i % kChains] += weight_of(i);
    }
    const auto sum = [&](uint32_t d) { return sums[d][0] + sums[d][1] + sums[d][2] + sums[d][3]; };
    uint32_t digit = 0xff;
    while (sum(digit) < target) target -= sum(digit--);
    prefix |= digit << shift;
    known |= 0xffu << shift;
  }
  const float logit = FloatOf(prefix);
  const uint64_t each = weight_of(std::find(logits.begin(), logits.end(), logit) - logits.begin());
  return {logit, static_cast<int64_t>((target + each - 1) / each)};
}

}  // namespace

RankingEnd FindRankingEnd(std::span<const float> logits, std::span<const double> weights,
                          uint64_t target) {
  if (weights.empty()) {
    return FindEndBy(
        logits, [](size_t) { return uint64_t{1}; }, target);
  }
  return FindEndBy(
      logits, [&](size_t i) { return Whole(weights[i]); }, target);
}

int64_t PickWeighted(const double* weights, uint64_t point) {
  int64_t i = 0;
  for (; point >= Whole(weights[i]); ++i) point -= Whole(weights[i]);
  return i;
}

Candidates::Candidates(int64_t n_vocab, const KernelTable& kernels)
    : kernels_(kernels.sampling),
      ids_(std::make_unique_for_overwrite<int32_t[]>(n_vocab + kSlack)),
      logits_(std::make_unique_for_overwrite<float[]>(n_vocab + kSlack)),
      weights_(std::make_unique_for_overwrite<double[]>(n_vocab + kSlack)) {}

int64_t Candidates::Bytes(int64_t n_vocab) {
  const int64_t per_id = sizeof(int32_t) + sizeof(float) + sizeof(double);
  return (n_vocab + kSlack) * per_id;
}

void Candidates::Collect(std::span<const float> logits, std::span<const float> maxima,
                         float limit) {
  n_ = 0;
  const int64_t n_vocab = static_cast<int64_t>(logits.size());
  for (size_t b = 0; b < maxima.size(); ++b) {
    if (!(maxima[b] >= limit)) continue;
    const int64_t first = static_cast<int64_t>(b) * kLogitBlock;
    n_ += kernels_.collect(&logits[first], std::min(kLogitBlock, n_vocab - first), limit,
                           static_cast<int32_t>(first), &ids_[n_], &logits_[n_]);
  }
}

uint64_t Candidates::Weigh(const WeightScale& scale) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < n_; i += kLogitBlock) {
    sum += static_cast<uint64_t>(
        kernels_.weigh(&logits_[i], std::min(kLogitBlock, n_ - i), scale, &weights_[i]));
  }
  return sum;
}

void Candidates::KeepLikeliest(int64_t k) {
  if (k < n_) Keep(FindRankingEnd(logits(), {}, k), false);
}

uint64_t Candidates::KeepNucleus(uint64_t target) {
  return Keep(FindRankingEnd(logits(), {weights_.get(), static_cast<size_t>(n_)}, target), true);
}

uint64_t Candidates::Keep(RankingEnd end, bool weighed) {
  uint64_t sum = 0;
  int64_t n_kept = 0;
  for (int64_t i = 0; i < n_; ++i) {  // without branches, which nothing could predict
    const bool equal = (logits_[i] == end.logit) & (end.n_equal > 0);
    const bool keep = equal | (logits_[i] > end.logit);
    end.n_equal -= equal;
    ids_[n_kept] = ids_[i];
    logits_[n_kept] = logits_[i];
    if (weighed) {
      weights_[n_kept] = weights_[i];
      sum += Whole(weights_[i]) & -uint64_t{keep};
    }
    n_kept += keep;
  }
  n_ = n_kept;
  return sum;
}

int32_t Candidates::Pick(uint64_t point) const { return ids_[PickWeighted(weights_.get(), point)]; }

}  // namespace weir
