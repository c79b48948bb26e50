// The metadata of a synthetic model: the keys of a real file (spec 2 and 8) and a filler
// vocabulary.
#pragma once

#include "gguf/model_source.h"
#include "model/mixture.h"
#include "model/synth/synth_model.h"

namespace weir {

Metadata SynthMetadata(const SynthModel& model, const Mixture& quant);

}  // namespace weir
