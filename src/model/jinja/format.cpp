#include "model/jinja/format.h"

#include <algorithm>
#include <cmath>

namespace weir::jinja {
namespace {

/// One conversion: what both languages of formats say.
struct Spec {
  std::string fill = " ";
  char align = '\0';  // '<', '>', '^', '=' (after the sign); 0: by type
  char sign = '-';    // '+', ' ', or '-': only where negative
  bool alternate = false, grouped = false;
  int64_t width = 0, precision = -1;
  char type = '\0';
  char conversion = '\0';  // 'r' or 's', before all else
};

constexpr int64_t kMaxWidth = 100'000, kMaxPrecision = 400;

Error BadFormat(std::string_view what) { return BadInput("format: {}", what); }

/// Pads and appends: `head` is the sign and the base's mark, behind which '=' pads.
void AppendPadded(const Spec& spec, char align, const std::string& head, const Text& body,
                  TextBuilder& out) {
  const int64_t length = CountCharacters(head) + CountCharacters(body.bytes());
  const int64_t missing = std::max<int64_t>(0, spec.width - length);
  if (spec.align) align = spec.align;
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  if (align == '=') out.Append(head, Origin::kData);
  for (int64_t i = 0; i < left; ++i) out.Append(spec.fill, Origin::kData);
  if (align != '=') out.Append(head, Origin::kData);
  out.Append(body);
  for (int64_t i = left; i < missing; ++i) out.Append(spec.fill, Origin::kData);
}

void AppendNumber(const Spec& spec, bool negative, std::string_view mark, std::string digits,
                  TextBuilder& out) {
  if (spec.grouped) {
    const size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
    std::string grouped;
    for (size_t i = 0; i < digits.size(); ++i) {
      if (i > 0 && i < end && (end - i) % 3 == 0) grouped += ',';
      grouped += digits[i];
    }
    digits = std::move(grouped);
  }
  std::string head;
  if (negative || spec.sign != '-') head.push_back(negative ? '-' : spec.sign);
  head += mark;
  AppendPadded(spec, '>', head, Text(std::move(digits), Origin::kData), out);
}

Status AppendInteger(const Spec& spec, int64_t value, TextBuilder& out) {
  const bool negative = value < 0;
  const uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string digits;
  std::string_view mark;
  switch (spec.type) {
    case 'x': digits = fmt::format("{:x}", magnitude); mark = "0x"; break;
    case 'X': digits = fmt::format("{:X}", magnitude); mark = "0X"; break;
    case 'o': digits = fmt::format("{:o}", magnitude); mark = "0o"; break;
    case 'b': digits = fmt::format("{:b}", magnitude); mark = "0b"; break;
    default: digits = std::to_string(magnitude);
  }
  const int64_t zeros = std::clamp<int64_t>(spec.precision, 0, kMaxPrecision) - static_cast<int64_t>(digits.size());
  if (zeros > 0) digits = std::string(static_cast<size_t>(zeros), '0').append(digits);
  AppendNumber(spec, negative, spec.alternate ? mark : std::string_view(), std::move(digits), out);
  return {};
}

Status AppendFloat(const Spec& spec, double value, TextBuilder& out) {
  const double magnitude = std::fabs(value);
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : std::min(spec.precision, kMaxPrecision));
  std::string digits;
  switch (spec.type) {
    case 'e': digits = fmt::format("{:.{}e}", magnitude, precision); break;
    case 'E': digits = fmt::format("{:.{}E}", magnitude, precision); break;
    case 'g': digits = fmt::format("{:.{}g}", magnitude, precision); break;
    case 'G': digits = fmt::format("{:.{}G}", magnitude, precision); break;
    case '%': digits = fmt::format("{:.{}f}%", magnitude * 100, precision); break;
    case '\0':
      digits = spec.precision < 0 ? FloatText(magnitude) : fmt::format("{:.{}g}", magnitude, precision);
      break;
    default: digits = fmt::format("{:.{}f}", magnitude, precision);
  }
  AppendNumber(spec, std::signbit(value) && !std::isnan(value), "", std::move(digits), out);
  return {};
}

Status AppendText(Runtime& runtime, const Spec& spec, const Value& value, TextBuilder& out) {
  const Text& text = value.text();
  size_t end = text.size();
  if (spec.precision >= 0) end = ByteOfCharacter(text.bytes(), spec.precision);
  TextBuilder cut = runtime.NewBuilder();
  cut.Append(text, 0, end);
  AppendPadded(spec, '<', "", cut.Take(), out);
  return {};
}

/// One value as the spec has it.
Status AppendFormatted(Runtime& runtime, const Spec& spec, Value value, TextBuilder& out) {
  if (spec.width > kMaxWidth) return BadFormat("the width is too large");
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(static_cast<size_t>(spec.width)));
  if (spec.conversion == 'r') {
    TextBuilder repr = runtime.NewBuilder();
    WEIR_RETURN_IF_ERROR(AppendRepr(runtime, value, repr));
    WEIR_TRY(value, runtime.Finish(repr));
  } else if (spec.conversion == 's' || spec.type == 's') {
    WEIR_TRY(value, ToString(runtime, value));
  }
  if (value.is_string()) {
    if (spec.type != '\0' && spec.type != 's') return BadFormat("a string where a number is expected");
    return AppendText(runtime, spec, value, out);
  }
  const bool plain = spec.type == '\0';
  if (value.is_number() && !(plain && value.is_bool())) {
    const bool as_float = std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos && !plain;
    const bool as_integer = std::string_view("diuxXobn").find(spec.type) != std::string_view::npos && !plain;
    if (!plain && !as_float && !as_integer) return BadFormat(fmt::format("unknown type '{}'", spec.type));
    if (value.is_integer() && !as_float) return AppendInteger(spec, value.integer(), out);
    if (as_integer) return BadFormat("a float where an integer is expected");
    return AppendFloat(spec, value.real(), out);
  }
  if (!plain) return BadFormat(fmt::format("'{}' where a number is expected", TypeName(value)));
  WEIR_TRY(const Value text, ToString(runtime, value));
  return AppendText(runtime, spec, text, out);
}

/// The result; with data in the format, all of it is.
Result<Value> Finish(Runtime& runtime, const Text& format, TextBuilder& out) {
  if (!format.HasData() || out.overflowed()) return runtime.Finish(out);
  return runtime.String(out.Take().AsData());
}

// ---- printf's way.

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Text& format, const Value& arguments)
      : runtime_(runtime), format_(format), bytes_(format.bytes()), arguments_(arguments),
        out_(runtime.NewBuilder()) {}

  Result<Value> Run();

 private:
  Status Conversion();
  Result<Value> Argument(const Spec& spec, std::string_view name, bool named);
  Result<int64_t> Number();
  Result<Value> NextArgument();
  Status Character(const Value& value);
  char Peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }

  Runtime& runtime_;
  const Text& format_;
  std::string_view bytes_;
  const Value& arguments_;
  TextBuilder out_;
  size_t at_ = 0, n_used_ = 0;
};

Result<Value> PercentFormatter::Run() {
  while (at_ < bytes_.size() && !out_.overflowed()) {
    const size_t percent = std::min(bytes_.find('%', at_), bytes_.size());
    out_.Append(format_, at_, percent);
    at_ = percent;
    if (percent == bytes_.size()) break;
    WEIR_RETURN_IF_ERROR(runtime_.Spend());
    WEIR_RETURN_IF_ERROR(Conversion());
  }
  const bool tuple = arguments_.is_sequence() && arguments_.sequence().type == SequenceType::kTuple;
  const size_t n_given = tuple ? arguments_.sequence().items.size() : arguments_.is_dict() ? 0 : 1;
  if (n_used_ < n_given) return BadFormat("not all arguments are used");
  return Finish(runtime_, format_, out_);
}

Result<Value> PercentFormatter::NextArgument() {
  const bool tuple = arguments_.is_sequence() && arguments_.sequence().type == SequenceType::kTuple;
  const size_t n = tuple ? arguments_.sequence().items.size() : 1;
  if (n_used_ >= n) return BadFormat("not enough arguments");
  return tuple ? arguments_.sequence().items[n_used_++] : (++n_used_, arguments_);
}

Result<int64_t> PercentFormatter::Number() {
  if (Peek() == '*') {
    ++at_;
    WEIR_TRY(const Value value, NextArgument());
    if (!value.is_integer()) return BadFormat("* needs an integer");
    return std::clamp<int64_t>(value.integer(), -kMaxWidth - 1, kMaxWidth + 1);
  }
  int64_t value = 0;
  for (; Peek() >= '0' && Peek() <= '9'; ++at_) value = std::min(value * 10 + (Peek() - '0'), kMaxWidth + 1);
  return value;
}

/// %c: a string of one character, or the number of one.
Status PercentFormatter::Character(const Value& value) {
  if (value.is_string() && CountCharacters(value.bytes()) == 1) {
    out_.Append(value.text());
    return {};
  }
  if (!value.is_integer() || value.integer() < 0 || value.integer() > 0x10FFFF) {
    return BadFormat("%c needs a character or its number");
  }
  std::string bytes;
  AppendUtf8(static_cast<uint32_t>(value.integer()), &bytes);
  out_.Append(bytes, Origin::kData);
  return {};
}

Status PercentFormatter::Conversion() {
  const size_t begin = at_++;
  std::string_view name;
  const bool named = Peek() == '(';
  if (named) {
    const size_t close = bytes_.find(')', at_);
    if (close == std::string_view::npos) return BadFormat("a name without its ')'");
    name = bytes_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
  }
  Spec spec;
  bool left = false, zero = false;
  for (; Peek() != '\0' && std::string_view("-+ 0#").find(Peek()) != std::string_view::npos; ++at_) {
    left |= Peek() == '-';
    zero |= Peek() == '0';
    spec.alternate |= Peek() == '#';
    if (Peek() == '+' || (Peek() == ' ' && spec.sign == '-')) spec.sign = Peek();
  }
  WEIR_TRY(spec.width, Number());
  left |= spec.width < 0;
  spec.width = std::abs(spec.width);
  if (Peek() == '.') {
    ++at_;
    WEIR_TRY(spec.precision, Number());
  }
  spec.type = Peek();
  if (spec.type == '\0') return BadFormat("the format ends in the middle of a conversion");
  ++at_;
  if (spec.type == '%') {
    out_.Append(format_, begin, begin + 1);
    return {};
  }
  if (std::string_view("srcdiufFeEgGxXo").find(spec.type) == std::string_view::npos) {
    return BadFormat(fmt::format("unknown conversion after '{}'", bytes_.substr(begin, 1)));
  }
  WEIR_TRY(const Value value, Argument(spec, name, named));
  if (spec.type == 'c') return Character(value);
  if (spec.type == 'r') spec.conversion = 'r';
  if (spec.type == 'r' || spec.type == 's') {
    spec.type = 's';
    spec.align = left ? '<' : '>';
  } else if (!value.is_number()) {
    return BadFormat(fmt::format("a number is needed, not '{}'", TypeName(value)));
  } else {
    spec.align = left ? '<' : zero ? '=' : '>';
    if (zero && !left) spec.fill.assign(1, '0');
  }
  if (value.kind() == Kind::kFloat && std::string_view("diu").find(spec.type) != std::string_view::npos) {
    if (!(std::fabs(value.real()) < 0x1p63)) return BadFormat("the number is too large");
    return AppendFormatted(runtime_, spec, Value::Int(static_cast<int64_t>(value.real())), out_);
  }
  return AppendFormatted(runtime_, spec, value, out_);
}

Result<Value> PercentFormatter::Argument(const Spec&, std::string_view name, bool named) {
  if (!named) return NextArgument();
  if (!arguments_.is_dict()) return BadFormat("a name needs a dict of arguments");
  const Value* found = arguments_.dict().Find(name);
  if (!found) return BadFormat(fmt::format("there is no argument '{}'", name));
  return *found;
}

// ---- str.format.

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Text& format, const Args& args)
      : runtime_(runtime), format_(format), bytes_(format.bytes()), args_(args),
        out_(runtime.NewBuilder()) {}

  Result<Value> Run();

 private:
  Status Field(std::string_view field);
  Result<Value> Lookup(std::string_view name);
  Result<Value> Base(std::string_view name);
  Result<Spec> ParseSpec(std::string_view text);

  Runtime& runtime_;
  const Text& format_;
  std::string_view bytes_;
  const Args& args_;
  TextBuilder out_;
  size_t n_automatic_ = 0;
};

Result<Value> BraceFormatter::Run() {
  for (size_t at = 0; at < bytes_.size() && !out_.overflowed();) {
    const size_t brace = std::min(bytes_.find_first_of("{}", at), bytes_.size());
    out_.Append(format_, at, brace);
    if (brace == bytes_.size()) break;
    WEIR_RETURN_IF_ERROR(runtime_.Spend());
    if (bytes_.substr(brace + 1, 1) == bytes_.substr(brace, 1)) {  // doubled: itself
      out_.Append(format_, brace, brace + 1);
      at = brace + 2;
      continue;
    }
    const size_t close = bytes_[brace] == '{' ? bytes_.find('}', brace) : std::string_view::npos;
    if (close == std::string_view::npos) return BadFormat("a single brace");
    WEIR_RETURN_IF_ERROR(Field(bytes_.substr(brace + 1, close - brace - 1)));
    at = close + 1;
  }
  return Finish(runtime_, format_, out_);
}

/// name!conversion:spec
Status BraceFormatter::Field(std::string_view field) {
  const size_t name_end = std::min(field.find_first_of("!:"), field.size());
  const std::string_view name = field.substr(0, name_end);
  std::string_view rest = field.substr(name_end);
  char conversion = '\0';
  if (rest.starts_with('!')) {
    conversion = rest.size() > 1 ? rest[1] : '\0';
    if (conversion != 'r' && conversion != 's') return BadFormat("expected !r or !s");
    rest.remove_prefix(2);
  }
  if (!rest.empty() && rest[0] != ':') return BadFormat("expected ':' after the conversion");
  WEIR_TRY(const Value value, Lookup(name));
  WEIR_TRY(Spec spec, ParseSpec(rest.empty() ? rest : rest.substr(1)));
  spec.conversion = conversion;
  return AppendFormatted(runtime_, spec, value, out_);
}

Result<Value> BraceFormatter::Base(std::string_view name) {
  for (const auto& [key, value] : args_.named) {
    if (key == name) return value;
  }
  size_t index = n_automatic_;
  if (name.empty()) {
    ++n_automatic_;
  } else {
    index = 0;
    for (const char c : name) {
      if (c < '0' || c > '9') return BadFormat(fmt::format("there is no argument '{}'", name));
      index = std::min<size_t>(index * 10 + static_cast<size_t>(c - '0'), 1'000'000);
    }
  }
  if (index >= args_.positional.size()) return BadFormat(fmt::format("there is no argument {}", index));
  return args_.positional[index];
}

/// name.attribute[item]..
Result<Value> BraceFormatter::Lookup(std::string_view name) {
  const size_t base_end = std::min(name.find_first_of(".["), name.size());
  WEIR_TRY(Value value, Base(name.substr(0, base_end)));
  std::string_view rest = name.substr(base_end);
  while (!rest.empty()) {
    const bool item = rest[0] == '[';
    const size_t end = item ? rest.find(']') : std::min(rest.find_first_of(".[", 1), rest.size());
    if (end == std::string_view::npos) return BadFormat("a '[' without its ']'");
    const std::string_view key = rest.substr(1, end - 1);
    if (item) {
      const bool number = !key.empty() && key.size() < 10 &&
                          key.find_first_not_of("0123456789") == std::string_view::npos;
      WEIR_TRY(value, GetItem(runtime_, value,
                              number ? Value::Int(std::stoll(std::string(key)))
                                     : runtime_.Data(std::string(key))));
    } else {
      WEIR_TRY(value, GetAttribute(runtime_, value, key));
    }
    if (value.is_undefined()) return UndefinedError(value);
    rest.remove_prefix(end + item);
  }
  return value;
}

/// [[fill]align][sign][#][0][width][,][.precision][type]
Result<Spec> BraceFormatter::ParseSpec(std::string_view text) {
  Spec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  const auto peek = [&text] { return text.empty() ? '\0' : text[0]; };
  if (!text.empty()) {
    const auto fill = CharacterAt(text, 0);
    if (fill.end < text.size() && is_align(text[fill.end])) {
      spec.fill = std::string(text.substr(0, fill.end));
      spec.align = text[fill.end];
      text.remove_prefix(fill.end + 1);
    } else if (is_align(text[0])) {
      spec.align = text[0];
      text.remove_prefix(1);
    }
  }
  const auto skip = [&](char c) {
    const bool found = peek() == c && c != '\0';
    if (found) text.remove_prefix(1);
    return found;
  };
  const auto number = [&] {
    int64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; text.remove_prefix(1)) {
      value = std::min(value * 10 + (peek() - '0'), kMaxWidth + 1);
    }
    return value;
  };
  if (skip('+')) {
    spec.sign = '+';
  } else if (skip(' ')) {
    spec.sign = ' ';
  } else {
    skip('-');
  }
  spec.alternate = skip('#');
  if (peek() == '0' && !spec.align) {
    spec.fill.assign(1, '0');
    spec.align = '=';
  }
  spec.width = number();
  spec.grouped = skip(',');
  if (skip('.')) spec.precision = number();
  if (!text.empty()) {
    spec.type = text[0];
    text.remove_prefix(1);
  }
  if (!text.empty()) return BadFormat("the specification cannot be read");
  return spec;
}

}  // namespace

Result<Value> FormatPercent(Runtime& runtime, const Text& format, const Value& arguments) {
  return PercentFormatter(runtime, format, arguments).Run();
}

Result<Value> FormatBraces(Runtime& runtime, const Text& format, const Args& args) {
  return BraceFormatter(runtime, format, args).Run();
}

}  // namespace weir::jinja
