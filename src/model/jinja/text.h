// A string of a template: UTF-8 in which every byte knows who wrote it. All text operations are made of the two
// appends of TextBuilder, so that none of them can lose that.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/typed_text.h"
#include "model/text/utf8.h"

namespace weir::jinja {

class Text {
 public:
  Text() = default;
  Text(std::string bytes, Origin origin) : bytes_(std::move(bytes)), first_(origin) {}

  /// Valid UTF-8.
  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  bool HasData() const { return !empty() && (first_ == Origin::kData || !flips_.empty()); }
  Text AsData() const { return {bytes_, Origin::kData}; }
  /// Of the byte `at`, which exists.
  Origin OriginAt(size_t at) const;
  TypedText ToTypedText() const;

  /// Calls visit(part, origin) for the parts of bytes [begin, end), each of one origin.
  template <class Visit>
  void ForEachPart(size_t begin, size_t end, Visit visit) const;

 private:
  friend class TextBuilder;
  std::string bytes_;
  Origin first_ = Origin::kTemplate;  // of the first byte
  std::vector<uint32_t> flips_;       // offsets at which the origin changes, ascending
};

/// Appends up to a limit, beyond which it only notes that there was more.
class TextBuilder {
 public:
  explicit TextBuilder(int64_t max_bytes) : max_bytes_(static_cast<size_t>(max_bytes)) {}

  void Append(std::string_view bytes, Origin origin);
  void Append(const Text& text) { Append(text, 0, text.size()); }
  /// Bytes [begin, end) of `text`, cut between characters.
  void Append(const Text& text, size_t begin, size_t end);

  size_t size() const { return text_.size(); }
  bool overflowed() const { return overflowed_; }
  Text Take() { return std::move(text_); }

 private:
  Text text_;
  Origin last_ = Origin::kTemplate;
  size_t max_bytes_;
  bool overflowed_ = false;
};

template <class Visit>
void Text::ForEachPart(size_t begin, size_t end, Visit visit) const {
  const std::string_view bytes = bytes_;
  const auto first = std::upper_bound(flips_.begin(), flips_.end(), begin);
  size_t i = static_cast<size_t>(first - flips_.begin());
  bool data = (first_ == Origin::kData) != (i % 2 == 1);
  for (size_t start = begin; start < end; ++i, data = !data) {
    const size_t stop = i < flips_.size() ? flips_[i] : bytes.size();
    const size_t to = std::min(stop, end);
    visit(bytes.substr(start, to - start), data ? Origin::kData : Origin::kTemplate);
    start = to;
  }
}

// ---- Characters, which Python's strings are made of.

/// White space to Python: str.split, str.strip and \s.
bool IsSpace(uint32_t code_point);

struct Character {
  size_t begin, end;  // bytes
  uint32_t code_point;
};

/// The character at byte `at` of valid UTF-8.
Character CharacterAt(std::string_view text, size_t at);
/// The one that ends before byte `end`, which is not 0.
Character CharacterBefore(std::string_view text, size_t end);

/// Where `wanted` is found first in `text`, from byte `from` on, or npos: in linear time, as std::string::find
/// is not.
size_t FindBytes(std::string_view text, std::string_view wanted, size_t from = 0);

/// [begin, end) of `text` without the white space at its start and at its end.
std::pair<size_t, size_t> StripSpace(std::string_view text, bool left, bool right);

void AppendUtf8(uint32_t code_point, std::string* out);

}  // namespace weir::jinja
