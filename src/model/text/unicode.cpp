#include "model/text/unicode.h"

#include <algorithm>

namespace weir {

const CharClass* CharClassTable() {
  // A megabyte, but of zero pages: only the parts with letters, marks and numbers become resident.
  static CharClass table[kInvalidCodePoint + 1];
  static const bool filled = [] {
    for (const CharClassRange& range : CharClassRanges()) {
      std::fill(table + range.first, table + range.last + 1, range.char_class);
    }
    return true;
  }();
  static_cast<void>(filled);
  return table;
}

}  // namespace weir
