// The tensor table of a synthetic model (spec 3 and 8).
#pragma once

#include <vector>

#include "gguf/model_source.h"
#include "model/mixture.h"
#include "model/synth/synth_model.h"

namespace weir {

/// All tensors, in the order of real files: embeddings, then block by block.
std::vector<TensorInfo> SynthTensors(const SynthModel& model, const Mixture& quant);

}  // namespace weir
