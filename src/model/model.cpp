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

SliceShape ShapeOf(const Slice& slice) {
  return {static_cast<int64_t>(slice.tokens.size()), slice.position, slice.n_logits};
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

  StepCost Cost(std::span<const Slice> slices, KvType kv_type, int64_t n_experts_run,
                StepProfiler* profiler) const;
};

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

Result<ModelFootprint> Model::Plan(const ModelSource& source, Dtype dtype) {
  WEIR_TRY(const ModelConfig config, ReadConfig(source));
  WEIR_TRY(const std::unique_ptr<WeightPlan> plan, BindWeights(source, config, dtype));
  return plan->footprint;
}

Result<ModelCost> Model::Cost(const ModelSource& source, Dtype dtype) {
  WEIR_TRY(const ModelConfig config, ReadConfig(source));
  WEIR_TRY(const std::unique_ptr<WeightPlan> plan, BindWeights(source, config, dtype));
  return plan->cost;
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
  const StepCost step =
      impl_->Cost(slices, cache.kv_type(), transformer.n_experts_run(), profiler);
  if (cost) *cost = step;
  return workspace.logits;
}

StepCost Model::Impl::Cost(std::span<const Slice> slices, KvType kv_type, int64_t n_experts_run,
                           StepProfiler* profiler) const {
  StepCost attention, convolution, delta_rule;
  int64_t n_rows = 0, n_logits = 0;
  for (const Slice& slice : slices) {
    const SliceShape shape = ShapeOf(slice);
    n_rows += shape.n_tokens;
    n_logits += shape.n_logits;
    attention += AttentionCost(config, kv_type, shape);
    convolution += ConvolutionCost(config);
    delta_rule += DeltaRuleCost(config, shape);
  }
  if (profiler) {
    profiler->AddCost(StepPart::kAttention, attention);
    profiler->AddCost(StepPart::kConvolution, convolution);
    profiler->AddCost(StepPart::kDeltaRule, delta_rule);
  }
  StepCost cost = plan->cost.Weights(config, n_rows, n_logits, n_experts_run);
  cost += attention;
  cost += convolution;
  cost += delta_rule;
  return cost;
}

}  // namespace weir
