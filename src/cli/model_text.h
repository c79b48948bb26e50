// What is in a model, as text and as JSON: shared by weir inspect and its --diff.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "gguf/model_source.h"
#include "model/config.h"

namespace weir {

struct TypeShare {
  TensorType type;
  int64_t n_tensors = 0, n_params = 0, n_bytes = 0;
};

struct ModelFacts {
  int64_t n_params = 0, n_bytes = 0;
  std::vector<TypeShare> types;  // most bytes first
  Result<ModelConfig> config;    // or why the architecture's figures are not known

  double BitsPerWeight() const {
    return 8.0 * static_cast<double>(n_bytes) / static_cast<double>(n_params);
  }
  double Share(const TypeShare& share) const {
    return n_bytes == 0 ? 0 : static_cast<double>(share.n_bytes) / static_cast<double>(n_bytes);
  }
};

ModelFacts CollectFacts(const ModelSource& source);

std::string_view TypeName(MetadataType type);

/// A value whole; of an array of more than 32 elements its type, count and start.
Json MetadataJson(const MetadataEntry& entry);
/// One line of it, as much as can matter.
std::string MetadataText(const MetadataEntry& entry);

Json TensorJson(const TensorInfo& tensor);
/// "1024 x 248320".
std::string ShapeText(const TensorInfo& tensor);

/// Prints a line in bold on a terminal.
void PrintHeading(std::string_view heading);

}  // namespace weir
