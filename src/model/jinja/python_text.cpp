// str and repr.
#include <charconv>
#include <cmath>

#include "model/jinja/runtime.h"

namespace weir::jinja {
namespace {

/// Python prints these as escapes inside quotes; other controls as \xNN.
std::string_view ShortEscape(uint32_t c) {
  switch (c) {
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return {};
  }
}

void AppendQuoted(const Text& text, TextBuilder& out) {
  const std::string_view bytes = text.bytes();
  const bool single =
      bytes.find('\'') == std::string_view::npos || bytes.find('"') != std::string_view::npos;
  const std::string_view quote = single ? "'" : "\"";
  out.Append(quote, Origin::kData);
  for (size_t at = 0; at < bytes.size();) {
    const Character c = CharacterAt(bytes, at);
    at = c.end;
    if (const std::string_view escape = ShortEscape(c.code_point); !escape.empty()) {
      out.Append(escape, Origin::kData);
    } else if (c.code_point < 0x20 || (c.code_point >= 0x7F && c.code_point <= 0xA0)) {
      out.Append(fmt::format("\\x{:02x}", c.code_point), Origin::kData);
    } else if (single && c.code_point == '\'') {
      out.Append("\\'", Origin::kData);
    } else {
      out.Append(text, c.begin, c.end);
    }
  }
  out.Append(quote, Origin::kData);
}

Status AppendItems(Runtime& runtime, const std::vector<Value>& items, TextBuilder& out) {
  std::string_view separator;
  for (const Value& item : items) {
    out.Append(separator, Origin::kData);
    WEIR_RETURN_IF_ERROR(AppendRepr(runtime, item, out));
    separator = ", ";
  }
  return {};
}

Status AppendSequence(Runtime& runtime, const Sequence& sequence, TextBuilder& out) {
  switch (sequence.type) {
    case SequenceType::kGroup:
    case SequenceType::kTuple: {
      out.Append("(", Origin::kData);
      WEIR_RETURN_IF_ERROR(AppendItems(runtime, sequence.items, out));
      out.Append(sequence.items.size() == 1 ? ",)" : ")", Origin::kData);
      return {};
    }
    case SequenceType::kIterator: out.Append("<generator object>", Origin::kData); return {};
    default: break;
  }
  const bool list = sequence.type == SequenceType::kList;
  if (!list) {
    static constexpr std::string_view kNames[] = {"", "", "range", "dict_keys", "dict_values",
                                                  "dict_items"};
    out.Append(kNames[static_cast<size_t>(sequence.type)], Origin::kData);
    out.Append("(", Origin::kData);
  }
  out.Append("[", Origin::kData);
  WEIR_RETURN_IF_ERROR(AppendItems(runtime, sequence.items, out));
  out.Append(list ? "]" : "])", Origin::kData);
  return {};
}

Status AppendDict(Runtime& runtime, const Dict& dict, TextBuilder& out) {
  std::string_view separator = "{";
  for (const Dict::Entry& entry : dict.entries()) {
    out.Append(separator, Origin::kData);
    WEIR_RETURN_IF_ERROR(AppendRepr(runtime, entry.key, out));
    out.Append(": ", Origin::kData);
    WEIR_RETURN_IF_ERROR(AppendRepr(runtime, entry.value, out));
    separator = ", ";
  }
  out.Append(dict.entries().empty() ? "{}" : "}", Origin::kData);
  return {};
}

std::string ScalarText(const Value& value) {
  switch (value.kind()) {
    case Kind::kNone: return "None";
    case Kind::kBool: return value.boolean() ? "True" : "False";
    case Kind::kInt: return std::to_string(value.integer());
    case Kind::kFloat: return FloatText(value.real());
    case Kind::kNative: return value.native().Repr();
    default: return "Undefined";
  }
}

}  // namespace

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  const double magnitude = std::fabs(value);
  const bool fixed = magnitude >= 1e-4 && magnitude < 1e16;
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  if (fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

Status AppendRepr(Runtime& runtime, const Value& value, TextBuilder& out) {
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(value.is_string() ? value.bytes().size() : 0));
  switch (value.kind()) {
    case Kind::kString: AppendQuoted(value.text(), out); return {};
    case Kind::kSequence: return AppendSequence(runtime, value.sequence(), out);
    case Kind::kDict: return AppendDict(runtime, value.dict(), out);
    default: out.Append(ScalarText(value), Origin::kData); return {};
  }
}

Result<Value> ToString(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value;
  if (value.is_undefined()) return runtime.Data({});
  TextBuilder out = runtime.NewBuilder();
  WEIR_RETURN_IF_ERROR(AppendRepr(runtime, value, out));
  return runtime.Finish(out);
}

}  // namespace weir::jinja
