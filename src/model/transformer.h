// The forward pass of one step.
//
// Glossary (used for every buffer, parameter and kernel):
//   n_rows        tokens in the step, over all sequences      n_embd     width of the residual stream
//   n_heads       query heads of full attention               n_kv_heads key/value heads
//   head_dim      width of a head                             n_rot      rotated dimensions of a head
//   n_key_heads   q and k heads of Gated DeltaNet             n_value_heads  its v heads, each with a state
//   linear_dim    width of its heads                          conv_dim   channels of its convolution
//   n_ff          width of the FFN                            n_vocab    tokens
// A *row* is one token of one sequence; a *slice* is the rows of one sequence.
//
// Projections run over all rows at once; convolution, recurrence and attention run per slice. Work is split
// over threads by output elements only, never inside a sum, so no result depends on the split.
#pragma once

#include <atomic>
#include <initializer_list>
#include <span>

#include "kernels/kernel_table.h"
#include "model/cache.h"
#include "model/config.h"
#include "model/model.h"
#include "model/step_profile.h"
#include "model/weights.h"
#include "model/workspace.h"
#include "util/thread_pool.h"

namespace weir {

/// One matrix that activations are multiplied with, and where the product goes: y [n_rows][w.n_rows].
struct Projection {
  const PackedMatrix& w;
  float* y;
};

class Transformer {
 public:
  /// Rotation speeds are taken from the config and the model's optional rope factors.
  Transformer(const ModelConfig& config, const Weights& weights, const KernelTable& kernels,
              Dtype dtype, std::span<const float> rope_frequencies,
              std::span<const Slice> slices, Cache& cache, Model::Workspace& workspace,
              ThreadPool& threads, StepProfiler* profiler);

  /// Runs the step; logits [sum of n_logits][n_vocab] are in the workspace.
  void Forward();

  int64_t n_tiles_unpacked() const { return n_tiles_.load(std::memory_order_relaxed); }
  /// Distinct experts used, summed over layers.
  int64_t n_experts_run() const { return n_experts_run_; }

 private:
  // transformer.cpp
  void Begin();
  void Embed();
  void Norm(const float* x, Vector weight, ActivationRows& out, int64_t n_rows);
  void Quantize(ActivationRows& rows, int64_t row, int64_t column, int64_t n);
  void Project(const ActivationRows& x, std::initializer_list<Projection> projections);
  Activations Arrange(const ActivationRows& x, int64_t n_rows, const int32_t* pick,
                      std::initializer_list<Projection> projections);
  void ProjectRows(const ActivationRows& x, int64_t n_rows, const int32_t* pick,
                   std::initializer_list<Projection> projections);
  void AddBias(Vector bias, int64_t n, float* rows);
  void AddToResidual(const float* y);
  void LmHead();

  // attention.cpp
  void Attention(const LayerWeights& layer);
  void PrepareHeads(const AttentionWeights& w, int64_t row);
  void Rotate(float* head, int64_t row) const;
  void StoreKeyValue(const LayerWeights& layer, int64_t row);
  void PlanAttention();
  void SplitLongRows(int64_t fair_share);
  void Attend(const LayerWeights& layer, const AttentionItem& item, int64_t kv_head);
  void AttendQueries(const LayerWeights& layer, const AttentionItem& item, int64_t kv_head,
                     int64_t first, int n);
  void AttendSpan(const LayerWeights& layer, const Slice& slice, int64_t kv_head,
                  const int64_t* positions, int64_t page, int64_t page_end, AttentionQuery* queries,
                  int n);
  float* AttentionOut(int64_t state, int64_t head);
  void FinishAttention(int64_t row);

  // delta_net.cpp
  void GatedDeltaNet(const LayerWeights& layer);
  void Convolve(const LayerWeights& layer, int64_t row);
  void Recur(const LayerWeights& layer, int64_t slice_index, int64_t head);
  void KeepConvInputs(const LayerWeights& layer, int64_t slice_index, int64_t n_tokens,
                      int32_t slot);

  // ffn.cpp
  void Ffn(const FfnWeights& w);
  void Moe(const MoeWeights& w);
  void Route(const MoeWeights& w);
  void Expert(const FfnWeights& w, std::span<const int32_t> picked, const float* factors);

  template <class Fn>
  void ForRows(int64_t n_rows, Fn&& fn);  // fn(row), rows in parallel

  /// What runs from here on is this part of the step.
  void Enter(StepPart part) {
    if (profiler_) profiler_->Enter(part);
  }

  const ModelConfig& c_;
  const Weights& w_;
  const KernelTable& kernels_;
  const RowKernels& k_;
  const SamplingKernels& sampling_;
  const Dtype dtype_;
  const std::span<const float> rope_frequencies_;  // [n_rot / 2], radians per position
  const std::span<const Slice> slices_;
  Cache& cache_;
  Model::Workspace& s_;  // scratch
  ThreadPool& threads_;
  StepProfiler* const profiler_;  // null unless somebody asked

  int64_t n_rows_ = 0;
  std::atomic<int64_t> n_tiles_{0};
  int64_t n_experts_run_ = 0;
};

template <class Fn>
void Transformer::ForRows(int64_t n_rows, Fn&& fn) {
  threads_.ParallelFor(n_rows, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) fn(row);
  });
}

}  // namespace weir
