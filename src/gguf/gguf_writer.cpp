#include <algorithm>

#include "gguf/gguf_file.h"
#include "gguf/gguf_header.h"
#include "util/atomic_file.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr int64_t kChunkBytes = int64_t{4} << 20;

template <class T>
void Append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void AppendString(std::string& out, std::string_view text) {
  Append(out, uint64_t{text.size()});
  out += text;
}

/// The value, or an array's elements, stored as Disk and kept as Kept.
template <class Disk, class Kept>
void AppendNumbers(std::string& out, const MetadataEntry& entry) {
  if (!entry.is_array) return Append(out, static_cast<Disk>(std::get<Kept>(entry.value)));
  for (const Kept value : std::get<std::vector<Kept>>(entry.value)) {
    Append(out, static_cast<Disk>(value));
  }
}

void AppendStrings(std::string& out, const MetadataEntry& entry) {
  if (!entry.is_array) return AppendString(out, std::get<std::string>(entry.value));
  for (const auto& text : std::get<std::vector<std::string>>(entry.value)) AppendString(out, text);
}

void AppendValue(std::string& out, const MetadataEntry& entry) {
  switch (entry.type) {
    case MetadataType::kU8:
      return AppendNumbers<uint8_t, uint64_t>(out, entry);
    case MetadataType::kI8:
      return AppendNumbers<int8_t, int64_t>(out, entry);
    case MetadataType::kU16:
      return AppendNumbers<uint16_t, uint64_t>(out, entry);
    case MetadataType::kI16:
      return AppendNumbers<int16_t, int64_t>(out, entry);
    case MetadataType::kU32:
      return AppendNumbers<uint32_t, uint64_t>(out, entry);
    case MetadataType::kI32:
      return AppendNumbers<int32_t, int64_t>(out, entry);
    case MetadataType::kU64:
      return AppendNumbers<uint64_t, uint64_t>(out, entry);
    case MetadataType::kI64:
      return AppendNumbers<int64_t, int64_t>(out, entry);
    case MetadataType::kF32:
      return AppendNumbers<float, double>(out, entry);
    case MetadataType::kF64:
      return AppendNumbers<double, double>(out, entry);
    case MetadataType::kBool:
      return AppendNumbers<uint8_t, bool>(out, entry);
    case MetadataType::kString:
      return AppendStrings(out, entry);
    case MetadataType::kArray:
      break;
  }
  WEIR_CHECK(!"an element type");
}

uint64_t ArraySize(const MetadataValue& value) {
  return std::visit(
      [](const auto& v) -> uint64_t {
        if constexpr (requires { v.size(); }) return v.size();
        return 0;
      },
      value);
}

void AppendEntry(std::string& out, const MetadataEntry& entry) {
  AppendString(out, entry.key);
  Append(out, entry.is_array ? MetadataType::kArray : entry.type);
  if (entry.is_array) {
    Append(out, entry.type);
    Append(out, ArraySize(entry.value));
  }
  AppendValue(out, entry);
}

std::string Header(const ModelSource& source, uint64_t alignment) {
  std::string entries;
  uint64_t n_entries = 0;
  for (const MetadataEntry& entry : source.metadata().entries()) {
    if (entry.key.starts_with("split.")) continue;
    AppendEntry(entries, entry);
    ++n_entries;
  }
  std::string out = "GGUF";
  Append(out, kGgufVersion);
  Append(out, uint64_t{source.tensors().size()});
  Append(out, n_entries);
  out += entries;
  uint64_t offset = 0;
  for (const TensorInfo& tensor : source.tensors()) {
    AppendString(out, tensor.name);
    Append(out, static_cast<uint32_t>(tensor.n_dims));
    for (int d = 0; d < tensor.n_dims; ++d) Append(out, tensor.ne[d]);
    Append(out, tensor.type);
    Append(out, offset);
    offset += AlignUp(static_cast<uint64_t>(tensor.n_bytes()), alignment);
  }
  out.resize(AlignUp(out.size(), alignment), '\0');
  return out;
}

/// Writes a tensor's rows a few megabytes at a time, calling report(bytes) for each piece.
template <class Report>
Status WriteTensor(const ModelSource& source, size_t index, AtomicFile& file, Report report) {
  const TensorInfo& tensor = source.tensors()[index];
  const int64_t row_bytes = tensor.row_bytes();
  const int64_t chunk_rows = std::clamp<int64_t>(kChunkBytes / row_bytes, 1, tensor.n_rows());
  std::vector<uint8_t> scratch(static_cast<size_t>(chunk_rows * row_bytes));
  for (int64_t row = 0; row < tensor.n_rows(); row += chunk_rows) {
    if (Interrupted()) return Error{ErrorCode::kInterrupted, "stopped: nothing was written", {}};
    const int64_t n_rows = std::min(chunk_rows, tensor.n_rows() - row);
    const uint8_t* bytes = source.Rows(index, row, n_rows, scratch.data());
    WEIR_RETURN_IF_ERROR(source.status());
    WEIR_RETURN_IF_ERROR(file.Write(bytes, static_cast<size_t>(n_rows * row_bytes)));
    report(n_rows * row_bytes);
  }
  return {};
}

}  // namespace

Status WriteGguf(const ModelSource& source, const std::string& path,
                 void (*progress)(void* context, int64_t bytes_done, int64_t bytes_total),
                 void* context) {
  const auto alignment = Alignment(source.metadata());
  if (!alignment.ok()) return In(source.name(), alignment.error());
  WEIR_TRY(AtomicFile file, AtomicFile::Create(path));
  const std::string header = Header(source, static_cast<uint64_t>(*alignment));
  WEIR_RETURN_IF_ERROR(file.Write(header.data(), header.size()));

  const std::string padding(static_cast<size_t>(*alignment), '\0');
  int64_t total = 0, done = 0;
  for (const TensorInfo& tensor : source.tensors()) total += tensor.n_bytes();
  for (size_t i = 0; i < source.tensors().size(); ++i) {
    WEIR_RETURN_IF_ERROR(WriteTensor(source, i, file, [&](int64_t n_bytes) {
      done += n_bytes;
      if (progress) progress(context, done, total);
    }));
    const auto n_bytes = static_cast<uint64_t>(source.tensors()[i].n_bytes());
    WEIR_RETURN_IF_ERROR(file.Write(padding.data(), AlignUp(n_bytes, padding.size()) - n_bytes));
  }
  return file.Commit();
}

}  // namespace weir
