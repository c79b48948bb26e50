#include "model/text/utf8.h"

namespace weir {

Utf8Step DecodeUtf8(std::string_view text) {
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

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = DecodeUtf8(text);
    if (step.code_point == kInvalidCodePoint) return false;
    text.remove_prefix(step.length);
  }
  return true;
}

size_t RepairUtf8(std::string_view text, bool at_end, std::string* out) {
  size_t done = 0;
  while (done < text.size()) {
    const Utf8Step step = DecodeUtf8(text.substr(done));
    if (step.cut && !at_end) break;
    if (step.code_point == kInvalidCodePoint) {
      out->append("\uFFFD");
    } else {
      out->append(text, done, step.length);
    }
    done += step.length;
  }
  return done;
}

}  // namespace weir
