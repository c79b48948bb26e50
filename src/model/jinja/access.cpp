// Attributes, items, slices.
#include <algorithm>
#include <charconv>

#include "model/jinja/methods.h"
#include "model/jinja/runtime.h"

namespace weir::jinja {
namespace {

Value NoAttribute(const Value& value, std::string_view name) {
  if (value.is_none()) return Value::Undefined(fmt::format("'None' has no attribute '{}'", name));
  return Value::Undefined(fmt::format("'{} object' has no attribute '{}'", TypeName(value), name));
}

bool HasIndex(const Sequence& sequence) {
  return sequence.type == SequenceType::kList || sequence.type == SequenceType::kTuple ||
         sequence.type == SequenceType::kRange || sequence.type == SequenceType::kGroup;
}

/// A method, or what a native value offers. Names with an underscore in front are Python's own business.
std::optional<Value> FindAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (name.starts_with('_')) return std::nullopt;
  if (value.is_native()) return value.native().Attribute(runtime, name);
  if (value.is_sequence() && value.sequence().type == SequenceType::kGroup) {
    if (name == "grouper") return value.sequence().items[0];
    if (name == "list") return value.sequence().items[1];
  }
  return FindMethod(runtime, value, name);
}

Result<Value> CharacterItem(Runtime& runtime, const Text& text, int64_t index) {
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.size()));
  const int64_t n = CountCharacters(text.bytes());
  if (index < 0) index += n;
  if (index < 0 || index >= n) {
    return Value::Undefined(fmt::format("str object has no element {}", index));
  }
  const Character c = CharacterAt(text.bytes(), ByteOfCharacter(text.bytes(), index));
  TextBuilder out = runtime.NewBuilder();
  out.Append(text, c.begin, c.end);
  return runtime.Finish(out);
}

Value SequenceItem(const Value& value, int64_t index) {
  const auto& items = value.sequence().items;
  const int64_t n = static_cast<int64_t>(items.size());
  const int64_t at = index < 0 ? index + n : index;
  if (at >= 0 && at < n) return items[static_cast<size_t>(at)];
  return Value::Undefined(fmt::format("{} object has no element {}", TypeName(value), index));
}

/// Which elements a slice takes: `count` from `start` on, `step` apart.
struct Slice {
  int64_t start, step, count;
};

/// Python's rules for n elements. The step is not 0.
Slice Resolve(int64_t n, std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step) {
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
  const auto clamp = [&](std::optional<int64_t> at, int64_t otherwise) {
    if (!at) return otherwise;
    return std::clamp(*at < 0 ? *at + n : *at, low, high);
  };
  const int64_t from = clamp(start, step > 0 ? low : high), to = clamp(stop, step > 0 ? high : low);
  const int64_t span = step > 0 ? to - from : from - to;
  if (span <= 0) return {0, 1, 0};
  // The magnitude of a step is only of interest up to the span.
  const int64_t stride = std::min(step > 0 ? step : step < -span ? span : -step, span);
  return {from, step > 0 ? stride : -stride, (span - 1) / stride + 1};
}

Result<Value> SliceText(Runtime& runtime, const Text& text, const Slice& slice) {
  TextBuilder out = runtime.NewBuilder();
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(text.size()));
  if (slice.count > 0 && slice.step == 1) {
    const size_t begin = ByteOfCharacter(text.bytes(), slice.start);
    const std::string_view rest = std::string_view(text.bytes()).substr(begin);
    out.Append(text, begin, begin + ByteOfCharacter(rest, slice.count));
    return runtime.Finish(out);
  }
  WEIR_TRY(const std::vector<Value> characters, Iterate(runtime, runtime.String(text)));
  for (int64_t i = 0; i < slice.count; ++i) {
    out.Append(characters[static_cast<size_t>(slice.start + i * slice.step)].text());
  }
  return runtime.Finish(out);
}

/// A bound of a slice: nothing for None; an Error if it is no integer.
Result<std::optional<int64_t>> Bound(const Value& value) {
  if (value.is_none()) return std::optional<int64_t>();
  if (value.is_integer()) {
    // Far outside is as good as outside, and can be added to.
    constexpr int64_t kFar = int64_t{1} << 40;
    return std::optional<int64_t>(std::clamp(value.integer(), -kFar, kFar));
  }
  return BadInput("slice indices must be integers or none, not '{}'", TypeName(value));
}

}  // namespace

Result<const Value*> FindKey(Runtime& runtime, const Dict& dict, const Value& key) {
  if (!IsHashable(key)) return BadInput("a '{}' cannot be a key", TypeName(key));
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(key.is_string() ? key.bytes().size() : 0));
  return dict.Find(key);
}

Result<Value> GetAttribute(Runtime& runtime, const Value& value, std::string_view name) {
  if (value.is_undefined()) return UndefinedError(value);
  if (std::optional<Value> attribute = FindAttribute(runtime, value, name)) return *attribute;
  if (value.is_dict()) {
    if (const Value* found = value.dict().Find(name)) return *found;
  }
  return NoAttribute(value, name);
}

Result<Value> GetItem(Runtime& runtime, const Value& value, const Value& key) {
  if (value.is_undefined()) return UndefinedError(value);
  if (value.is_dict() && IsHashable(key)) {
    WEIR_TRY(const Value* found, FindKey(runtime, value.dict(), key));
    if (found) return *found;
  }
  if (key.is_integer()) {
    if (value.is_string()) return CharacterItem(runtime, value.text(), key.integer());
    if (value.is_sequence() && HasIndex(value.sequence())) {
      return SequenceItem(value, key.integer());
    }
  }
  if (key.is_string()) {
    if (std::optional<Value> attribute = FindAttribute(runtime, value, key.bytes())) {
      return *attribute;
    }
    return NoAttribute(value, std::string_view(key.bytes()).substr(0, 100));
  }
  return Value::Undefined(fmt::format("{} object has no such element", TypeName(value)));
}

Result<Value> GetPath(Runtime& runtime, const Value& value, const Value& path,
                      const Value& otherwise) {
  if (!path.is_string()) {
    WEIR_TRY(const Value item, GetItem(runtime, value, path));
    return item.is_undefined() && !otherwise.is_undefined() ? otherwise : item;
  }
  Value at = value;
  std::string_view rest = path.bytes();
  while (true) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    int64_t index = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number = parsed.ec == std::errc() && parsed.ptr == part.data() + part.size() &&
                        !part.starts_with('-');
    WEIR_TRY(at, GetItem(runtime, at,
                         number ? Value::Int(index) : runtime.Data(std::string(part))));
    if (at.is_undefined() && !otherwise.is_undefined()) at = otherwise;
    if (part.size() == rest.size()) return at;
    rest.remove_prefix(part.size() + 1);
  }
}

Result<Value> GetSlice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
                       const Value& step) {
  if (value.is_undefined()) return UndefinedError(value);
  if (!value.is_string() && !(value.is_sequence() && HasIndex(value.sequence()))) {
    return Value::Undefined(fmt::format("'{}' object has no slices", TypeName(value)));
  }
  WEIR_TRY(const std::optional<int64_t> from, Bound(start));
  WEIR_TRY(const std::optional<int64_t> to, Bound(stop));
  WEIR_TRY(const std::optional<int64_t> by, Bound(step));
  if (by == 0) return BadInput("a slice's step cannot be zero");
  WEIR_TRY(const int64_t n, Length(value));
  const Slice slice = Resolve(n, from, to, by.value_or(1));
  if (value.is_string()) return SliceText(runtime, value.text(), slice);
  std::vector<Value> items;
  WEIR_RETURN_IF_ERROR(runtime.Spend(slice.count));
  for (int64_t i = 0; i < slice.count; ++i) {
    items.push_back(value.sequence().items[static_cast<size_t>(slice.start + i * slice.step)]);
  }
  return runtime.NewSequence(std::move(items), value.sequence().type);
}

}  // namespace weir::jinja
