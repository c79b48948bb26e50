// The work of a step in the terms of the limit T* (docs/metrics.md), from the tensor table and the positions
// alone: known of a model before it is loaded.
#pragma once

#include <cstdint>
#include <span>

#include "gguf/model_source.h"
#include "kernels/kernel_table.h"
#include "model/config.h"

namespace weir {

/// Bytes are those of the file's own formats. Experts count as often as the step really used distinct ones.
struct StepCost {
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;     // KV read: each sequence's positions once
  int64_t state_bytes = 0;  // recurrent state, read + written
  int64_t int8_macs = 0;    // of quantised weights
  int64_t f32_macs = 0;     // of F32/F16/BF16 weights, attention and the delta rule
  StepCost& operator+=(const StepCost& other);
};

/// Bytes of the file and multiply-accumulates per row that weights cost.
struct WeightCost {
  int64_t bytes = 0;
  int64_t int8_macs = 0;  // per activation row
  int64_t f32_macs = 0;   // per activation row
  WeightCost& operator+=(const WeightCost& other);
};

/// Consecutive tokens of one sequence, as far as their cost depends on them.
struct SliceShape {
  int64_t n_tokens = 0;
  int64_t position = 0;  // of the first
  int64_t n_logits = 0;
};

/// What attention over the context of a slice costs.
StepCost AttentionCost(const ModelConfig& config, KvType kv_type, const SliceShape& slice);
/// The convolution's share of the recurrent state; its few operations are not counted.
StepCost ConvolutionCost(const ModelConfig& config);
/// The rest of the state, and the delta rule's three passes over it for each token (S^T k, S^T q, the update).
StepCost DeltaRuleCost(const ModelConfig& config, const SliceShape& slice);

/// What the weights of a model cost.
struct ModelCost {
  WeightCost trunk;    // everything that runs for each row: layers, norms, dense FFN, shared experts
  WeightCost head;     // LM head: rows with logits
  WeightCost experts;  // one expert of each layer

  /// Of a step. `n_experts_run`: pairs of layer and distinct expert that its rows use.
  StepCost Step(const ModelConfig& config, KvType kv_type, std::span<const SliceShape> slices,
                int64_t n_experts_run) const;
  /// Weights only, of so many rows and logits.
  StepCost Weights(const ModelConfig& config, int64_t n_rows, int64_t n_logits, int64_t n_experts_run) const;
};

/// The pairs of layer and distinct expert that n_rows independent rows can be expected to use; 0 in dense models.
int64_t ExpectedExperts(const ModelConfig& config, int64_t n_rows);

}  // namespace weir
