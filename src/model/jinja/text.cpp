#include "model/jinja/text.h"

#include <algorithm>
#include <cstring>

#include "model/text/unicode.h"

namespace weir::jinja {

TypedText Text::ToTypedText() const {
  TypedText typed;
  ForEachPart(0, size(), [&](std::string_view part, Origin origin) {
    typed.push_back({std::string(part), origin});
  });
  return typed;
}

Origin Text::OriginAt(size_t at) const {
  Origin found = first_;
  ForEachPart(at, at + 1, [&](std::string_view, Origin origin) { found = origin; });
  return found;
}

void TextBuilder::Append(std::string_view bytes, Origin origin) {
  if (bytes.empty()) return;
  if (overflowed_ || bytes.size() > max_bytes_ - text_.bytes_.size()) {
    overflowed_ = true;
    return;
  }
  if (text_.bytes_.empty()) {
    text_.first_ = origin;
  } else if (origin != last_) {
    text_.flips_.push_back(static_cast<uint32_t>(text_.bytes_.size()));
  }
  last_ = origin;
  text_.bytes_ += bytes;
}

void TextBuilder::Append(const Text& text, size_t begin, size_t end) {
  text.ForEachPart(begin, end,
                   [this](std::string_view part, Origin origin) { Append(part, origin); });
}

bool IsSpace(uint32_t code_point) {
  if (code_point < 0x80) {
    return code_point == ' ' || (code_point >= 9 && code_point <= 13) ||
           (code_point >= 0x1C && code_point <= 0x1F);
  }
  return CharClassTable()[code_point] == CharClass::kSpace;
}

Character CharacterAt(std::string_view text, size_t at) {
  const Utf8Step step = DecodeUtf8(text.substr(at));
  return {at, at + step.length, step.code_point};
}

Character CharacterBefore(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && IsUtf8Continuation(text[begin])) --begin;
  return CharacterAt(text, begin);
}

size_t FindBytes(std::string_view text, std::string_view wanted, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (wanted.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  if (!found) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

std::pair<size_t, size_t> StripSpace(std::string_view text, bool left, bool right) {
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    const Character first = CharacterAt(text, begin);
    if (!IsSpace(first.code_point)) break;
    begin = first.end;
  }
  while (right && end > begin) {
    const Character last = CharacterBefore(text, end);
    if (!IsSpace(last.code_point)) break;
    end = last.begin;
  }
  return {begin, end};
}

void AppendUtf8(uint32_t code_point, std::string* out) {
  // Half of a surrogate pair is a character to Python, but none that could be encoded.
  weir::AppendUtf8(code_point >= 0xD800 && code_point < 0xE000 ? 0xFFFD : code_point, out);
}

}  // namespace weir::jinja
