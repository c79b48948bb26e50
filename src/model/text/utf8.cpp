#include "model/text/utf8.h"

namespace weir {

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
