// What the store keeps about a model.
#pragma once

#include <string>

#include "gguf/model_source.h"
#include "store/store.h"

namespace weir {

/// `name` is what the user called it. A model that weir cannot run has neither architecture nor
/// sizes.
ModelRow DescribeModel(const std::string& name, const ModelSource& source);

}  // namespace weir
