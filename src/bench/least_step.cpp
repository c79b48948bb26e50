#include "bench/least_step.h"

#include <vector>

#include "model/model.h"

namespace weir {

Result<ModelShapes> ShapesOf(const ModelSource& source) {
  WEIR_TRY(ModelConfig config, ReadConfig(source));
  WEIR_TRY(ModelCost cost, Model::Cost(source, Dtype::kInt8));
  return ModelShapes{std::move(config), std::move(cost)};
}

StepCost LeastStep(const ModelShapes& model, int users, int64_t position) {
  const std::vector<SliceShape> slices(static_cast<size_t>(users), SliceShape{1, position, 1});
  const int64_t n_experts_run = model.config.n_experts > 0 ? model.config.n_layers * model.config.n_experts_used : 0;
  return model.cost.Step(model.config, KvType::kF16, slices, n_experts_run);
}

}  // namespace weir
