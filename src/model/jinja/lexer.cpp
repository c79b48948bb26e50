#include "model/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "model/jinja/text.h"
#include "model/text/unicode.h"

namespace weir::jinja {
namespace {

constexpr auto kNone = std::string_view::npos;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int DigitValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

/// Whether the character can stand in a name, other than as its first if it is a digit.
bool IsNamePart(uint32_t c) {
  if (c < 0x80) {
    return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  }
  return CharClassTable()[c] == CharClass::kLetter || CharClassTable()[c] == CharClass::kMark;
}

class Lexer {
 public:
  explicit Lexer(const Source& source) : source_(source), text_(source.text()) {}

  Result<std::vector<Token>> Run() {
    while (at_ < text_.size()) WEIR_RETURN_IF_ERROR(Root());
    Add(TokenType::kEnd, text_.size());
    return std::move(tokens_);
  }

 private:
  // ---- Outside of tags.

  Status Root();
  Status Raw(size_t body);
  Status Comment();
  Status Tag(bool block);
  std::optional<size_t> RawBegin(size_t open) const;
  void AddData(size_t begin, size_t open, bool variable);
  void Close(char sign, size_t close_end, bool trims_line);

  // ---- Inside of tags.

  bool TagEnds(bool block);
  Status TagToken();
  Status Name();
  Status Number();
  Status RadixInteger(int base);
  Status StringLiteral();
  Status Operator();
  Status Escape(std::string_view raw, size_t& i, std::string& out);

  char Peek(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
  size_t SkipSpace(size_t at) const {
    return at + StripSpace(text_.substr(at), true, false).first;
  }
  size_t Digits(size_t at) const;
  Error Fail(size_t at, std::string_view message) const { return source_.ErrorAt(at, message); }
  Token& Add(TokenType type, size_t at, std::string text = {}) {
    tokens_.push_back({type, at, std::move(text)});
    return tokens_.back();
  }

  const Source& source_;
  std::string_view text_;
  size_t at_ = 0;
  bool line_starts_ = true;  // the last token ended a line
  std::string open_;         // brackets that a tag's end cannot come before, closing ones
  std::vector<Token> tokens_;
};

/// The sign right after an opening {%, {{ or {#, or right before a closing one.
bool IsSign(char c) { return c == '-' || c == '+'; }

Status Lexer::Root() {
  size_t open = at_;
  do {
    open = text_.find('{', open);
    if (open == kNone) {
      Add(TokenType::kData, at_, std::string(text_.substr(at_)));
      at_ = text_.size();
      return {};
    }
    ++open;
  } while (Peek(open) != '%' && Peek(open) != '{' && Peek(open) != '#');
  const size_t begin = at_;
  --open;
  AddData(begin, open, text_[open + 1] == '{');
  if (const std::optional<size_t> raw = RawBegin(open)) {
    at_ = open;
    return Raw(*raw);
  }
  at_ = open + 2 + IsSign(Peek(open + 2));
  line_starts_ = false;
  if (text_[open + 1] == '#') return Comment();
  const bool block = text_[open + 1] == '%';
  Add(block ? TokenType::kBlockBegin : TokenType::kVariableBegin, open);
  return Tag(block);
}

/// The text between two tags, of which the second begins at `open`.
void Lexer::AddData(size_t begin, size_t open, bool variable) {
  std::string_view data = text_.substr(begin, open - begin);
  const char sign = Peek(open + 2);
  if (sign == '-') {
    data = data.substr(0, StripSpace(data, false, true).second);
  } else if (sign != '+' && !variable) {
    const size_t line = data.rfind('\n') + 1;  // npos + 1 is 0
    const auto [first, last] = StripSpace(data.substr(line), true, false);
    if ((line > 0 || line_starts_) && first == last) data = data.substr(0, line);
  }
  if (!data.empty()) Add(TokenType::kData, begin, std::string(data));
}

/// Moves behind a tag's end: over all white space after a '-', over one line end where lines are trimmed.
void Lexer::Close(char sign, size_t close_end, bool trims_line) {
  at_ = close_end;
  if (sign == '-') {
    at_ = SkipSpace(at_);
  } else if (sign != '+' && trims_line && Peek(at_) == '\n') {
    ++at_;
  }
  line_starts_ = text_[at_ - 1] == '\n';
}

/// Where the body of {% raw %} begins, if that is the tag at `open`.
std::optional<size_t> Lexer::RawBegin(size_t open) const {
  if (text_[open + 1] != '%') return std::nullopt;
  size_t at = SkipSpace(open + 2 + IsSign(Peek(open + 2)));
  if (text_.substr(at, 3) != "raw") return std::nullopt;
  at = SkipSpace(at + 3);
  const bool strips = Peek(at) == '-';
  if (text_.substr(at + strips, 2) != "%}") return std::nullopt;
  at += strips + 2;
  return strips ? SkipSpace(at) : at;
}

Status Lexer::Raw(size_t body) {
  const size_t begin_tag = at_;
  for (size_t open = text_.find("{%", body); open != kNone; open = text_.find("{%", open + 2)) {
    size_t at = SkipSpace(open + 2 + IsSign(Peek(open + 2)));
    if (text_.substr(at, 6) != "endraw") continue;
    at = SkipSpace(at + 6);
    const char sign = IsSign(Peek(at)) ? text_[at] : '\0';
    if (text_.substr(at + (sign != 0), 2) != "%}") continue;
    line_starts_ = text_[body - 1] == '\n';
    AddData(body, open, false);
    Close(sign, at + (sign != 0) + 2, true);
    return {};
  }
  return Fail(begin_tag, "{% raw %} without {% endraw %}");
}

Status Lexer::Comment() {
  const size_t end = text_.find("#}", at_);
  if (end == kNone) return Fail(at_ - 2, "a comment without its end #}");
  const char sign = end > at_ && IsSign(text_[end - 1]) ? text_[end - 1] : '\0';
  Close(sign, end + 2, true);
  return {};
}

Status Lexer::Tag(bool block) {
  const size_t begin = at_;
  open_.clear();
  while (true) {
    at_ = SkipSpace(at_);
    if (at_ >= text_.size()) {
      return Fail(begin - 2, block ? "a tag without its end %}" : "a tag without its end }}");
    }
    if (open_.empty() && TagEnds(block)) return {};
    WEIR_RETURN_IF_ERROR(TagToken());
  }
}

bool Lexer::TagEnds(bool block) {
  const char sign = Peek(at_) == '-' || (block && Peek(at_) == '+') ? text_[at_] : '\0';
  if (text_.substr(at_ + (sign != 0), 2) != (block ? "%}" : "}}")) return false;
  Add(block ? TokenType::kBlockEnd : TokenType::kVariableEnd, at_);
  Close(sign, at_ + (sign != 0) + 2, block);
  return true;
}

Status Lexer::TagToken() {
  const char c = text_[at_];
  if (IsDigit(c)) return Number();
  if (c == '\'' || c == '"') return StringLiteral();
  if (IsNamePart(CharacterAt(text_, at_).code_point)) return Name();
  return Operator();
}

Status Lexer::Name() {
  const size_t begin = at_;
  while (at_ < text_.size()) {
    const Character c = CharacterAt(text_, at_);
    if (!IsNamePart(c.code_point)) break;
    at_ = c.end;
  }
  Add(TokenType::kName, begin, std::string(text_.substr(begin, at_ - begin)));
  return {};
}

/// The end of digits from `at` on, with single underscores between them.
size_t Lexer::Digits(size_t at) const {
  while (IsDigit(Peek(at)) || (Peek(at) == '_' && IsDigit(Peek(at - 1)) && IsDigit(Peek(at + 1)))) {
    ++at;
  }
  return at;
}

Status Lexer::Number() {
  const char marker = static_cast<char>(Peek(at_ + 1) | 0x20);
  const int base = text_[at_] != '0' ? 10 : marker == 'x' ? 16 : marker == 'o' ? 8
                                                           : marker == 'b' ? 2 : 10;
  if (base != 10 && DigitValue(Peek(at_ + 2)) < base) return RadixInteger(base);
  const size_t begin = at_;
  at_ = Digits(at_);
  size_t end = at_;
  // After a dot, digits are an index: in x.0.1 there is no float.
  if (begin == 0 || text_[begin - 1] != '.') {
    if (Peek(end) == '.' && IsDigit(Peek(end + 1))) end = Digits(end + 1);
    if ((Peek(end) | 0x20) == 'e') {
      const size_t digits = end + 1 + IsSign(Peek(end + 1));
      if (IsDigit(Peek(digits))) end = Digits(digits);
    }
  }
  std::string digits(text_.substr(begin, end - begin));
  std::erase(digits, '_');
  if (end != at_) {
    at_ = end;
    Add(TokenType::kFloat, begin).real = std::strtod(digits.c_str(), nullptr);
    return {};
  }
  int64_t value = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) {
    return Fail(begin, "an integer of more than 64 bits");
  }
  Add(TokenType::kInteger, begin).integer = value;
  return {};
}

Status Lexer::RadixInteger(int base) {
  const size_t begin = at_;
  int64_t value = 0;
  for (at_ += 2; DigitValue(Peek(at_)) < base || Peek(at_) == '_'; ++at_) {
    if (text_[at_] == '_') continue;
    if (__builtin_mul_overflow(value, base, &value) ||
        __builtin_add_overflow(value, DigitValue(text_[at_]), &value)) {
      return Fail(begin, "an integer of more than 64 bits");
    }
  }
  Add(TokenType::kInteger, begin).integer = value;
  return {};
}

Status Lexer::StringLiteral() {
  const size_t begin = at_;
  const char quote = text_[at_];
  size_t end = at_ + 1;
  while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
  if (end >= text_.size()) return Fail(begin, "a string without its closing quote");
  const std::string_view raw = text_.substr(begin + 1, end - begin - 1);
  std::string value;
  for (size_t i = 0; i < raw.size();) {
    if (raw[i] == '\\') {
      at_ = begin + 1 + i;  // for the error
      WEIR_RETURN_IF_ERROR(Escape(raw, i, value));
    } else {
      value += raw[i++];
    }
  }
  at_ = end + 1;
  Add(TokenType::kString, begin, std::move(value));
  return {};
}

/// Python's escapes; of an unknown one the backslash stays. `i` is at the backslash, then behind the escape.
Status Lexer::Escape(std::string_view raw, size_t& i, std::string& out) {
  const char c = raw[i + 1];
  i += 2;
  static constexpr std::string_view kNames = "\\'\"abfnrtv", kValues = "\\'\"\a\b\f\n\r\t\v";
  if (c == '\n') return {};  // a line continued
  if (const size_t known = kNames.find(c); known != kNone) {
    out += kValues[known];
    return {};
  }
  const auto digits = [&](size_t max, uint32_t base, uint32_t& value) {
    size_t n = 0;
    for (; n < max && i < raw.size() && DigitValue(raw[i]) < static_cast<int>(base); ++n, ++i) {
      value = value * base + static_cast<uint32_t>(DigitValue(raw[i]));
    }
    return n;
  };
  uint32_t value = 0;
  if (c >= '0' && c <= '7') {
    --i;
    digits(3, 8, value);
    AppendUtf8(value, &out);
    return {};
  }
  const size_t width = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (width == 0) {
    if (c == 'N') return Fail(at_, "characters by name (\\N{..}) are not supported");
    out += '\\';
    --i;  // the character stands for itself, however long it is
    return {};
  }
  if (digits(width, 16, value) != width || value > 0x10FFFF) {
    return Fail(at_, fmt::format("\\{} needs {} hexadecimal digits of a character", c, width));
  }
  AppendUtf8(value, &out);
  return {};
}

Status Lexer::Operator() {
  static constexpr std::string_view kOperators[] = {
      "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]",
      "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";"};
  const auto found = std::find_if(std::begin(kOperators), std::end(kOperators), [&](auto op) {
    return text_.substr(at_, op.size()) == op;
  });
  if (found == std::end(kOperators)) {
    const Character c = CharacterAt(text_, at_);
    return Fail(at_, fmt::format("unexpected character '{}'", text_.substr(at_, c.end - c.begin)));
  }
  if (const size_t pair = std::string_view("([{").find(*found); pair != kNone) {
    open_ += ")]}"[pair];
  } else if (std::string_view(")]}").find(*found) != kNone) {
    if (open_.empty()) return Fail(at_, fmt::format("unexpected '{}'", *found));
    if (open_.back() != (*found)[0]) {
      return Fail(at_, fmt::format("unexpected '{}': expected '{}'", *found, open_.back()));
    }
    open_.pop_back();
  }
  Add(TokenType::kOperator, at_, std::string(*found));
  at_ += found->size();
  return {};
}

}  // namespace

Result<std::vector<Token>> Tokenize(const Source& source) { return Lexer(source).Run(); }

}  // namespace weir::jinja
