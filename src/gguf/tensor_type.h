// The tensor types of GGUF and the size of their blocks (spec: GGUF `ggml_type`).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir {

enum class TensorType : uint32_t {
  kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ4_1 = 3, kQ5_0 = 6, kQ5_1 = 7, kQ8_0 = 8,
  kQ2_K = 10, kQ3_K = 11, kQ4_K = 12, kQ5_K = 13, kQ6_K = 14,
  kIQ2_XXS = 16, kIQ2_XS = 17, kIQ3_XXS = 18, kIQ1_S = 19, kIQ4_NL = 20, kIQ3_S = 21, kIQ2_S = 22,
  kIQ4_XS = 23, kIQ1_M = 29, kBF16 = 30, kMXFP4 = 39,
};

struct TypeTraits {
  TensorType type;
  std::string_view name;  // as in "Q4_K"
  int block_size;         // elements of a row per block
  int block_bytes;
};

/// All types that weir reads, in the order of their ids.
struct TypeTable {
  const TypeTraits* begin_;
  const TypeTraits* end_;
  const TypeTraits* begin() const { return begin_; }
  const TypeTraits* end() const { return end_; }
};
TypeTable AllTypes();

/// Traits of a type of the enum.
const TypeTraits& Traits(TensorType type);
/// The type with that id in a file, if weir reads it.
std::optional<TensorType> TypeFromId(uint32_t id);
/// The type of that name, case-insensitive ("q4_k").
std::optional<TensorType> TypeFromName(std::string_view name);
/// The name of any id that GGUF defines, read by weir or not ("TQ1_0"); "type 77" style is left to callers.
std::optional<std::string_view> NameOfId(uint32_t id);

/// Bytes of a row of n elements; n must be a multiple of the block size.
inline int64_t RowBytes(TensorType type, int64_t n) {
  const TypeTraits& traits = Traits(type);
  return n / traits.block_size * traits.block_bytes;
}

}  // namespace weir
