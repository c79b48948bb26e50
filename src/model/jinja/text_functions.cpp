#include "model/jinja/text_functions.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "model/jinja/case_tables.h"
#include "model/text/unicode.h"

namespace weir::jinja {
namespace {

bool IsLetter(uint32_t c) { return CharClassTable()[c] == CharClass::kLetter; }

std::string Mapped(uint32_t c, bool upper, bool title) {
  std::string out;
  // The one common letter whose capital is two.
  if (upper && c == 0xDF) return title ? "Ss" : "SS";
  AppendUtf8(upper ? ToUpper(c) : ToLower(c), &out);
  return out;
}

std::string WithoutUnderscores(std::string_view text) {
  const auto [begin, end] = StripSpace(text, true, true);
  std::string digits(text.substr(begin, end - begin));
  for (size_t i = 1; i + 1 < digits.size(); ++i) {
    const bool between = std::isalnum(static_cast<unsigned char>(digits[i - 1])) &&
                         std::isalnum(static_cast<unsigned char>(digits[i + 1]));
    if (digits[i] == '_' && between) digits.erase(i, 1);
  }
  return digits;
}

}  // namespace

uint32_t ToUpper(uint32_t code_point) { return MapCase(code_point, true); }
uint32_t ToLower(uint32_t code_point) { return MapCase(code_point, false); }

Result<bool> IsAllCase(Runtime& runtime, const Text& text, bool upper) {
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.size()));
  bool any = false;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text.bytes(), at);
    at = c.end;
    const bool is_lower = ToUpper(c.code_point) != c.code_point;
    const bool is_upper = ToLower(c.code_point) != c.code_point;
    if (upper ? is_lower : is_upper) return false;
    any |= is_lower || is_upper;
  }
  return any;
}

Value Part(Runtime& runtime, const Text& text, size_t begin, size_t end) {
  TextBuilder out = runtime.NewBuilder();
  out.Append(text, begin, end);
  return runtime.String(out.Take());
}

Result<Value> ChangeCase(Runtime& runtime, const Text& text, Case to) {
  TextBuilder out = runtime.NewBuilder();
  WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(text.size() / 8)));
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text.bytes(), at);
    const bool swapped_up = ToUpper(c.code_point) != c.code_point;
    const bool upper = to == Case::kUpper || (to == Case::kTitle && !in_word) ||
                       (to == Case::kCapitalize && at == 0) || (to == Case::kSwap && swapped_up);
    const bool title = to == Case::kTitle || to == Case::kCapitalize;
    out.Append(Mapped(c.code_point, upper, title), text.OriginAt(at));
    in_word = IsLetter(c.code_point);
    at = c.end;
  }
  return runtime.Finish(out);
}

Result<Value> Strip(Runtime& runtime, const Text& text, const Text* chars, bool left, bool right) {
  const std::string_view bytes = text.bytes();
  auto [begin, end] = StripSpace(bytes, left && !chars, right && !chars);
  const auto strips = [&](const Character& c) {
    return chars->bytes().find(bytes.substr(c.begin, c.end - c.begin)) != std::string::npos;
  };
  while (chars && left && begin < end) {
    const Character first = CharacterAt(bytes, begin);
    if (!strips(first)) break;
    begin = first.end;
    WEIR_RETURN_IF_ERROR(runtime.SpendBytes(chars->size()));
  }
  while (chars && right && end > begin) {
    const Character last = CharacterBefore(bytes, end);
    if (!strips(last)) break;
    end = last.begin;
    WEIR_RETURN_IF_ERROR(runtime.SpendBytes(chars->size()));
  }
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.size()));
  return Part(runtime, text, begin, end);
}

Result<Value> Replace(Runtime& runtime, const Text& text, const Text& old, const Text& with,
                      int64_t count) {
  TextBuilder out = runtime.NewBuilder();
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.size()));
  size_t at = 0;
  bool replaced = false;
  for (; count != 0 && !out.overflowed(); --count) {
    const size_t found = FindBytes(text.bytes(), old.bytes(), at + (old.empty() && replaced));
    if (found == std::string::npos) break;
    size_t next = found;
    // Between bytes of one character there is no empty string.
    while (old.empty() && next < text.size() && IsUtf8Continuation(text.bytes()[next])) ++next;
    out.Append(text, at, next);
    out.Append(with);
    at = next + old.size();
    replaced = true;
    WEIR_RETURN_IF_ERROR(runtime.Spend());
    if (next == text.size()) break;
  }
  out.Append(text, at, text.size());
  // What to take out of the template's text is not for data to say: it could leave a control token.
  if (replaced && old.HasData() && !out.overflowed()) return runtime.String(out.Take().AsData());
  return runtime.Finish(out);
}

Result<Value> JoinText(Runtime& runtime, const std::vector<Value>& parts, const Text& separator) {
  TextBuilder out = runtime.NewBuilder();
  for (size_t i = 0; i < parts.size() && !out.overflowed(); ++i) {
    if (i > 0) out.Append(separator);
    WEIR_TRY(const Value text, ToString(runtime, parts[i]));
    out.Append(text.text());
  }
  return runtime.Finish(out);
}

Result<Value> Pad(Runtime& runtime, const Text& text, int64_t width, const Text* fill, bool left,
                  bool right) {
  const Text space(" ", Origin::kData);
  if (!fill) fill = &space;
  if (CountCharacters(fill->bytes()) != 1) return BadInput("expected one character to fill with");
  const int64_t missing = std::max<int64_t>(0, width - CountCharacters(text.bytes()));
  // Python's way to share an odd number between both sides.
  const int64_t before = left && right ? missing / 2 + (missing & width & 1) : left ? missing : 0;
  WEIR_RETURN_IF_ERROR(runtime.Spend(missing));
  TextBuilder out = runtime.NewBuilder();
  for (int64_t i = 0; i < before && !out.overflowed(); ++i) out.Append(*fill);
  out.Append(text);
  for (int64_t i = before; i < missing && !out.overflowed(); ++i) out.Append(*fill);
  return runtime.Finish(out);
}

std::vector<std::pair<size_t, size_t>> Lines(std::string_view text, bool keep_ends) {
  std::vector<std::pair<size_t, size_t>> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text, at);
    at = c.end;
    const bool ends = (c.code_point >= 0x0A && c.code_point <= 0x0D) ||
                      (c.code_point >= 0x1C && c.code_point <= 0x1E) || c.code_point == 0x85 ||
                      c.code_point == 0x2028 || c.code_point == 0x2029;
    if (!ends) continue;
    if (c.code_point == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(begin, keep_ends ? at : c.begin);
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(begin, text.size());
  return lines;
}

std::optional<int64_t> ParseInteger(std::string_view text, int64_t base) {
  std::string digits = WithoutUnderscores(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  const char marker = digits.size() > 2 && digits[0] == '0' ? static_cast<char>(digits[1] | 0x20) : '\0';
  const int64_t marked = marker == 'x' ? 16 : marker == 'o' ? 8 : marker == 'b' ? 2 : 0;
  if (marked != 0 && (base == 0 || base == marked)) {
    digits.erase(0, 2);
    base = marked;
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36 || digits.empty() || digits[0] == '-') return std::nullopt;
  if (negative) digits.insert(digits.begin(), '-');
  int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value, static_cast<int>(base));
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

std::optional<double> ParseFloat(std::string_view text) {
  const std::string digits = WithoutUnderscores(text);
  // strtod also takes hexadecimal numbers and "nan(..)".
  if (digits.empty() || digits.find_first_of("xX(pP") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (end != digits.c_str() + digits.size() || IsSpace(static_cast<uint8_t>(digits[0]))) {
    return std::nullopt;
  }
  return value;
}

}  // namespace weir::jinja
