// UTF-8: decode, validate, repair. Invalid are: stray continuation bytes, cut sequences, overlong forms,
// surrogates, and anything above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

/// Stands for bytes that are no character; one above the last code point, so that tables can have it.
inline constexpr uint32_t kInvalidCodePoint = 0x110000;

struct Utf8Step {
  uint32_t code_point;  // or kInvalidCodePoint
  uint32_t length;      // bytes; of invalid ones, the longest prefix of a sequence that is there, or 1
  bool cut = false;     // invalid only because the text ends here: more bytes could complete it
};

/// The first code point of `text`, which is not empty.
Utf8Step DecodeUtf8(std::string_view text);

bool IsValidUtf8(std::string_view text);

/// Appends `text` to `out`, with U+FFFD for each invalid part (as DecodeUtf8 measures them, which is the
/// practice that Unicode recommends). Unless `at_end`, stops before a sequence that is cut by the end of
/// `text`. Returns the number of bytes of `text` that are dealt with.
size_t RepairUtf8(std::string_view text, bool at_end, std::string* out);

}  // namespace weir
