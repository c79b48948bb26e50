// How people call the mixture of types in a model: "Q4_K_M".
#pragma once

#include <string>

#include "gguf/model_source.h"

namespace weir {

/// What general.file_type says; else the type that most bytes are of. Of a synthetic model what its
/// name says. Empty for a model without tensors and without a word about it.
std::string QuantOf(const ModelSource& source);

}  // namespace weir
