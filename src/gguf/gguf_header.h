// Everything of one GGUF file that is not tensor data, parsed and checked against the file's size.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gguf/model_source.h"

namespace weir {

inline constexpr uint32_t kGgufVersion = 3;
inline constexpr int64_t kDefaultAlignment = 32;
/// Less than 8 would leave float tensors unaligned; more than this is a mistake.
inline constexpr int64_t kMinAlignment = 8, kMaxAlignment = int64_t{1} << 20;

struct GgufHeader {
  Metadata metadata;
  std::vector<TensorInfo> tensors;
  std::vector<uint64_t>
      offsets;  // of each tensor's first byte in the file; its last is inside, too
};

/// Parses the file of `size` bytes at `data`. Errors: "NAME: what at offset N: expected .., found
/// ..".
Result<GgufHeader> ParseGgufHeader(const std::string& name, const uint8_t* data, size_t size);

/// The same with only the first `n_known` bytes of it at hand, as of a file far away: an Error with *wants_more
/// set if nothing is wrong but that the header is longer than that.
Result<GgufHeader> ParseGgufPrefix(const std::string& name, const uint8_t* data, size_t n_known, uint64_t size,
                                   bool* wants_more);

/// general.alignment of a metadata, or the default; an Error unless a power of two in range.
Result<int64_t> Alignment(const Metadata& metadata);

inline uint64_t AlignUp(uint64_t n, uint64_t alignment) {
  return (n + alignment - 1) / alignment * alignment;
}

/// A name from a file, fit for a one-line message: control bytes escaped, cut after 64 bytes.
std::string Printable(std::string_view text);

}  // namespace weir
