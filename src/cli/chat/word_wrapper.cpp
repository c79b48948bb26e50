#include "cli/chat/word_wrapper.h"

#include <algorithm>
#include <utility>

#include "model/text/utf8.h"
#include "util/char_width.h"

namespace weir {
namespace {

constexpr int kTabColumns = 8;
// The flag of a region is one character and seven marks; nothing that is read has more than a dozen.
constexpr int kMaxMarks = 16;
constexpr uint32_t kZeroWidthSpace = 0x200B, kWideVariant = 0xFE0F;

bool IsLineEnd(uint32_t c) { return c == '\n' || c == 0x2028 || c == 0x2029; }
bool IsControl(uint32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

/// May not begin a line of East Asian text.
bool IsClosing(uint32_t c) {
  constexpr std::u32string_view kClosing = U"、。，．・：；？！）］｝」』】〉》〕〗ー々ゝゞぁぃぅぇぉっゃゅょァィゥェォッャュョ"
                                           U"!%),.:;?]}’”…‥";
  return kClosing.find(static_cast<char32_t>(c)) != std::u32string_view::npos;
}

/// May not end one.
bool IsOpening(uint32_t c) {
  constexpr std::u32string_view kOpening = U"（［｛「『【〈《〔〖([{‘“";
  return kOpening.find(static_cast<char32_t>(c)) != std::u32string_view::npos;
}

}  // namespace

void WordWrapper::SetWidth(int width) {
  next_width_ = std::max(width, 1);
  if (column_ == 0) width_ = next_width_;
}

std::string WordWrapper::Push(std::string_view text) {
  const std::string joined = std::exchange(partial_character_, {}).append(text);
  for (std::string_view rest = joined; !rest.empty();) {
    const Utf8Step step = DecodeUtf8(rest);
    if (step.cut) {
      partial_character_ = rest;
      break;
    }
    const bool valid = step.code_point != kInvalidCodePoint;
    Put(valid ? step.code_point : 0xFFFD, valid ? rest.substr(0, step.length) : "\uFFFD");
    rest.remove_prefix(step.length);
  }
  return std::exchange(out_, {});
}

std::string WordWrapper::Flush() {
  if (!std::exchange(partial_character_, {}).empty()) Put(0xFFFD, "\uFFFD");
  EndWord();
  return std::exchange(out_, {});
}

void WordWrapper::Put(uint32_t c, std::string_view bytes) {
  if (IsLineEnd(c)) {
    EndWord();
    EndLine();
  } else if (c == ' ' || c == '\t' || c == kZeroWidthSpace) {
    EndWord();
    const int at = column_ + spaces_;
    const int n = c == ' ' ? 1 : c == '\t' ? kTabColumns - at % kTabColumns : 0;
    spaces_ = std::min(spaces_ + n, width_);  // more of them cannot be seen
  } else if (!IsControl(c)) {
    const int width = CharWidth(c);
    if (width == 0) {
      PutMark(c, bytes);
    } else {
      PutVisible(c, bytes, width);
    }
  }
}

void WordWrapper::PutMark(uint32_t c, std::string_view bytes) {
  if (++n_marks_ > kMaxMarks) return;
  word_ += bytes;
  // Some terminals show a character with this mark as a wide picture.
  if (c != kWideVariant || last_width_ != 1) return;
  last_width_ = 2;
  if (++word_columns_ <= width_ || last_begin_ == 0) return;
  std::string picture = word_.substr(last_begin_);  // it was the last that fitted
  word_.resize(last_begin_);
  word_columns_ -= 2;
  EndWord();
  word_ = std::move(picture);
  word_columns_ = last_width_ = 2;
}

void WordWrapper::PutVisible(uint32_t c, std::string_view bytes, int width) {
  const bool beside_wide = width == 2 || CharWidth(last_visible_) == 2;
  const bool may_break = beside_wide && !IsClosing(c) && !IsOpening(last_visible_);
  if (!word_.empty() && (may_break || word_columns_ + width > width_)) EndWord();
  last_begin_ = word_.size();
  word_ += bytes;
  word_columns_ += width;
  last_visible_ = c;
  last_width_ = width;
  n_marks_ = 0;
}

void WordWrapper::EndWord() {
  if (word_.empty()) return;
  if (column_ > 0 && column_ + spaces_ + word_columns_ > width_) {
    EndLine();
  } else if (column_ == 0) {
    spaces_ = std::clamp(spaces_, 0, std::max(width_ - word_columns_, 0));
  }
  out_.append(static_cast<size_t>(spaces_), ' ');
  out_ += word_;
  column_ += spaces_ + word_columns_;
  spaces_ = 0;
  word_.clear();
  word_columns_ = last_width_ = 0;
  last_begin_ = 0;
  last_visible_ = 0;
}

void WordWrapper::EndLine() {
  out_ += '\n';
  column_ = spaces_ = 0;
  width_ = next_width_;
}

std::string WordWrapped(std::string_view text, int width) {
  WordWrapper wrapper(width);
  std::string out = wrapper.Push(text);
  out += wrapper.Flush();
  return out;
}

}  // namespace weir
