#include "model/step_cost.h"

#include <cmath>

#include "model/cache.h"

namespace weir {

StepCost& StepCost::operator+=(const StepCost& other) {
  weight_bytes += other.weight_bytes;
  kv_bytes += other.kv_bytes;
  state_bytes += other.state_bytes;
  int8_macs += other.int8_macs;
  f32_macs += other.f32_macs;
  return *this;
}

WeightCost& WeightCost::operator+=(const WeightCost& other) {
  bytes += other.bytes;
  int8_macs += other.int8_macs;
  f32_macs += other.f32_macs;
  return *this;
}

StepCost AttentionCost(const ModelConfig& config, KvType kv_type, const SliceShape& slice) {
  StepCost cost;
  cost.kv_bytes = (slice.position + slice.n_tokens) * KvBytesPerToken(config, kv_type);
  // Token t attends to position + t + 1 positions.
  const int64_t n_pairs =
      slice.n_tokens * slice.position + slice.n_tokens * (slice.n_tokens + 1) / 2;
  cost.f32_macs = config.n_full_layers() * config.n_heads * config.head_dim * 2 * n_pairs;
  return cost;
}

StepCost ConvolutionCost(const ModelConfig& config) {
  StepCost cost;
  cost.state_bytes =
      config.n_linear_layers() * 2 * 3 * config.conv_dim() * static_cast<int64_t>(sizeof(float));
  return cost;
}

StepCost DeltaRuleCost(const ModelConfig& config, const SliceShape& slice) {
  StepCost cost;
  cost.state_bytes = 2 * StateBytesPerSequence(config) - ConvolutionCost(config).state_bytes;
  cost.f32_macs = slice.n_tokens * config.n_linear_layers() * config.n_value_heads * 3 *
                  config.linear_dim * config.linear_dim;
  return cost;
}

StepCost ModelCost::Weights(const ModelConfig& config, int64_t n_rows, int64_t n_logits,
                            int64_t n_experts_run) const {
  StepCost cost;
  cost.weight_bytes = trunk.bytes + (n_logits > 0 ? head.bytes : 0);
  cost.int8_macs = n_rows * trunk.int8_macs + n_logits * head.int8_macs;
  cost.f32_macs = n_rows * trunk.f32_macs + n_logits * head.f32_macs;
  if (config.n_experts > 0) {
    // Layers may differ in type (use_more_bits): the experts of each layer are taken as the mean expert.
    cost.weight_bytes += n_experts_run * experts.bytes / config.n_layers;
    cost.int8_macs += n_rows * config.n_experts_used * experts.int8_macs;
    cost.f32_macs += n_rows * config.n_experts_used * experts.f32_macs;
  }
  return cost;
}

StepCost ModelCost::Step(const ModelConfig& config, KvType kv_type,
                         std::span<const SliceShape> slices, int64_t n_experts_run) const {
  StepCost cost;
  int64_t n_rows = 0, n_logits = 0;
  for (const SliceShape& slice : slices) {
    n_rows += slice.n_tokens;
    n_logits += slice.n_logits;
    cost += AttentionCost(config, kv_type, slice);
    cost += ConvolutionCost(config);
    cost += DeltaRuleCost(config, slice);
  }
  cost += Weights(config, n_rows, n_logits, n_experts_run);
  return cost;
}

int64_t ExpectedExperts(const ModelConfig& config, int64_t n_rows) {
  if (config.n_experts == 0) return 0;
  const auto n = static_cast<double>(config.n_experts);
  const double missed = std::pow(1 - static_cast<double>(config.n_experts_used) / n, static_cast<double>(n_rows));
  return config.n_layers * std::llround(n * (1 - missed));
}

}  // namespace weir
