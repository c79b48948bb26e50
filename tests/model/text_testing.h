// Helpers shared by the tests of src/model/text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/pre_tokenizer.h"

namespace weir {

/// UTF-8 of any number below 0x110000, surrogates too, independent of model/text/utf8.h.
inline std::string Utf8Of(uint32_t c) {
  const auto byte = [](uint32_t value) { return static_cast<char>(value); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 63))};
  if (c < 0x10000) {
    return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  }
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)),
          byte(0x80 | (c & 63))};
}

inline std::vector<std::string> Pieces(const PreTokenizer& pre, std::string_view text) {
  std::vector<std::string> pieces;
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = pre.PieceEnd(text, begin);
    pieces.emplace_back(text.substr(begin, end - begin));
  }
  return pieces;
}

}  // namespace weir
