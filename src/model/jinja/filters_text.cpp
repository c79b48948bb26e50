// Filters on strings and numbers.
#include <algorithm>
#include <cmath>

#include "model/jinja/arithmetic.h"
#include "model/jinja/filters.h"
#include "model/jinja/format.h"
#include "model/jinja/json_text.h"
#include "model/jinja/text_functions.h"
#include "model/text/unicode.h"

namespace weir::jinja {
namespace {

template <Case to>
Result<Value> CaseFilter(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(const Value text, ToString(runtime, self));
  return ChangeCase(runtime, text.text(), to);
}

/// The first letter of each word large, words being parted by white space, '-' and opening brackets.
Result<Value> Title(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(const Value lower, ToString(runtime, self));
  WEIR_TRY(const Value value, ChangeCase(runtime, lower.text(), Case::kLower));
  const Text& text = value.text();
  TextBuilder out = runtime.NewBuilder();
  bool starts = true;
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text.bytes(), at);
    if (starts) {
      WEIR_TRY(const Value upper,
               ChangeCase(runtime, Part(runtime, text, c.begin, c.end).text(), Case::kUpper));
      out.Append(upper.text());
    } else {
      out.Append(text, c.begin, c.end);
    }
    starts = IsSpace(c.code_point) || (c.code_point < 0x80 && std::string_view("-({[<").find(static_cast<char>(
                                                                  c.code_point)) != std::string_view::npos);
    at = c.end;
  }
  return runtime.Finish(out);
}

Result<Value> Trim(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Value text, ToString(runtime, self));
  WEIR_TRY(const Text* chars, args.TextOrNull(0));
  return Strip(runtime, text.text(), chars, true, true);
}

Result<Value> ReplaceFilter(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Value text, ToString(runtime, self));
  WEIR_TRY(const Value old, ToString(runtime, *args[0]));
  WEIR_TRY(const Value with, ToString(runtime, *args[1]));
  const bool all = !args[2] || args[2]->is_none();
  WEIR_TRY(const int64_t count, all ? Result<int64_t>(-1) : args.IntegerOr(2, -1));
  return Replace(runtime, text.text(), old.text(), with.text(), count);
}

/// An argument that is a string, or a number of spaces.
Result<Text> Indentation(Runtime& runtime, const Arguments& args) {
  if (args[0] && args[0]->is_string()) return args[0]->text();
  WEIR_TRY(const int64_t width, args.IntegerOr(0, 4));
  WEIR_RETURN_IF_ERROR(runtime.Spend(std::max<int64_t>(0, width)));
  return Text(std::string(static_cast<size_t>(std::max<int64_t>(0, width)), ' '), Origin::kData);
}

Result<Value> Indent(Runtime& runtime, const Value& self, const Arguments& args) {
  if (self.is_undefined()) return UndefinedError(self);
  if (!self.is_string()) return BadInput("indent needs a string, not '{}'", TypeName(self));
  WEIR_TRY(const Text indentation, Indentation(runtime, args));
  const bool first = args.IsTrueOr(1, false), blank = args.IsTrueOr(2, false);
  const Text& text = self.text();
  TextBuilder out = runtime.NewBuilder();
  // Jinja appends a line end before it takes the lines apart, and joins them without it.
  auto lines = Lines(text.bytes(), false);
  if (text.empty() || text.bytes().ends_with('\n')) lines.emplace_back(text.size(), text.size());
  for (size_t i = 0; i < lines.size() && !out.overflowed(); ++i) {
    const auto [begin, end] = lines[i];
    if (i > 0) out.Append("\n", Origin::kData);
    if (i == 0 ? first : blank || begin < end) out.Append(indentation);
    out.Append(text, begin, end);
  }
  return runtime.Finish(out);
}

Result<Value> Center(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Value text, ToString(runtime, self));
  WEIR_TRY(const int64_t width, args.IntegerOr(0, 80));
  return Pad(runtime, text.text(), width, nullptr, true, true);
}

Result<Value> WordCount(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(const Value text, ToString(runtime, self));
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.bytes().size()));
  int64_t n_words = 0;
  bool in_word = false;
  for (size_t at = 0; at < text.bytes().size();) {
    const Character c = CharacterAt(text.bytes(), at);
    const CharClass kind = CharClassTable()[c.code_point];
    const bool word = kind == CharClass::kLetter || kind == CharClass::kNumber || c.code_point == '_';
    n_words += word && !in_word;
    in_word = word;
    at = c.end;
  }
  return Value::Int(n_words);
}

Result<Value> Truncate(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Value text, ToString(runtime, self));
  WEIR_TRY(const int64_t length, args.IntegerOr(0, 255));
  const bool kill_words = args.IsTrueOr(1, false);
  const Text dots("...", Origin::kData);
  WEIR_TRY(const Text* end, args.TextOrNull(2));
  if (!end) end = &dots;
  WEIR_TRY(const int64_t leeway, args.IntegerOr(3, 5));
  const int64_t keep = length - CountCharacters(end->bytes());
  if (keep < 0 || leeway < 0) return BadInput("truncate: expected room for '{}'", end->bytes());
  if (CountCharacters(text.bytes()) - leeway <= length) return text;
  size_t cut = ByteOfCharacter(text.bytes(), keep);
  if (!kill_words) {
    const size_t space = text.bytes().rfind(' ', cut == 0 ? 0 : cut - 1);
    if (space != std::string::npos && space < cut) cut = space;
  }
  TextBuilder out = runtime.NewBuilder();
  out.Append(text.text(), 0, cut);
  out.Append(*end);
  return runtime.Finish(out);
}

Result<Value> Format(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Value format, ToString(runtime, self));
  const Args& given = args.all();
  if (given.named.empty()) {
    return FormatPercent(runtime, format.text(), runtime.NewTuple(given.positional));
  }
  if (!given.positional.empty()) return BadInput("format takes positional or named arguments, not both");
  const auto dict = runtime.NewDict();
  for (const auto& [name, value] : given.named) dict->Set(runtime.Data(name), value);
  return FormatPercent(runtime, format.text(), runtime.Of(dict));
}

Result<Value> Escape(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(const Value value, ToString(runtime, self));
  const Text& text = value.text();
  static constexpr std::string_view kSpecial = "&<>'\"";
  static constexpr std::string_view kEntities[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  TextBuilder out = runtime.NewBuilder();
  size_t begin = 0;
  for (size_t at = 0; (at = text.bytes().find_first_of(kSpecial, at)) != std::string::npos; ++at) {
    out.Append(text, begin, at);
    out.Append(kEntities[kSpecial.find(text.bytes()[at])], text.OriginAt(at));
    begin = at + 1;
  }
  out.Append(text, begin, text.size());
  return runtime.Finish(out);
}

Result<Value> String(Runtime& runtime, const Value& self, const Arguments&) {
  return ToString(runtime, self);
}

/// repr, which pprint's layout is for anything that fits on a line.
Result<Value> PrettyPrint(Runtime& runtime, const Value& self, const Arguments&) {
  TextBuilder out = runtime.NewBuilder();
  WEIR_RETURN_IF_ERROR(AppendRepr(runtime, self, out));
  return runtime.Finish(out);
}

/// As in a path, or in a query: there a slash is quoted and a space is '+'.
void AppendQuoted(const Text& text, bool query, TextBuilder& out) {
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text.bytes()[at];
    const bool safe = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                      (c == '/' && !query) || std::string_view("_.-~").find(c) != std::string_view::npos;
    if (safe) {
      out.Append(text, at, at + 1);
    } else if (c == ' ' && query) {
      out.Append("+", Origin::kData);
    } else {
      out.Append(fmt::format("%{:02X}", static_cast<uint8_t>(c)), Origin::kData);
    }
  }
}

Result<Value> UrlEncode(Runtime& runtime, const Value& self, const Arguments&) {
  TextBuilder out = runtime.NewBuilder();
  if (!self.is_dict() && (!self.is_sequence())) {
    WEIR_TRY(const Value text, ToString(runtime, self));
    AppendQuoted(text.text(), false, out);
    return runtime.Finish(out);
  }
  std::vector<Value> pairs;
  if (self.is_dict()) {
    for (const auto& [key, value] : self.dict().entries()) pairs.push_back(runtime.NewTuple({key, value}));
  } else {
    WEIR_TRY(pairs, Iterate(runtime, self));
  }
  for (const Value& pair : pairs) {
    WEIR_TRY(const std::vector<Value> parts, Iterate(runtime, pair));
    if (parts.size() != 2) return BadInput("urlencode needs pairs");
    if (out.size() > 0) out.Append("&", Origin::kData);
    for (size_t i = 0; i < 2; ++i) {
      if (i == 1) out.Append("=", Origin::kData);
      WEIR_TRY(const Value text, ToString(runtime, parts[i]));
      AppendQuoted(text.text(), true, out);
    }
  }
  return runtime.Finish(out);
}

// ---- Numbers.

Result<Value> Int(Runtime&, const Value& self, const Arguments& args) {
  const Value otherwise = args.Or(0, Value::Int(0));
  WEIR_TRY(const int64_t base, args.IntegerOr(1, 10));
  if (self.is_undefined()) return UndefinedError(self);
  double real = 0;
  if (self.is_string()) {
    if (const auto value = ParseInteger(self.bytes(), base)) return Value::Int(*value);
    const std::optional<double> value = ParseFloat(self.bytes());
    if (!value) return otherwise;
    real = *value;
  } else if (self.is_integer()) {
    return Value::Int(self.integer());
  } else if (self.is_number()) {
    real = self.real();
  } else {
    return otherwise;
  }
  if (!(std::fabs(real) < 0x1p63)) return otherwise;
  return Value::Int(static_cast<int64_t>(real));
}

Result<Value> Float(Runtime&, const Value& self, const Arguments& args) {
  if (self.is_undefined()) return UndefinedError(self);
  if (self.is_number()) return Value::Float(self.real());
  if (self.is_string()) {
    if (const std::optional<double> value = ParseFloat(self.bytes())) return Value::Float(*value);
  }
  return args.Or(0, Value::Float(0));
}

Result<Value> Abs(Runtime&, const Value& self, const Arguments&) {
  if (self.is_undefined()) return UndefinedError(self);
  if (!self.is_number()) return BadInput("abs needs a number, not '{}'", TypeName(self));
  if (!self.is_integer()) return Value::Float(std::fabs(self.real()));
  return self.integer() < 0 ? Negate(self) : Value::Int(self.integer());
}

/// Half to even on the exact value of the number, as the C library prints it.
double RoundTo(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 30) return value;
  if (digits >= 0) return std::strtod(fmt::format("{:.{}f}", value, digits).c_str(), nullptr);
  const double unit = std::pow(10.0, static_cast<double>(std::min<int64_t>(-digits, 400)));
  return std::nearbyint(value / unit) * unit;
}

Result<Value> Round(Runtime&, const Value& self, const Arguments& args) {
  if (self.is_undefined()) return UndefinedError(self);
  if (!self.is_number()) return BadInput("round needs a number, not '{}'", TypeName(self));
  WEIR_TRY(const int64_t precision, args.IntegerOr(0, 0));
  WEIR_TRY(const Text* method, args.TextOrNull(1));
  const std::string name = method ? method->bytes() : "common";
  if (name == "common") {
    if (!self.is_integer()) return Value::Float(RoundTo(self.real(), precision));
    if (precision >= 0) return Value::Int(self.integer());
    const double rounded = RoundTo(self.real(), precision);
    return std::fabs(rounded) < 0x1p63 ? Value::Int(static_cast<int64_t>(rounded)) : self;
  }
  if (name != "ceil" && name != "floor") return BadInput("round: expected common, ceil or floor");
  const double unit = std::pow(10.0, static_cast<double>(std::clamp<int64_t>(precision, -400, 400)));
  const double scaled = self.real() * unit;
  return Value::Float((name == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

}  // namespace

std::span<const FunctionEntry> TextFilters() {
  static constexpr FunctionEntry kFilters[] = {
      {"tojson", "ensure_ascii,indent,separators,sort_keys", 0, ToJson},
      {"trim", "chars", 0, Trim},
      {"string", "", 0, String},
      {"upper", "", 0, CaseFilter<Case::kUpper>},
      {"lower", "", 0, CaseFilter<Case::kLower>},
      {"title", "", 0, Title},
      {"capitalize", "", 0, CaseFilter<Case::kCapitalize>},
      {"replace", "old,new,count", 2, ReplaceFilter},
      {"indent", "width,first,blank", 0, Indent},
      {"center", "width", 0, Center},
      {"wordcount", "", 0, WordCount},
      {"truncate", "length,killwords,end,leeway", 0, Truncate},
      {"format", "*", 0, Format},
      // Nothing is escaped without being told to, so what is safe is only a string.
      {"safe", "", 0, String},
      {"escape", "", 0, Escape},
      {"e", "", 0, Escape},
      {"forceescape", "", 0, Escape},
      {"pprint", "", 0, PrettyPrint},
      {"urlencode", "", 0, UrlEncode},
      {"int", "default,base", 0, Int},
      {"float", "default", 0, Float},
      {"abs", "", 0, Abs},
      {"round", "precision,method", 0, Round},
  };
  return kFilters;
}

}  // namespace weir::jinja
