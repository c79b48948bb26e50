// The classes of characters that pre-tokenisers know: general categories L, M and N, and
// White_Space.
//
// The Unicode version is part of a tokenizer's behaviour, so the tables are generated
// (scripts/generate_unicode_tables.py) and pinned instead of taken from whatever library is
// installed.
#pragma once

#include <cstdint>
#include <span>

#include "model/text/utf8.h"

namespace weir {

/// The version of the Unicode Character Database behind the tables, as in "15.0.0".
extern const char* const kUnicodeVersion;

/// A partition: no letter, mark or number is white space. kOther is the rest, unassigned ones too.
enum class CharClass : uint8_t { kOther, kLetter, kMark, kNumber, kSpace };

struct CharClassRange {
  uint32_t first;
  uint32_t last;
  CharClass char_class;
};

/// All ranges except kOther's, ascending.
std::span<const CharClassRange> CharClassRanges();

/// The class of every code point and, as kOther, of kInvalidCodePoint: [kInvalidCodePoint + 1].
const CharClass* CharClassTable();

}  // namespace weir
