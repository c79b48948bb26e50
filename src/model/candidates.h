// The ids among which a sampler chooses.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/kernel_table.h"

namespace weir {

/// Where a ranking of logits, the largest first, ends: those above `logit` are in it, and the first
/// n_equal of those equal to it.
struct RankingEnd {
  float logit;
  int64_t n_equal;
};

/// The shortest ranking that weighs `target` (at least 1, at most the sum of all) or more. Equal
/// logits have equal weights, integers; without weights each is 1. No logit is NaN.
RankingEnd FindRankingEnd(std::span<const float> logits, std::span<const double> weights,
                          uint64_t target);

/// The first i at which the sum of weights[0, i] exceeds `point`; there must be one.
int64_t PickWeighted(const double* weights, uint64_t point);

/// Ids in ascending order, their logits, and once weighed their weights.
class Candidates {
 public:
  /// Room for n_vocab ids; what is not used takes no memory.
  Candidates(int64_t n_vocab, const KernelTable& kernels);
  static int64_t Bytes(int64_t n_vocab);

  /// All ids whose logit is at least `limit`, found through the maxima of blocks of kLogitBlock.
  void Collect(std::span<const float> logits, std::span<const float> maxima, float limit);
  /// Returns the sum.
  uint64_t Weigh(const WeightScale& scale);
  /// Those of the k largest logits, lower ids first among equals.
  void KeepLikeliest(int64_t k);
  /// The fewest of the largest logits that weigh `target`, which is at most the sum. Returns their
  /// sum.
  uint64_t KeepNucleus(uint64_t target);
  /// The id at `point` when each takes as much room as it weighs; point is below the sum.
  int32_t Pick(uint64_t point) const;

  std::span<const int32_t> ids() const { return {ids_.get(), static_cast<size_t>(n_)}; }
  std::span<const float> logits() const { return {logits_.get(), static_cast<size_t>(n_)}; }

 private:
  uint64_t Keep(RankingEnd end, bool weighed);

  const SamplingKernels& kernels_;
  int64_t n_ = 0;
  std::unique_ptr<int32_t[]> ids_;
  std::unique_ptr<float[]> logits_;
  std::unique_ptr<double[]> weights_;
};

}  // namespace weir
