#include "model/model.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "model/step_profile.h"
#include "model/transformer.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace weir {
namespace {

/// Radians per position of each rotated pair.
std::vector<float> RopeFrequencies(const ModelConfig& config, Vector factors) {
  std::vector<float> frequencies(static_cast<size_t>(config.n_rot / 2));
  for (size_t j = 0; j < frequencies.size(); ++j) {
    const double exponent = -2.0 * static_cast<double>(j) / static_cast<double>(config.n_rot);
    const double factor = factors ? static_cast<double>(factors[j]) : 1.0;
    frequencies[j] =
        static_cast<float>(std::pow(static_cast<double>(config.rope_base), exponent) / factor);
  }
  return frequencies;
}

/// What attention over the contexts of the slices costs.
StepCost AttentionCost(const ModelConfig& config, KvType kv_type, std::span<const Slice> slices) {
  StepCost cost;
  for (const Slice& slice : slices) {
    const int64_t n_tokens = static_cast<int64_t>(slice.tokens.size());
    cost.kv_bytes += (slice.position + n_tokens) * KvBytesPerToken(config, kv_type);
    for (int64_t t = 0; t < n_tokens; ++t) {
      cost.f32_macs += config.n_full_layers() * config.n_heads * config.head_dim * 2 *
                       (slice.position + t + 1);
    }
  }
  return cost;
}

/// The convolution's share of the recurrent state; its few operations are not counted.
StepCost ConvolutionCost(const ModelConfig& config, std::span<const Slice> slices) {
  StepCost cost;
  cost.state_bytes = static_cast<int64_t>(slices.size()) * config.n_linear_layers() * 2 * 3 *
                     config.conv_dim() * static_cast<int64_t>(sizeof(float));
  return cost;
}

/// The rest of the state, and the delta rule's three passes over it for each row (S^T k, S^T q, the
/// update).
StepCost DeltaRuleCost(const ModelConfig& config, std::span<const Slice> slices) {
  int64_t n_rows = 0;
  for (const Slice& slice : slices) n_rows += static_cast<int64_t>(slice.tokens.size());
  StepCost cost;
  cost.state_bytes =
      static_cast<int64_t>(slices.size()) * 2 * StateBytesPerSequence(config) -
      ConvolutionCost(config, slices).state_bytes;
  cost.f32_macs = n_rows * config.n_linear_layers() * config.n_value_heads * 3 *
                  config.linear_dim * config.linear_dim;
  return cost;
}

}  // namespace

struct Model::Impl {
  std::string name;
  bool synthetic = false;
  ModelConfig config;
  Dtype dtype = Dtype::kInt8;
  Isa isa = Isa::kPlain;
  std::unique_ptr<WeightPlan> plan;
  Buffer arena;
  std::vector<float> rope_frequencies;
  mutable std::atomic<int64_t> n_tiles_unpacked{0};

  StepCost Cost(std::span<const Slice> slices, KvType kv_type, int64_t n_experts_run) const;
};

StepCost& StepCost::operator+=(const StepCost& other) {
  weight_bytes += other.weight_bytes;
  kv_bytes += other.kv_bytes;
  state_bytes += other.state_bytes;
  int8_macs += other.int8_macs;
  f32_macs += other.f32_macs;
  return *this;
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

Result<ModelFootprint> Model::Plan(const ModelSource& source, Dtype dtype) {
  WEIR_TRY(const ModelConfig config, ReadConfig(source));
  WEIR_TRY(const std::unique_ptr<WeightPlan> plan, BindWeights(source, config, dtype));
  return plan->footprint;
}

Result<std::unique_ptr<Model>> Model::Load(const ModelSource& source, const LoadOptions& options,
                                           ThreadPool& threads) {
  auto impl = std::make_unique<Impl>();
  impl->name = source.name();
  impl->synthetic = source.synthetic();
  impl->dtype = options.dtype;
  impl->isa = options.isa;
  WEIR_TRY(impl->config, ReadConfig(source));
  WEIR_TRY(impl->plan, BindWeights(source, impl->config, options.dtype));
  WEIR_TRY(impl->arena, PackWeights(source, *impl->plan, options, threads));
  impl->rope_frequencies = RopeFrequencies(impl->config, impl->plan->weights.rope_factors);
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

const ModelConfig& Model::config() const { return impl_->config; }
const std::string& Model::name() const { return impl_->name; }
bool Model::synthetic() const { return impl_->synthetic; }
Dtype Model::dtype() const { return impl_->dtype; }
Isa Model::isa() const { return impl_->isa; }
const ModelFootprint& Model::footprint() const { return impl_->plan->footprint; }
std::vector<Model::MatrixOrigin> Model::MatrixOrigins() const {
  std::vector<MatrixOrigin> origins;
  for (const WeightPlan::MatrixJob& job : impl_->plan->matrices) {
    origins.push_back({job.view->tiles, job.tensor, job.first_row});
  }
  return origins;
}

int64_t Model::n_tiles_unpacked() const { return impl_->n_tiles_unpacked.load(); }

Result<std::unique_ptr<Model::Workspace>> Model::MakeWorkspace(int64_t max_rows,
                                                               int64_t max_logits) const {
  return Workspace::Allocate(impl_->config, impl_->dtype, max_rows, max_logits);
}

int64_t Model::WorkspaceBytes(const ModelConfig& config, Dtype dtype, int64_t max_rows,
                              int64_t max_logits) {
  return Workspace::Bytes(config, dtype, max_rows, max_logits);
}

float* Model::Forward(std::span<const Slice> slices, Cache& cache, Workspace& workspace,
                      ThreadPool& threads, StepCost* cost, StepProfiler* profiler) const {
  int64_t n_rows = 0, n_logits = 0;
  for (const Slice& slice : slices) {
    n_rows += static_cast<int64_t>(slice.tokens.size());
    n_logits += slice.n_logits;
  }
  WEIR_CHECK(n_rows <= workspace.max_rows && n_logits <= workspace.max_logits);
  Transformer transformer(impl_->config, impl_->plan->weights, Kernels(impl_->isa), impl_->dtype,
                          impl_->rope_frequencies, slices, cache, workspace, threads, profiler);
  transformer.Forward();
  impl_->n_tiles_unpacked += transformer.n_tiles_unpacked();
  if (cost) *cost = impl_->Cost(slices, cache.kv_type(), transformer.n_experts_run());
  if (profiler) {
    profiler->AddCost(StepPart::kAttention, AttentionCost(config(), cache.kv_type(), slices));
    profiler->AddCost(StepPart::kConvolution, ConvolutionCost(config(), slices));
    profiler->AddCost(StepPart::kDeltaRule, DeltaRuleCost(config(), slices));
  }
  return workspace.logits;
}

StepCost Model::Impl::Cost(std::span<const Slice> slices, KvType kv_type,
                           int64_t n_experts_run) const {
  int64_t n_rows = 0, n_logits = 0;
  for (const Slice& slice : slices) {
    n_rows += static_cast<int64_t>(slice.tokens.size());
    n_logits += slice.n_logits;
  }
  StepCost cost = AttentionCost(config, kv_type, slices);
  cost += ConvolutionCost(config, slices);
  cost += DeltaRuleCost(config, slices);
  cost.weight_bytes = plan->trunk.bytes + (n_logits > 0 ? plan->head.bytes : 0);
  cost.int8_macs = n_rows * plan->trunk.int8_macs + n_logits * plan->head.int8_macs;
  cost.f32_macs += n_rows * plan->trunk.f32_macs + n_logits * plan->head.f32_macs;
  if (config.n_experts > 0) {
    // Layers may differ in type (use_more_bits): the experts of each layer are taken as the mean expert.
    WeightCost all;
    for (const LayerWeights& layer : plan->weights.layers) {
      all.bytes += layer.moe.cost.bytes;
      all.int8_macs += layer.moe.cost.int8_macs;
      all.f32_macs += layer.moe.cost.f32_macs;
    }
    cost.weight_bytes += n_experts_run * all.bytes / config.n_layers;
    cost.int8_macs += n_rows * config.n_experts_used * all.int8_macs;
    cost.f32_macs += n_rows * config.n_experts_used * all.f32_macs;
  }
  return cost;
}

}  // namespace weir
