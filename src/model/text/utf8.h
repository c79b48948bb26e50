// UTF-8: decode, validate, repair. Invalid are: stray continuation bytes, cut sequences, overlong
// forms, surrogates, and anything above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// Stands for bytes that are no character. The number after the last code point, fit for tables.
inline constexpr uint32_t kInvalidCodePoint = 0x110000;

struct Utf8Step {
  uint32_t code_point;  // or kInvalidCodePoint
  uint32_t length;   // bytes; of invalid ones, the longest prefix of a sequence that is there, or 1
  bool cut = false;  // invalid only because the text ends here: more bytes could complete it
};

/// The first code point of `text`, which is not empty.
inline Utf8Step DecodeUtf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return {kInvalidCodePoint, 1};

  // Overlong forms, surrogates and too large values all show in the range of the second byte.
  const uint32_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  uint32_t code_point = lead & (0x7F >> length);
  for (uint32_t i = 1; i < length; ++i) {
    if (i == text.size()) return {kInvalidCodePoint, i, true};
    if (byte(i) < low || byte(i) > high) return {kInvalidCodePoint, i};
    code_point = code_point << 6 | (byte(i) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, length};
}

/// Whether a byte of valid UTF-8 is none that a character begins with.
inline bool IsUtf8Continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

/// Of valid UTF-8: how many characters (code points) there are, and the byte where character `index` begins, which
/// is the end of the text if it has no more than `index`.
int64_t CountCharacters(std::string_view text);
size_t ByteOfCharacter(std::string_view text, int64_t index);

/// Appends the UTF-8 of a code point below kInvalidCodePoint.
void AppendUtf8(uint32_t code_point, std::string* out);

/// Where the first invalid part begins; nothing if there is none.
std::optional<size_t> FirstInvalidUtf8(std::string_view text);
inline bool IsValidUtf8(std::string_view text) { return !FirstInvalidUtf8(text); }

/// Appends `text` to `out`, with U+FFFD for each invalid part (as DecodeUtf8 measures them, which
/// is the practice that Unicode recommends). Unless `at_end`, stops before a sequence that is cut
/// by the end of `text`. Returns the number of bytes of `text` that are dealt with.
size_t RepairUtf8(std::string_view text, bool at_end, std::string* out);

}  // namespace weir
