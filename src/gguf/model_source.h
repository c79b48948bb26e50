// What a model is before it is loaded: metadata, a tensor table, and a way to read rows. A GGUF file is
// one; a synthetic model, whose rows are generated on demand, is another.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gguf/tensor_type.h"
#include "util/error.h"

namespace weir {

/// One metadata value. Integers keep their sign, not their width: writers are loose about it.
/// Arrays are typed; the empty array is whatever vector its element type maps to.
using MetadataValue =
    std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<bool>,
                 std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>,
                 std::vector<std::string>>;

/// On-disk value types (spec 1), kept so that a file is printed and rewritten as it was.
enum class MetadataType : uint32_t {
  kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8,
  kArray = 9, kU64 = 10, kI64 = 11, kF64 = 12,
};

struct MetadataEntry {
  std::string key;
  MetadataType type;          // of the value, or of the elements when is_array
  bool is_array = false;
  MetadataValue value;
};

/// Metadata in file order, with typed look-ups whose errors name key, expected and found.
class Metadata {
 public:
  const std::vector<MetadataEntry>& entries() const { return entries_; }
  const MetadataEntry* Find(std::string_view key) const;
  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  /// The integer at `key` in [min, max] (any integer type).
  Result<int64_t> Int(std::string_view key, int64_t min, int64_t max) const;
  Result<int64_t> IntOr(std::string_view key, int64_t fallback, int64_t min, int64_t max) const;
  Result<double> Float(std::string_view key) const;
  Result<double> FloatOr(std::string_view key, double fallback) const;
  Result<bool> BoolOr(std::string_view key, bool fallback) const;
  Result<std::string> String(std::string_view key) const;
  /// Array of integers (or of bools, as 0 and 1); a scalar becomes an array of one.
  Result<std::vector<int64_t>> Ints(std::string_view key) const;
  Result<std::vector<double>> Floats(std::string_view key) const;
  /// Points into the metadata.
  Result<const std::vector<std::string>*> Strings(std::string_view key) const;

  /// Appends (a duplicate key is a bug in the caller; the reader checks before).
  void Add(MetadataEntry entry);
  void AddString(std::string key, std::string value);
  void AddU32(std::string key, uint32_t value);
  void AddF32(std::string key, float value);
  void AddBool(std::string key, bool value);
  void AddI32s(std::string key, const std::vector<int64_t>& values);
  void AddStrings(std::string key, std::vector<std::string> values);

 private:
  std::vector<MetadataEntry> entries_;
};

struct TensorInfo {
  std::string name;
  TensorType type;
  int n_dims;
  std::array<int64_t, 4> ne{1, 1, 1, 1};  // ne[0] is the contiguous (input) dimension

  int64_t n_rows() const { return ne[1] * ne[2] * ne[3]; }
  int64_t n_elements() const { return ne[0] * n_rows(); }
  int64_t row_bytes() const { return RowBytes(type, ne[0]); }
  int64_t n_bytes() const { return row_bytes() * n_rows(); }
};

class ModelSource {
 public:
  virtual ~ModelSource() = default;

  /// What the user called it: a path or "synth:qwen3.5-0.8b:Q8_0".
  virtual const std::string& name() const = 0;
  virtual bool synthetic() const = 0;
  virtual const Metadata& metadata() const = 0;
  virtual const std::vector<TensorInfo>& tensors() const = 0;

  /// Rows [row, row + n_rows) of tensor `index` in the file's format, contiguous: either a pointer
  /// into the mapped file, or `scratch` (n_rows * row_bytes bytes) after filling it. Thread-safe.
  virtual const uint8_t* Rows(size_t index, int64_t row, int64_t n_rows, uint8_t* scratch) const = 0;
  /// What went wrong while Rows made rows, if it makes any.
  virtual Status status() const { return {}; }
  /// Those rows are not needed soon: their memory may go. They can still be asked for. Thread-safe.
  virtual void Release(size_t, int64_t, int64_t) const {}
};

}  // namespace weir
