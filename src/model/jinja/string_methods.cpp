#include "model/jinja/string_methods.h"

#include <algorithm>

#include "model/jinja/format.h"
#include "model/jinja/text_functions.h"
#include "model/text/unicode.h"

namespace weir::jinja {
namespace {

constexpr auto kNone = std::string::npos;

template <Case to>
Result<Value> CaseMethod(Runtime& runtime, const Value& self, const Arguments&) {
  return ChangeCase(runtime, self.text(), to);
}

template <bool left, bool right>
Result<Value> StripMethod(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Text* chars, args.TextOrNull(0));
  return Strip(runtime, self.text(), chars, left, right);
}

template <bool left, bool right>
Result<Value> PadMethod(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const int64_t width, args.IntegerOr(0, 0));
  WEIR_TRY(const Text* fill, args.TextOrNull(1));
  return Pad(runtime, self.text(), width, fill, left, right);
}

Result<const Text*> TextArgument(const Arguments& args, size_t i) {
  WEIR_TRY(const Text* text, args.TextOrNull(i));
  if (!text) return BadInput("argument {} must be a string", i + 1);
  return text;
}

/// The work of std::string::rfind at its worst.
Status SpendOnSearch(Runtime& runtime, const Text& text, const Text& wanted) {
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.size()));
  const double work = static_cast<double>(text.size()) * static_cast<double>(wanted.size());
  return runtime.Spend(static_cast<int64_t>(work / 64));
}

// ---- Splitting. Pieces are byte ranges.

using Range = std::pair<size_t, size_t>;

/// At white space, at most `max` times if that is not negative.
std::vector<Range> SplitSpace(std::string_view text, int64_t max) {
  std::vector<Range> pieces;
  for (size_t at = StripSpace(text, true, false).first; at < text.size(); --max) {
    if (max == 0) {
      pieces.emplace_back(at, text.size());
      break;
    }
    size_t end = at;
    while (end < text.size()) {
      const Character c = CharacterAt(text, end);
      if (IsSpace(c.code_point)) break;
      end = c.end;
    }
    pieces.emplace_back(at, end);
    at = end + StripSpace(text.substr(end), true, false).first;
  }
  return pieces;
}

/// The same from the right.
std::vector<Range> SplitSpaceRight(std::string_view text, int64_t max) {
  std::vector<Range> pieces;
  for (size_t end = StripSpace(text, false, true).second; end > 0; --max) {
    if (max == 0) {
      pieces.emplace_back(0, end);
      break;
    }
    size_t begin = end;
    while (begin > 0) {
      const Character c = CharacterBefore(text, begin);
      if (IsSpace(c.code_point)) break;
      begin = c.begin;
    }
    pieces.emplace_back(begin, end);
    end = StripSpace(text.substr(0, begin), false, true).second;
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<Range> SplitAt(std::string_view text, std::string_view separator, int64_t max) {
  std::vector<Range> pieces;
  size_t at = 0;
  for (size_t found; max != 0 && (found = FindBytes(text, separator, at)) != kNone; --max) {
    pieces.emplace_back(at, found);
    at = found + separator.size();
  }
  pieces.emplace_back(at, text.size());
  return pieces;
}

std::vector<Range> SplitAtRight(std::string_view text, std::string_view separator, int64_t max) {
  std::vector<Range> pieces;
  size_t end = text.size();
  for (size_t found; max != 0 && end >= separator.size() &&
                     (found = text.rfind(separator, end - separator.size())) != kNone;
       --max) {
    pieces.emplace_back(found + separator.size(), end);
    end = found;
  }
  pieces.emplace_back(0, end);
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Result<Value> Pieces(Runtime& runtime, const Text& text, const std::vector<Range>& ranges) {
  WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(ranges.size())));
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.size()));
  std::vector<Value> pieces;
  for (const auto& [begin, end] : ranges) {
    pieces.push_back(Part(runtime, text, begin, end));
    if (pieces.size() % 4096 == 0) WEIR_RETURN_IF_ERROR(runtime.Spend());
  }
  return runtime.NewList(std::move(pieces));
}

template <bool right>
Result<Value> Split(Runtime& runtime, const Value& self, const Arguments& args) {
  const Text& text = self.text();
  WEIR_TRY(const Text* separator, args.TextOrNull(0));
  WEIR_TRY(const int64_t max, args.IntegerOr(1, -1));
  if (!separator) {
    return Pieces(runtime, text,
                  right ? SplitSpaceRight(text.bytes(), max) : SplitSpace(text.bytes(), max));
  }
  if (separator->empty()) return BadInput("split: the separator is empty");
  if (right) WEIR_RETURN_IF_ERROR(SpendOnSearch(runtime, text, *separator));
  return Pieces(runtime, text, right ? SplitAtRight(text.bytes(), separator->bytes(), max)
                                     : SplitAt(text.bytes(), separator->bytes(), max));
}

Result<Value> SplitLines(Runtime& runtime, const Value& self, const Arguments& args) {
  return Pieces(runtime, self.text(), Lines(self.bytes(), args.IsTrueOr(0, false)));
}

template <bool right>
Result<Value> Partition(Runtime& runtime, const Value& self, const Arguments& args) {
  const Text& text = self.text();
  WEIR_TRY(const Text* separator, TextArgument(args, 0));
  if (separator->empty()) return BadInput("partition: the separator is empty");
  WEIR_RETURN_IF_ERROR(right ? SpendOnSearch(runtime, text, *separator)
                             : runtime.SpendBytes(text.size()));
  const size_t found =
      right ? text.bytes().rfind(separator->bytes()) : FindBytes(text.bytes(), separator->bytes());
  const Value empty = runtime.Data({});
  if (found == kNone) {
    return runtime.NewTuple(right ? std::vector<Value>{empty, empty, self}
                                  : std::vector<Value>{self, empty, empty});
  }
  return runtime.NewTuple({Part(runtime, text, 0, found), args.Or(0, empty),
                           Part(runtime, text, found + separator->size(), text.size())});
}

// ---- Searching, in the characters [start, end).

struct Window {
  size_t begin, end;     // bytes
  int64_t n_before;      // characters
  bool inside = true;    // false: the start is behind the end
};

/// From arguments i and i + 1, negative ones from the end.
Result<Window> WindowOf(const Text& text, const Arguments& args, size_t i) {
  const std::string_view bytes = text.bytes();
  if (!args[i] && !args[i + 1]) return Window{0, bytes.size(), 0};
  const int64_t n = CountCharacters(bytes);
  const auto clamped = [n](int64_t at) { return std::clamp<int64_t>(at < 0 ? std::max(at, -n) + n : at, 0, n); };
  const auto given = [&args](size_t k) { return args[k] && !args[k]->is_none(); };
  WEIR_TRY(const int64_t start, given(i) ? args.IntegerOr(i, 0) : Result<int64_t>(0));
  WEIR_TRY(const int64_t end, given(i + 1) ? args.IntegerOr(i + 1, n) : Result<int64_t>(n));
  const int64_t from = clamped(start), to = clamped(end);
  if (start > n || from > to) return Window{0, 0, 0, false};
  return Window{ByteOfCharacter(bytes, from), ByteOfCharacter(bytes, to), from};
}

template <bool right, bool must_find>
Result<Value> Find(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Text* wanted, TextArgument(args, 0));
  WEIR_TRY(const Window window, WindowOf(self.text(), args, 1));
  WEIR_RETURN_IF_ERROR(right ? SpendOnSearch(runtime, self.text(), *wanted)
                             : runtime.SpendBytes(self.bytes().size()));
  const std::string_view part =
      std::string_view(self.bytes()).substr(window.begin, window.end - window.begin);
  const size_t found = right ? part.rfind(wanted->bytes()) : FindBytes(part, wanted->bytes());
  if (found == kNone || !window.inside) {
    if (must_find) return BadInput("index: the substring is not found");
    return Value::Int(-1);
  }
  return Value::Int(window.n_before + CountCharacters(part.substr(0, found)));
}

Result<Value> Count(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Text* wanted, TextArgument(args, 0));
  WEIR_TRY(const Window window, WindowOf(self.text(), args, 1));
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(self.bytes().size()));
  const std::string_view part =
      std::string_view(self.bytes()).substr(window.begin, window.end - window.begin);
  if (!window.inside) return Value::Int(0);
  if (wanted->empty()) return Value::Int(CountCharacters(part) + 1);
  int64_t n = 0;
  for (size_t at = 0; (at = FindBytes(part, wanted->bytes(), at)) != kNone; at += wanted->size()) ++n;
  return Value::Int(n);
}

/// startswith and endswith, with one string or a tuple of them.
template <bool at_end>
Result<Value> HasAffix(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Window window, WindowOf(self.text(), args, 1));
  const std::string_view part =
      std::string_view(self.bytes()).substr(window.begin, window.end - window.begin);
  std::vector<Value> affixes{*args[0]};
  if (args[0]->is_sequence() && args[0]->sequence().type == SequenceType::kTuple) {
    affixes = args[0]->sequence().items;
  }
  WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(affixes.size())));
  for (const Value& affix : affixes) {
    if (affix.is_undefined()) return UndefinedError(affix);
    if (!affix.is_string()) return BadInput("expected a string or a tuple of them, not '{}'", TypeName(affix));
    const bool has = at_end ? part.ends_with(affix.bytes()) : part.starts_with(affix.bytes());
    if (has && window.inside) return Value::Bool(true);
  }
  return Value::Bool(false);
}

template <bool at_end>
Result<Value> RemoveAffix(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Text* affix, TextArgument(args, 0));
  const Text& text = self.text();
  const bool has = at_end ? text.bytes().ends_with(affix->bytes())
                          : text.bytes().starts_with(affix->bytes());
  if (!has) return self;
  return Part(runtime, text, at_end ? 0 : affix->size(), text.size() - (at_end ? affix->size() : 0));
}

// ---- Everything else.

Result<Value> JoinMethod(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, *args[0]));
  for (const Value& item : items) {
    if (!item.is_string()) return BadInput("join: expected strings, found '{}'", TypeName(item));
  }
  return JoinText(runtime, items, self.text());
}

Result<Value> ReplaceMethod(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Text* old, TextArgument(args, 0));
  WEIR_TRY(const Text* with, TextArgument(args, 1));
  WEIR_TRY(const int64_t count, args.IntegerOr(2, -1));
  return Replace(runtime, self.text(), *old, *with, count);
}

Result<Value> ZeroFill(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const int64_t width, args.IntegerOr(0, 0));
  const Text& text = self.text();
  const bool sign = text.bytes().starts_with('-') || text.bytes().starts_with('+');
  const Text zero("0", Origin::kData);
  const Value digits = Part(runtime, text, sign, text.size());
  WEIR_TRY(const Value padded, Pad(runtime, digits.text(), width - sign, &zero, true, false));
  TextBuilder out = runtime.NewBuilder();
  out.Append(text, 0, sign);
  out.Append(padded.text());
  return runtime.Finish(out);
}

Result<Value> ExpandTabs(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const int64_t size, args.IntegerOr(0, 8));
  const Text& text = self.text();
  TextBuilder out = runtime.NewBuilder();
  int64_t column = 0;
  for (size_t at = 0; at < text.size() && !out.overflowed();) {
    const Character c = CharacterAt(text.bytes(), at);
    at = c.end;
    if (c.code_point != '\t') {
      column = c.code_point == '\n' || c.code_point == '\r' ? 0 : column + 1;
      out.Append(text, c.begin, c.end);
      continue;
    }
    const int64_t n = size > 0 ? size - column % size : 0;
    WEIR_RETURN_IF_ERROR(runtime.Spend(n));
    for (int64_t i = 0; i < n; ++i) out.Append(" ", text.OriginAt(c.begin));
    column += n;
  }
  return runtime.Finish(out);
}

Result<Value> FormatMethod(Runtime& runtime, const Value& self, const Arguments& args) {
  return FormatBraces(runtime, self.text(), args.all());
}

bool IsAlpha(uint32_t c) { return CharClassTable()[c] == CharClass::kLetter; }
bool IsNumeric(uint32_t c) { return CharClassTable()[c] == CharClass::kNumber; }
bool IsAlphanumeric(uint32_t c) { return IsAlpha(c) || IsNumeric(c); }
bool IsAscii(uint32_t c) { return c < 0x80; }

/// isalpha and its kin: whether it is so of every character, of which there must be one.
template <bool (*is)(uint32_t)>
Result<Value> IsAll(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(self.bytes().size()));
  for (size_t at = 0; at < self.bytes().size();) {
    const Character c = CharacterAt(self.bytes(), at);
    if (!is(c.code_point)) return Value::Bool(false);
    at = c.end;
  }
  return Value::Bool(!self.bytes().empty() || is == IsAscii);
}

template <bool upper>
Result<Value> IsCase(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(const bool all, IsAllCase(runtime, self.text(), upper));
  return Value::Bool(all);
}

}  // namespace

std::span<const FunctionEntry> StringMethods() {
  static constexpr FunctionEntry kMethods[] = {
      {"strip", "chars", 0, StripMethod<true, true>},
      {"lstrip", "chars", 0, StripMethod<true, false>},
      {"rstrip", "chars", 0, StripMethod<false, true>},
      {"split", "sep,maxsplit", 0, Split<false>},
      {"rsplit", "sep,maxsplit", 0, Split<true>},
      {"splitlines", "keepends", 0, SplitLines},
      {"partition", "sep", 1, Partition<false>},
      {"rpartition", "sep", 1, Partition<true>},
      {"startswith", "prefix,start,end", 1, HasAffix<false>},
      {"endswith", "suffix,start,end", 1, HasAffix<true>},
      {"removeprefix", "prefix", 1, RemoveAffix<false>},
      {"removesuffix", "suffix", 1, RemoveAffix<true>},
      {"find", "sub,start,end", 1, Find<false, false>},
      {"rfind", "sub,start,end", 1, Find<true, false>},
      {"index", "sub,start,end", 1, Find<false, true>},
      {"rindex", "sub,start,end", 1, Find<true, true>},
      {"count", "sub,start,end", 1, Count},
      {"replace", "old,new,count", 2, ReplaceMethod},
      {"join", "iterable", 1, JoinMethod},
      {"format", "*", 0, FormatMethod},
      {"upper", "", 0, CaseMethod<Case::kUpper>},
      {"lower", "", 0, CaseMethod<Case::kLower>},
      {"casefold", "", 0, CaseMethod<Case::kLower>},
      {"title", "", 0, CaseMethod<Case::kTitle>},
      {"capitalize", "", 0, CaseMethod<Case::kCapitalize>},
      {"swapcase", "", 0, CaseMethod<Case::kSwap>},
      {"center", "width,fillchar", 1, PadMethod<true, true>},
      {"ljust", "width,fillchar", 1, PadMethod<false, true>},
      {"rjust", "width,fillchar", 1, PadMethod<true, false>},
      {"zfill", "width", 1, ZeroFill},
      {"expandtabs", "tabsize", 0, ExpandTabs},
      {"isalpha", "", 0, IsAll<IsAlpha>},
      {"isdigit", "", 0, IsAll<IsNumeric>},
      {"isdecimal", "", 0, IsAll<IsNumeric>},
      {"isnumeric", "", 0, IsAll<IsNumeric>},
      {"isalnum", "", 0, IsAll<IsAlphanumeric>},
      {"isspace", "", 0, IsAll<IsSpace>},
      {"isascii", "", 0, IsAll<IsAscii>},
      {"isupper", "", 0, IsCase<true>},
      {"islower", "", 0, IsCase<false>},
  };
  return kMethods;
}

}  // namespace weir::jinja
