// A vocabulary of a real model's size, so that token ids, special tokens and the LM head are as
// large as they really are and text goes in and comes out: 256 byte tokens, a few merges, numbered
// fillers, and the special tokens at their real ids.
#pragma once

#include "gguf/model_source.h"
#include "model/synth/synth_model.h"

namespace weir {

/// Adds the tokenizer.ggml.* keys.
void AddFillerVocabulary(const SynthModel& model, Metadata& metadata);

}  // namespace weir
