// What a GGUF file can make weir do before a model is built from it: parse it, look keys up, read
// every byte of every tensor, decode a row of each.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gguf/gguf_file.h"
#include "kernels/dequantize.h"

namespace {

using weir::GgufFile;
using weir::Metadata;
using weir::TensorInfo;

/// Keeps the optimiser from dropping reads.
volatile uint64_t sink;

void LookUpEverything(const Metadata& metadata) {
  for (const auto& entry : metadata.entries()) {
    sink = sink + metadata.Int(entry.key, 0, 100).ok() + metadata.Ints(entry.key).ok() +
           metadata.Floats(entry.key).ok() + metadata.Strings(entry.key).ok() +
           metadata.BoolOr(entry.key, false).ok() + metadata.String(entry.key).ok();
  }
}

void ReadEverything(const GgufFile& file) {
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const TensorInfo& tensor = file.tensors()[i];
    const uint8_t* rows = file.Rows(i, 0, tensor.n_rows(), nullptr);
    for (int64_t k = 0; k < tensor.n_bytes(); ++k) sink = sink + rows[k];
    std::vector<float> values(static_cast<size_t>(tensor.ne[0]));
    weir::DequantizeRow(tensor.type, rows, tensor.ne[0], values.data());
    sink = sink + (values.back() > 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = GgufFile::Parse("fuzz.gguf", data, size);
  if (!file.ok()) return 0;
  LookUpEverything((*file)->metadata());
  ReadEverything(**file);
  return 0;
}
