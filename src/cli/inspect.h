// What weir inspect says, for commands that have a model's header from elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gguf/model_source.h"

namespace weir {

struct InspectFlags {
  std::string model, other;  // other: of --diff
  int64_t ctx = 4096;
  bool diff = false, summary = false, header_only = false, json = false;
};

/// Prints metadata, tensors, types and bytes per user.
void PrintModel(const ModelSource& source, const InspectFlags& flags);

/// Prints what B has else than A.
void PrintDifference(const ModelSource& a, const ModelSource& b, const InspectFlags& flags);

}  // namespace weir
