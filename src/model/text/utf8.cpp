#include "model/text/utf8.h"

#include <algorithm>
#include <cstring>

namespace weir {

int64_t CountCharacters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !IsUtf8Continuation(c); });
}

size_t ByteOfCharacter(std::string_view text, int64_t index) {
  size_t at = 0;
  for (int64_t seen = 0; at < text.size(); ++at) {
    if (!IsUtf8Continuation(text[at]) && ++seen > index) break;
  }
  return at;
}

void AppendUtf8(uint32_t code_point, std::string* out) {
  const auto append = [&](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  const auto append_tail = [&](int shift) { append(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) {
    append(code_point);
  } else if (code_point < 0x800) {
    append(0xC0 | code_point >> 6);
    append_tail(0);
  } else if (code_point < 0x10000) {
    append(0xE0 | code_point >> 12);
    append_tail(6);
    append_tail(0);
  } else {
    append(0xF0 | code_point >> 18);
    append_tail(12);
    append_tail(6);
    append_tail(0);
  }
}

std::optional<size_t> FirstInvalidUtf8(std::string_view text) {
  for (size_t done = 0; done < text.size();) {
    uint64_t eight = 0;
    if (text.size() - done >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + done, sizeof(eight));
      if ((eight & 0x8080808080808080u) == 0) {
        done += sizeof(eight);
        continue;
      }
    }
    const Utf8Step step = DecodeUtf8(text.substr(done));
    if (step.code_point == kInvalidCodePoint) return done;
    done += step.length;
  }
  return std::nullopt;
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
