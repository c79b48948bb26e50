// What a step costs whoever computes it: the limit of targets that show no steps.
#pragma once

#include <cstdint>

#include "gguf/model_source.h"
#include "model/config.h"
#include "model/step_cost.h"

namespace weir {

/// The shapes of a model, as far as a step depends on them.
struct ModelShapes {
  ModelConfig config;
  ModelCost cost;
};
Result<ModelShapes> ShapesOf(const ModelSource& source);

/// Of a step in which each of `users` sequences that have `position` tokens behind them gets one more: weights in the
/// formats of the file, each once, keys and values in f16; of a mixture the experts of a single row, since all rows may
/// want the same.
StepCost LeastStep(const ModelShapes& model, int users, int64_t position);

}  // namespace weir
