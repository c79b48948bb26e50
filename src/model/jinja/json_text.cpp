#include "model/jinja/json_text.h"

#include <algorithm>
#include <cmath>

namespace weir::jinja {
namespace {

struct Style {
  bool ensure_ascii = false, sort_keys = false, multiline = false;
  std::string indent, between_items, after_key;
};

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, const Style& style)
      : runtime_(runtime), style_(style), out_(runtime.NewBuilder()) {}

  Status Write(const Value& value);
  Result<Value> Finish() { return runtime_.Finish(out_); }

 private:
  void Put(std::string_view bytes) { out_.Append(bytes, Origin::kData); }
  void BreakLine();
  Status WriteString(const Text& text);
  Status WriteItems(const std::vector<Value>& items);
  Status WriteDict(const Dict& dict);
  Status WriteKey(const Value& key);
  Result<std::vector<Dict::Entry>> Ordered(const Dict& dict);

  Runtime& runtime_;
  const Style& style_;
  TextBuilder out_;
  int level_ = 0;
};

void JsonWriter::BreakLine() {
  if (!style_.multiline) return;
  Put("\n");
  for (int i = 0; i < level_; ++i) Put(style_.indent);
}

std::string Escaped(uint32_t c, bool ensure_ascii) {
  static constexpr std::string_view kNames = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
  if (c < 0x80) {
    const size_t known = kNames.find(static_cast<char>(c));
    if (known != std::string_view::npos) return std::string("\\") + kLetters[known];
  }
  if (c < 0x20 || (ensure_ascii && c >= 0x7F && c < 0x10000)) {
    return fmt::format("\\u{:04x}", c);
  }
  if (!ensure_ascii || c < 0x10000) return {};
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10),
                     0xDC00 + ((c - 0x10000) & 0x3FF));
}

Status JsonWriter::WriteString(const Text& text) {
  WEIR_RETURN_IF_ERROR(runtime_.SpendBytes(text.size()));
  Put("\"");
  size_t begin = 0;  // of what stands for itself
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text.bytes(), at);
    at = c.end;
    const std::string escaped = Escaped(c.code_point, style_.ensure_ascii);
    if (escaped.empty()) continue;
    out_.Append(text, begin, c.begin);
    Put(escaped);
    begin = at;
  }
  out_.Append(text, begin, text.size());
  Put("\"");
  return {};
}

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return FloatText(value);
}

Status JsonWriter::Write(const Value& value) {
  WEIR_RETURN_IF_ERROR(runtime_.Spend());
  switch (value.kind()) {
    case Kind::kNone: Put("null"); return {};
    case Kind::kBool: Put(value.boolean() ? "true" : "false"); return {};
    case Kind::kInt: Put(std::to_string(value.integer())); return {};
    case Kind::kFloat: Put(NumberText(value.real())); return {};
    case Kind::kString: return WriteString(value.text());
    case Kind::kDict: return WriteDict(value.dict());
    case Kind::kSequence:
      if (value.sequence().type == SequenceType::kList ||
          value.sequence().type == SequenceType::kTuple) {
        return WriteItems(value.sequence().items);
      }
      break;
    case Kind::kUndefined: return UndefinedError(value);
    case Kind::kNative: break;
  }
  return BadInput("'{}' has no form in JSON", TypeName(value));
}

Status JsonWriter::WriteItems(const std::vector<Value>& items) {
  if (items.empty()) {
    Put("[]");
    return {};
  }
  Put("[");
  ++level_;
  for (size_t i = 0; i < items.size() && !out_.overflowed(); ++i) {
    if (i > 0) Put(style_.between_items);
    BreakLine();
    WEIR_RETURN_IF_ERROR(Write(items[i]));
  }
  --level_;
  BreakLine();
  Put("]");
  return {};
}

Status JsonWriter::WriteKey(const Value& key) {
  if (key.is_string()) return WriteString(key.text());
  if (!key.is_number() && !key.is_none()) {
    return BadInput("a '{}' cannot be a key in JSON", TypeName(key));
  }
  Put("\"");
  WEIR_RETURN_IF_ERROR(Write(key));
  Put("\"");
  return {};
}

Result<std::vector<Dict::Entry>> JsonWriter::Ordered(const Dict& dict) {
  std::vector<Dict::Entry> entries = dict.entries();
  if (!style_.sort_keys) return entries;
  Status status;
  std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
    Result<bool> less = IsLess(runtime_, a.key, b.key);
    if (!less.ok() && status.ok()) status = less.error();
    return less.ok() && *less;
  });
  if (!status.ok()) return status.error();
  return entries;
}

Status JsonWriter::WriteDict(const Dict& dict) {
  if (dict.entries().empty()) {
    Put("{}");
    return {};
  }
  WEIR_TRY(const std::vector<Dict::Entry> entries, Ordered(dict));
  Put("{");
  ++level_;
  for (size_t i = 0; i < entries.size() && !out_.overflowed(); ++i) {
    if (i > 0) Put(style_.between_items);
    BreakLine();
    WEIR_RETURN_IF_ERROR(WriteKey(entries[i].key));
    Put(style_.after_key);
    WEIR_RETURN_IF_ERROR(Write(entries[i].value));
  }
  --level_;
  BreakLine();
  Put("}");
  return {};
}

Status ReadIndent(const Value& indent, Style* style) {
  if (indent.is_none()) return {};
  style->multiline = true;
  if (indent.is_string()) {
    style->indent = indent.bytes();
    return {};
  }
  constexpr int64_t kMaxIndent = 1000;
  if (!indent.is_integer() || indent.integer() > kMaxIndent) {
    return BadInput("indent must be a string or an integer up to {}", kMaxIndent);
  }
  style->indent = std::string(static_cast<size_t>(std::max<int64_t>(0, indent.integer())), ' ');
  return {};
}

Status ReadSeparators(const Value& separators, Style* style) {
  style->between_items = style->multiline ? "," : ", ";
  style->after_key = ": ";
  if (separators.is_none()) return {};
  const bool pair = separators.is_sequence() && separators.sequence().items.size() == 2 &&
                    separators.sequence().items[0].is_string() &&
                    separators.sequence().items[1].is_string();
  if (!pair) return BadInput("separators must be two strings");
  style->between_items = separators.sequence().items[0].bytes();
  style->after_key = separators.sequence().items[1].bytes();
  return {};
}

}  // namespace

Result<Value> ToJson(Runtime& runtime, const Value& value, const Arguments& args) {
  Style style{.ensure_ascii = args.IsTrueOr(0, false), .sort_keys = args.IsTrueOr(3, false),
              .indent = {}, .between_items = {}, .after_key = {}};
  WEIR_RETURN_IF_ERROR(ReadIndent(args.Or(1, Value::None()), &style));
  WEIR_RETURN_IF_ERROR(ReadSeparators(args.Or(2, Value::None()), &style));
  JsonWriter writer(runtime, style);
  WEIR_RETURN_IF_ERROR(writer.Write(value));
  return writer.Finish();
}

}  // namespace weir::jinja
