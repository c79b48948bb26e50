#include "model/text/pre_tokenizer.h"

#include <cstdint>

#include "model/text/unicode.h"

namespace weir {

namespace {

using Scanner = PreTokenizer::Scanner;

constexpr PreTokenizer kPreTokenizers[] = {
    {.name = "qwen35", .scanner = Scanner::kLines, .marks_in_words = true},
    {.name = "qwen2", .scanner = Scanner::kLines},
    {.name = "llama-bpe",
     .scanner = Scanner::kLines,
     .numbers_per_piece = 3,
     .ignore_merges = true,
     .add_bos = true},
    {.name = "gpt-2", .scanner = Scanner::kGpt2},
    {.name = "smollm", .scanner = Scanner::kGpt2, .isolate_numbers = true},
};

struct Alias {
  std::string_view name;
  std::string_view meaning;
};
constexpr Alias kAliases[] = {
    {"deepseek-r1-qwen", "qwen2"}, {"llama3", "llama-bpe"}, {"llama-v3", "llama-bpe"}};

// Sets of classes as bits. The end of the text is in none.
constexpr uint32_t Bit(CharClass c) { return 1u << static_cast<int>(c); }
constexpr uint32_t kOther = Bit(CharClass::kOther);
constexpr uint32_t kLetter = Bit(CharClass::kLetter);
constexpr uint32_t kMark = Bit(CharClass::kMark);
constexpr uint32_t kNumber = Bit(CharClass::kNumber);
constexpr uint32_t kSpace = Bit(CharClass::kSpace);

struct Char {
  uint32_t class_bit;
  uint32_t length;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Char At(size_t pos) const {
    if (pos >= text_.size()) return {0, 0};
    const uint8_t byte = static_cast<uint8_t>(text_[pos]);
    if (byte < 0x80) return {Bit(classes_[byte]), 1};
    const Utf8Step step = DecodeUtf8(text_.substr(pos));
    if (step.code_point == kInvalidCodePoint) return {kOther, 1};
    return {Bit(classes_[step.code_point]), step.length};
  }

  bool IsByte(size_t pos, char byte) const { return pos < text_.size() && text_[pos] == byte; }
  bool IsLineEnd(size_t pos) const { return IsByte(pos, '\n') || IsByte(pos, '\r'); }

  size_t SkipRun(size_t pos, uint32_t classes) const {
    for (Char c = At(pos); c.class_bit & classes; c = At(pos)) pos += c.length;
    return pos;
  }

  /// Bytes of the English contraction at `pos`, 0 if there is none.
  size_t Contraction(size_t pos, bool fold_case) const {
    if (!IsByte(pos, '\'')) return 0;
    const auto letter = [&](size_t i) {
      const char c = i < text_.size() ? text_[i] : '\0';
      return fold_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    };
    const char a = letter(pos + 1);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    const char b = letter(pos + 2);
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return 0;
  }

  /// The end of the white space piece at `pos`, where there is white space: up to the last line end
  /// if `stop_at_lines` and there is one; all but the last character if something follows that is
  /// not in `not_following`; else all.
  size_t WhiteSpaceEnd(size_t pos, bool stop_at_lines, uint32_t not_following) const {
    const size_t begin = pos;
    size_t last = pos;
    size_t line_end = 0;
    Char c = At(pos);
    for (; c.class_bit & kSpace; c = At(pos)) {
      last = pos;
      pos += c.length;
      if (stop_at_lines && IsLineEnd(last)) line_end = pos;
    }
    if (line_end > 0) return line_end;
    const bool something_follows = c.class_bit & ~not_following;
    return something_follows && last > begin ? last : pos;
  }

 private:
  std::string_view text_;
  const CharClass* classes_ = CharClassTable();
};

size_t LinesPieceEnd(const PreTokenizer& pre, const Reader& reader, size_t begin) {
  const uint32_t word = pre.marks_in_words ? kLetter | kMark : kLetter;
  const uint32_t punctuation = pre.marks_in_words ? kOther : kOther | kMark;

  if (const size_t length = reader.Contraction(begin, /*fold_case=*/true)) return begin + length;
  const Char first = reader.At(begin);
  if (first.class_bit & word) return reader.SkipRun(begin, word);
  if (first.class_bit & kNumber) {
    size_t end = begin + first.length;
    for (int n = 1; n < pre.numbers_per_piece; ++n) {
      const Char c = reader.At(end);
      if (!(c.class_bit & kNumber)) break;
      end += c.length;
    }
    return end;
  }
  if (!reader.IsLineEnd(begin)) {
    const size_t next = begin + first.length;
    if (const size_t end = reader.SkipRun(next, word); end > next) return end;
  }
  const size_t body = begin + reader.IsByte(begin, ' ');
  if (size_t end = reader.SkipRun(body, punctuation); end > body) {
    while (reader.IsLineEnd(end)) ++end;
    return end;
  }
  return reader.WhiteSpaceEnd(begin, /*stop_at_lines=*/true, /*not_following=*/0);
}

size_t Gpt2PieceEnd(const PreTokenizer& pre, const Reader& reader, size_t begin) {
  const uint32_t text_end = pre.isolate_numbers ? kNumber : 0;

  if (const size_t length = reader.Contraction(begin, /*fold_case=*/false)) return begin + length;
  const Char first = reader.At(begin);
  if (first.class_bit & text_end) return begin + first.length;
  const size_t body = begin + reader.IsByte(begin, ' ');
  const uint32_t body_class = reader.At(body).class_bit & ~text_end;
  for (const uint32_t run : {kLetter, kNumber, kOther | kMark}) {
    if (body_class & run) return reader.SkipRun(body, run);
  }
  return reader.WhiteSpaceEnd(begin, /*stop_at_lines=*/false, text_end);
}

}  // namespace

Result<PreTokenizer> PreTokenizer::FromName(std::string_view name) {
  std::string known;
  std::string_view meaning = name;
  for (const Alias& alias : kAliases) {
    if (alias.name == name) meaning = alias.meaning;
  }
  for (const PreTokenizer& pre : kPreTokenizers) {
    if (pre.name == meaning) return pre;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", pre.name);
  }
  return BadInput("tokenizer.ggml.pre: expected one of {}, found {:?}", known, name);
}

size_t PreTokenizer::PieceEnd(std::string_view text, size_t begin) const {
  const Reader reader(text);
  return scanner == Scanner::kLines ? LinesPieceEnd(*this, reader, begin)
                                    : Gpt2PieceEnd(*this, reader, begin);
}

}  // namespace weir
