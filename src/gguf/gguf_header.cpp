#include "gguf/gguf_header.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <unordered_set>

namespace weir {
namespace {

constexpr uint64_t kMaxTensorNameBytes = 63;
constexpr int kMaxDims = 4;
constexpr uint64_t kMinEntryBytes = 8 + 4 + 1;  // key length, type, one byte
constexpr uint64_t kMinTensorInfoBytes =
    8 + 4 + 8 + 4 + 8;  // name length, n_dims, ne, type, offset
/// Bound on decoded metadata. A sparse file may claim terabytes; the largest real ones need 30 MB.
constexpr uint64_t kMaxMetadataBytes = uint64_t{1} << 30;
constexpr const char* kCutShort = "the file is cut short or damaged; copy or download it again";

/// Reads forward through a file that is not trusted. The first error stays, later reads give zeros,
/// so callers check ok() where they would loop or branch, not at each field.
class Cursor {
 public:
  /// The first `n_known` bytes at `data` are those of a file of `size` bytes.
  Cursor(const std::string& file, const uint8_t* data, size_t n_known, uint64_t size)
      : file_(file), data_(data), n_known_(n_known), size_(size) {}

  bool ok() const { return status_.ok(); }
  /// Whether what stopped it is only the end of the known bytes.
  bool wants_more() const { return wants_more_; }
  Status TakeStatus() { return std::move(status_); }
  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return size_ - offset_; }
  uint64_t size() const { return size_; }

  /// What the next errors are about, for example "tensor 12 (blk.0.attn_q.weight)".
  void SetSubject(std::string subject) { subject_ = std::move(subject); }

  void Fail(uint64_t offset, std::string_view what, std::string_view expected,
            std::string_view found, std::string hint = {}) {
    if (!ok()) return;
    status_ = WithHint(BadInput("{}: {}{}{} at offset {}: expected {}, found {}", file_, subject_,
                                subject_.empty() ? "" : ": ", what, offset, expected, found),
                       std::move(hint));
  }

  template <class T>
  T Read(std::string_view what) {
    T value{};
    if (const uint8_t* bytes = Take(1, sizeof(T), what)) std::memcpy(&value, bytes, sizeof(T));
    return value;
  }

  /// n items of item_bytes each; nullptr after an error.
  const uint8_t* Take(uint64_t n, uint64_t item_bytes, std::string_view what) {
    if (!ok()) return nullptr;
    if (n > remaining() / item_bytes) {
      Fail(offset_, what, fmt::format("{} x {} bytes", n, item_bytes),
           fmt::format("{} bytes to the end of the file", remaining()), kCutShort);
      return nullptr;
    }
    if (n * item_bytes > n_known_ - offset_) {
      Fail(offset_, what, "bytes that are known", "the end of them");
      wants_more_ = true;
      return nullptr;
    }
    const uint8_t* bytes = data_ + offset_;
    offset_ += n * item_bytes;
    return bytes;
  }

  std::string_view String(std::string_view what) {
    const uint64_t start = offset_;
    const auto length = Read<uint64_t>(what);
    if (!ok()) return {};
    if (length > remaining()) {
      Fail(start, what,
           fmt::format("a length of at most {} bytes, the rest of the file", remaining()),
           fmt::format("{}", length), kCutShort);
      return {};
    }
    const uint8_t* bytes = Take(length, 1, what);
    if (!bytes) return {};
    return {reinterpret_cast<const char*>(bytes), length};
  }

 private:
  const std::string& file_;
  const uint8_t* data_;
  uint64_t n_known_, size_;
  uint64_t offset_ = 0;
  bool wants_more_ = false;
  std::string subject_;
  Status status_;
};

/// Counts decoded metadata against kMaxMetadataBytes before anything is allocated for it.
class Budget {
 public:
  bool Charge(Cursor& cursor, uint64_t n, uint64_t item_bytes) {
    if (!cursor.ok()) return false;
    if (n > left_ / item_bytes) {
      cursor.Fail(cursor.offset(), "value",
                  fmt::format("{} bytes of metadata in all", kMaxMetadataBytes),
                  fmt::format("{} more items than fit", n - left_ / item_bytes));
      return false;
    }
    left_ -= n * item_bytes;
    return true;
  }

 private:
  uint64_t left_ = kMaxMetadataBytes;
};

/// n numbers stored as Disk and kept as Kept: an array, or the only one of them.
template <class Disk, class Kept>
MetadataValue ReadNumbers(Cursor& cursor, Budget& budget, bool is_array, uint64_t n) {
  const uint8_t* bytes = cursor.Take(n, sizeof(Disk), "value");
  if (!bytes || !budget.Charge(cursor, n, sizeof(Kept))) return Kept{};
  std::vector<Kept> values(n);
  for (uint64_t i = 0; i < n; ++i) {
    Disk value;
    std::memcpy(&value, bytes + i * sizeof(Disk), sizeof(Disk));
    values[i] = static_cast<Kept>(value);
  }
  if (is_array) return values;
  return static_cast<Kept>(values[0]);
}

MetadataValue ReadStrings(Cursor& cursor, Budget& budget, bool is_array, uint64_t n) {
  if (n > cursor.remaining() / sizeof(uint64_t)) {
    cursor.Fail(cursor.offset(), "value", fmt::format("{} strings", n),
                fmt::format("{} bytes to the end of the file", cursor.remaining()), kCutShort);
  }
  std::vector<std::string> values;
  if (!budget.Charge(cursor, n, sizeof(std::string))) return values;
  values.reserve(n);
  for (uint64_t i = 0; i < n && cursor.ok(); ++i) {
    const std::string_view text = cursor.String("string");
    if (budget.Charge(cursor, text.size(), 1)) values.emplace_back(text);
  }
  if (is_array || !cursor.ok()) return values;
  return std::move(values[0]);
}

MetadataValue ReadValue(Cursor& cursor, Budget& budget, MetadataType type, bool is_array,
                        uint64_t n) {
  switch (type) {
    case MetadataType::kU8:
      return ReadNumbers<uint8_t, uint64_t>(cursor, budget, is_array, n);
    case MetadataType::kI8:
      return ReadNumbers<int8_t, int64_t>(cursor, budget, is_array, n);
    case MetadataType::kU16:
      return ReadNumbers<uint16_t, uint64_t>(cursor, budget, is_array, n);
    case MetadataType::kI16:
      return ReadNumbers<int16_t, int64_t>(cursor, budget, is_array, n);
    case MetadataType::kU32:
      return ReadNumbers<uint32_t, uint64_t>(cursor, budget, is_array, n);
    case MetadataType::kI32:
      return ReadNumbers<int32_t, int64_t>(cursor, budget, is_array, n);
    case MetadataType::kU64:
      return ReadNumbers<uint64_t, uint64_t>(cursor, budget, is_array, n);
    case MetadataType::kI64:
      return ReadNumbers<int64_t, int64_t>(cursor, budget, is_array, n);
    case MetadataType::kF32:
      return ReadNumbers<float, double>(cursor, budget, is_array, n);
    case MetadataType::kF64:
      return ReadNumbers<double, double>(cursor, budget, is_array, n);
    case MetadataType::kBool:
      return ReadNumbers<uint8_t, bool>(cursor, budget, is_array, n);
    case MetadataType::kString:
      return ReadStrings(cursor, budget, is_array, n);
    case MetadataType::kArray:
      break;
  }
  return false;
}

/// A value type as stored; kArray is left to the caller.
MetadataType ReadType(Cursor& cursor, std::string_view what) {
  const uint64_t start = cursor.offset();
  const auto type = cursor.Read<uint32_t>(what);
  if (type > static_cast<uint32_t>(MetadataType::kF64)) {
    cursor.Fail(start, what, "a metadata type from 0 to 12", fmt::format("{}", type));
  }
  return static_cast<MetadataType>(type);
}

MetadataEntry ReadEntry(Cursor& cursor, Budget& budget, uint64_t index) {
  cursor.SetSubject(fmt::format("metadata entry {}", index));
  const std::string_view key = cursor.String("key");
  MetadataEntry entry;
  if (!budget.Charge(cursor, sizeof(MetadataEntry) + key.size(), 1)) return entry;
  entry.key = key;
  cursor.SetSubject(fmt::format("metadata entry {} ({})", index, Printable(key)));
  entry.type = ReadType(cursor, "value type");
  uint64_t n = 1;
  if (entry.type == MetadataType::kArray) {
    entry.is_array = true;
    const uint64_t start = cursor.offset();
    entry.type = ReadType(cursor, "element type");
    if (entry.type == MetadataType::kArray) {
      cursor.Fail(start, "element type", "numbers, bools or strings", "a nested array");
    }
    n = cursor.Read<uint64_t>("array length");
  }
  if (cursor.ok()) entry.value = ReadValue(cursor, budget, entry.type, entry.is_array, n);
  return entry;
}

Metadata ReadMetadata(Cursor& cursor, uint64_t n) {
  Metadata metadata;
  Budget budget;
  std::unordered_set<std::string> keys;
  for (uint64_t i = 0; i < n && cursor.ok(); ++i) {
    const uint64_t start = cursor.offset();
    MetadataEntry entry = ReadEntry(cursor, budget, i);
    if (cursor.ok() && !keys.insert(entry.key).second) {
      cursor.Fail(start, "key", "a key not seen before", "a duplicate");
    }
    metadata.Add(std::move(entry));
  }
  return metadata;
}

TensorType ReadTensorType(Cursor& cursor) {
  const uint64_t start = cursor.offset();
  const auto id = cursor.Read<uint32_t>("type");
  if (const auto type = TypeFromId(id)) return *type;
  const auto name = NameOfId(id);
  cursor.Fail(start, "type", "a tensor type that weir reads",
              name ? fmt::format("{} (type {})", *name, id) : fmt::format("unknown type {}", id));
  return TensorType::kF32;
}

/// Whether the tensor's blocks are whole and its size in elements and bytes is an int64.
void CheckShape(Cursor& cursor, uint64_t start, const TensorInfo& tensor) {
  const TypeTraits& traits = Traits(tensor.type);
  if (tensor.ne[0] % traits.block_size != 0) {
    cursor.Fail(start, "first dimension",
                fmt::format("a multiple of {}, the block of {}", traits.block_size, traits.name),
                fmt::format("{}", tensor.ne[0]));
    return;
  }
  int64_t n_elements = 1, n_bytes = traits.block_bytes;
  bool overflow = __builtin_mul_overflow(n_bytes, tensor.ne[0] / traits.block_size, &n_bytes);
  for (int d = 0; d < kMaxDims; ++d) {
    overflow |= __builtin_mul_overflow(n_elements, tensor.ne[d], &n_elements);
    if (d > 0) overflow |= __builtin_mul_overflow(n_bytes, tensor.ne[d], &n_bytes);
  }
  if (overflow) {
    cursor.Fail(
        start, "dimensions", "fewer than 2^63 elements and bytes",
        fmt::format("{} x {} x {} x {}", tensor.ne[0], tensor.ne[1], tensor.ne[2], tensor.ne[3]));
  }
}

/// One tensor info; `offset` is relative to the data section, as stored.
TensorInfo ReadTensorInfo(Cursor& cursor, uint64_t index, uint64_t* offset) {
  TensorInfo tensor{};
  tensor.ne = {1, 1, 1, 1};
  cursor.SetSubject(fmt::format("tensor {}", index));
  const uint64_t name_start = cursor.offset();
  const std::string_view name = cursor.String("name");
  if (name.empty() || name.size() > kMaxTensorNameBytes) {
    cursor.Fail(name_start, "name", fmt::format("1 to {} bytes", kMaxTensorNameBytes),
                fmt::format("{}", name.size()));
    return tensor;
  }
  tensor.name = name;
  cursor.SetSubject(fmt::format("tensor {} ({})", index, Printable(name)));
  const uint64_t shape_start = cursor.offset();
  const auto n_dims = cursor.Read<uint32_t>("number of dimensions");
  if (n_dims < 1 || n_dims > kMaxDims) {
    cursor.Fail(shape_start, "number of dimensions", "1 to 4", fmt::format("{}", n_dims));
    return tensor;
  }
  tensor.n_dims = static_cast<int>(n_dims);
  for (int d = 0; d < tensor.n_dims; ++d) {
    const uint64_t start = cursor.offset();
    tensor.ne[d] = cursor.Read<int64_t>("dimension");
    if (tensor.ne[d] < 1) {
      cursor.Fail(start, "dimension", "1 to 2^63 - 1",
                  fmt::format("{}", static_cast<uint64_t>(tensor.ne[d])));
    }
  }
  tensor.type = ReadTensorType(cursor);
  if (cursor.ok()) CheckShape(cursor, shape_start, tensor);
  *offset = cursor.Read<uint64_t>("data offset");
  return tensor;
}

void ReadTensorInfos(Cursor& cursor, uint64_t n, GgufHeader* header) {
  std::unordered_set<std::string> names;
  for (uint64_t i = 0; i < n && cursor.ok(); ++i) {
    const uint64_t start = cursor.offset();
    uint64_t offset = 0;
    header->tensors.push_back(ReadTensorInfo(cursor, i, &offset));
    header->offsets.push_back(offset);
    if (cursor.ok() && !names.insert(header->tensors.back().name).second) {
      cursor.Fail(start, "name", "a name not seen before", "a duplicate");
    }
  }
}

std::string TensorSubject(const GgufHeader& header, size_t i) {
  return fmt::format("tensor {} ({})", i, Printable(header.tensors[i].name));
}

/// Turns offsets into file offsets; every tensor must start aligned and end inside the file.
void PlaceTensors(Cursor& cursor, uint64_t alignment, GgufHeader* header) {
  const uint64_t data_start = AlignUp(cursor.offset(), alignment);
  uint64_t file_end = 0;
  size_t first_outside = header->tensors.size();
  for (size_t i = 0; i < header->tensors.size(); ++i) {
    cursor.SetSubject(TensorSubject(*header, i));
    uint64_t& offset = header->offsets[i];
    const auto n_bytes = static_cast<uint64_t>(header->tensors[i].n_bytes());
    uint64_t end;
    if (__builtin_add_overflow(offset, data_start, &end) ||
        __builtin_add_overflow(end, n_bytes, &end)) {
      cursor.Fail(data_start, "data offset from the data section", "one inside the file",
                  fmt::format("{}", offset));
    }
    if (offset % alignment != 0) {
      cursor.Fail(data_start, "data offset from the data section",
                  fmt::format("a multiple of the alignment {}", alignment),
                  fmt::format("{}", offset));
    }
    if (!cursor.ok()) return;
    offset += data_start;
    file_end = std::max(file_end, end);
    if (end > cursor.size()) first_outside = std::min(first_outside, i);
  }
  if (file_end > cursor.size()) {
    cursor.SetSubject(TensorSubject(*header, first_outside));
    cursor.Fail(header->offsets[first_outside], "data",
                fmt::format("{} bytes in a file of at least {}",
                            header->tensors[first_outside].n_bytes(), file_end),
                fmt::format("the end of the file at {}: {} bytes are missing", cursor.size(),
                            file_end - cursor.size()),
                kCutShort);
  }
}

void CheckOverlap(Cursor& cursor, const GgufHeader& header) {
  std::vector<size_t> order(header.tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(header.offsets[a], a) < std::pair(header.offsets[b], b);
  });
  for (size_t k = 1; k < order.size(); ++k) {
    const size_t before = order[k - 1], i = order[k];
    const uint64_t end = header.offsets[before] + header.tensors[before].n_bytes();
    if (header.offsets[i] >= end) continue;
    cursor.SetSubject(TensorSubject(header, i));
    cursor.Fail(
        header.offsets[i], "data", "bytes of its own",
        fmt::format("an overlap with {}, which ends at {}", TensorSubject(header, before), end));
    return;
  }
}

void ReadMagicAndVersion(Cursor& cursor) {
  if (cursor.size() == 0) cursor.Fail(0, "header", "a GGUF file", "an empty file");
  const uint8_t* magic = cursor.Take(4, 1, "magic");
  if (magic && std::memcmp(magic, "GGUF", 4) != 0) {
    const std::string_view found(reinterpret_cast<const char*>(magic), 4);
    cursor.Fail(0, "magic", "GGUF", fmt::format("\"{}\": not a GGUF file", Printable(found)));
  }
  const auto version = cursor.Read<uint32_t>("version");
  if (version != 0 && (version & 0xffff) == 0) {
    cursor.Fail(4, "version", "a little-endian file", "a big-endian one",
                "convert the model for little-endian machines");
  } else if (version != 2 && version != 3) {
    cursor.Fail(4, "version", "2 or 3", fmt::format("{}", version),
                version < 2 ? "the format is obsolete; convert the model again" : "");
  }
}

/// A count of records of at least min_bytes each, no more than the file can hold.
uint64_t ReadCount(Cursor& cursor, std::string_view what, uint64_t min_bytes) {
  const uint64_t start = cursor.offset();
  const auto n = cursor.Read<uint64_t>(what);
  if (n > cursor.remaining() / min_bytes) {
    cursor.Fail(start, what,
                fmt::format("at most {}, what the rest of the file can hold",
                            cursor.remaining() / min_bytes),
                fmt::format("{}", n), kCutShort);
  }
  return n;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 64)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (text.size() > 64) out += "...";
  return out;
}

Result<int64_t> Alignment(const Metadata& metadata) {
  WEIR_TRY(const int64_t alignment,
           metadata.IntOr("general.alignment", kDefaultAlignment, kMinAlignment, kMaxAlignment));
  if ((alignment & (alignment - 1)) != 0) {
    return BadInput("metadata key general.alignment: expected a power of two, found {}", alignment);
  }
  return alignment;
}

Result<GgufHeader> ParseGgufPrefix(const std::string& name, const uint8_t* data, size_t n_known, uint64_t size,
                                   bool* wants_more) {
  Cursor cursor(name, data, n_known, size);
  const auto stopped = [&] {
    *wants_more = cursor.wants_more();
    return cursor.TakeStatus().error();
  };
  *wants_more = false;
  ReadMagicAndVersion(cursor);
  const uint64_t n_tensors = ReadCount(cursor, "number of tensors", kMinTensorInfoBytes);
  const uint64_t n_entries = ReadCount(cursor, "number of metadata entries", kMinEntryBytes);
  if (!cursor.ok()) return stopped();
  GgufHeader header;
  header.metadata = ReadMetadata(cursor, n_entries);
  if (cursor.ok()) ReadTensorInfos(cursor, n_tensors, &header);
  if (!cursor.ok()) return stopped();
  auto alignment = Alignment(header.metadata);
  if (!alignment.ok()) return In(name, alignment.error());
  PlaceTensors(cursor, static_cast<uint64_t>(*alignment), &header);
  if (cursor.ok()) CheckOverlap(cursor, header);
  if (!cursor.ok()) return stopped();
  return header;
}

Result<GgufHeader> ParseGgufHeader(const std::string& name, const uint8_t* data, size_t size) {
  bool wants_more = false;  // never: all of the file is known
  return ParseGgufPrefix(name, data, size, size, &wants_more);
}

}  // namespace weir
