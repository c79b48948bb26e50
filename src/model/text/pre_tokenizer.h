// How a text is cut into the pieces inside which byte pairs are merged (`tokenizer.ggml.pre`).
//
// The pieces are defined by regular expressions (spec 9.1 and 9.6); two hand-written scanners with
// a few parameters do what they say, in time linear in the text. Bytes that are not UTF-8 count as
// characters of CharClass::kOther, one each.
#pragma once

#include <cstddef>
#include <string_view>

#include "util/error.h"

namespace weir {

struct PreTokenizer {
  enum class Scanner {
    kGpt2,   // 's|... | ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
    kLines,  // case is folded, any one character may begin a word, white space ends with a line
  };

  std::string_view name;
  Scanner scanner;
  bool marks_in_words = false;   // kLines: marks continue words, else they are like punctuation
  int numbers_per_piece = 1;     // kLines
  bool isolate_numbers = false;  // kGpt2: each number is alone, and the text around it ends there
  bool ignore_merges = false;    // a piece that is a token is that token, whatever the merges say
  bool add_bos = false;          // when `tokenizer.ggml.add_bos_token` is absent

  /// The pre-tokeniser that a file calls `name`; an Error that lists the known ones.
  static Result<PreTokenizer> FromName(std::string_view name);

  /// The end of the piece that starts at `begin`, which is below text.size(). The bytes from
  /// text.data() to `begin` have no influence.
  size_t PieceEnd(std::string_view text, size_t begin) const;
};

}  // namespace weir
