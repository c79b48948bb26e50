// Quantisation mixtures: which tensor gets which block format.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "gguf/tensor_type.h"
#include "model/synth/synth_model.h"
#include "util/error.h"

namespace weir {

/// What a recipe looks at: a matrix of the model that may be quantised.
struct MatrixRole {
  // The name without "blk.N." and ".weight", the same for experts: "ffn_down", "token_embd".
  std::string_view base;
  int64_t layer;  // -1 outside the blocks
};

struct SynthQuant {
  std::string_view name;  // "Q4_K_M"
  uint32_t file_type;     // general.file_type
  TensorType (*recipe)(const SynthModel& model, const MatrixRole& role);
};

std::span<const SynthQuant> SynthQuants();

/// The mixture of that name, case-insensitive; the Error lists the names that exist.
Result<const SynthQuant*> FindSynthQuant(std::string_view name);

}  // namespace weir
