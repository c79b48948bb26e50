#include "bench/model_row.h"

#include <algorithm>

#include "gguf/quant_name.h"
#include "model/model.h"

namespace weir {
namespace {

/// FNV-1a over what makes two files the same work: names, types and shapes of the tensors.
std::string FingerprintOf(const ModelSource& source) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::string_view bytes) {
    for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  };
  for (const TensorInfo& tensor : source.tensors()) {
    add(fmt::format("{} {} {};", tensor.name, Traits(tensor.type).name, fmt::join(tensor.ne, "x")));
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace

ModelRow DescribeModel(const std::string& name, const ModelSource& source) {
  ModelRow row;
  row.name = name;
  row.quant = QuantOf(source);
  row.synthetic = source.synthetic();
  row.fingerprint = FingerprintOf(source);
  if (const auto footprint = Model::Plan(source, Dtype::kInt8)) {
    row.n_params = footprint->n_params;
    row.file_tensor_bytes = footprint->file_tensor_bytes;
    row.packed_bytes = footprint->packed_bytes;
  }
  if (const auto config = ReadConfig(source)) row.arch = config->arch_name;
  return row;
}

}  // namespace weir
