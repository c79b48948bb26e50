#include "model/jinja/value.h"

#include <algorithm>
#include <functional>

namespace weir::jinja {
namespace {

/// Below this, comparing all keys is faster than an index.
constexpr size_t kIndexedFrom = 9;

struct StringObject {
  StringObject(Text string, Budget* budget)
      : text(std::move(string)), charge(budget, text.size() + 96) {}
  Text text;
  Charge charge;
};

struct UndefinedObject {
  std::string message;
};

size_t Hash(const Value& key) {
  switch (key.kind()) {
    case Kind::kString: return std::hash<std::string_view>()(key.bytes());
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat: return std::hash<double>()(key.real());
    case Kind::kSequence: {
      size_t hash = 1;
      for (const Value& item : key.sequence().items) hash = hash * 31 + Hash(item);
      return hash;
    }
    default: return 0;
  }
}

/// Of hashable values.
bool KeysEqual(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return a.is_integer() && b.is_integer() ? a.integer() == b.integer() : a.real() == b.real();
  }
  if (a.kind() != b.kind()) return false;
  if (a.is_string()) return a.bytes() == b.bytes();
  if (a.is_sequence()) {
    const auto &x = a.sequence().items, &y = b.sequence().items;
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), KeysEqual);
  }
  return a.Same(b) || a.is_none() || a.is_undefined();
}

}  // namespace

std::optional<Value> Native::Attribute(Runtime&, std::string_view) const { return std::nullopt; }

Result<Value> Native::Call(Runtime&, Args) const {
  return BadInput("'{}' object is not callable", TypeName());
}

Value Value::Undefined(std::string message) {
  return {Kind::kUndefined, std::make_shared<UndefinedObject>(UndefinedObject{std::move(message)})};
}

Value Value::Bool(bool value) {
  Value result(Kind::kBool);
  result.integer_ = value;
  return result;
}

Value Value::Int(int64_t value) {
  Value result(Kind::kInt);
  result.integer_ = value;
  return result;
}

Value Value::Float(double value) {
  Value result(Kind::kFloat);
  result.real_ = value;
  return result;
}

Value Value::String(Text text, Budget* budget) {
  auto object = std::make_shared<const StringObject>(std::move(text), budget);
  const Text* inner = &object->text;
  return {Kind::kString, std::shared_ptr<const void>(std::move(object), inner)};
}

Value Value::Of(std::shared_ptr<const Sequence> sequence) {
  return {Kind::kSequence, std::move(sequence)};
}
Value Value::Of(std::shared_ptr<const Dict> dict) { return {Kind::kDict, std::move(dict)}; }
Value Value::Of(std::shared_ptr<const Native> native) { return {Kind::kNative, std::move(native)}; }

std::string Value::UndefinedMessage() const {
  return object_ ? static_cast<const UndefinedObject*>(object_.get())->message
                 : "the value is undefined";
}

int Value::depth() const {
  switch (kind_) {
    case Kind::kSequence: return sequence().depth;
    case Kind::kDict: return dict().depth();
    case Kind::kNative: return native().depth();
    default: return 0;
  }
}

bool Value::Same(const Value& other) const {
  if (kind_ != other.kind_) return false;
  if (object_ || other.object_) return object_ == other.object_;
  return kind_ == Kind::kFloat ? real_ == other.real_ : integer_ == other.integer_;
}

Sequence::Sequence(std::vector<Value> values, SequenceType sequence_type, Budget* budget)
    : items(std::move(values)),
      type(sequence_type),
      depth(0),
      charge_(budget, items.capacity() * sizeof(Value) + 96) {
  for (const Value& item : items) depth = std::max(depth, item.depth());
  ++depth;
}

template <class Equals>
const Dict::Entry* Dict::FindEntry(size_t hash, Equals equals) const {
  if (index_.empty()) {
    for (const Entry& entry : entries_) {
      if (equals(entry.key)) return &entry;
    }
    return nullptr;
  }
  const auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (equals(entries_[it->second].key)) return &entries_[it->second];
  }
  return nullptr;
}

const Value* Dict::Find(const Value& key) const {
  if (key.is_string()) return Find(key.bytes());
  const Entry* entry =
      FindEntry(Hash(key), [&](const Value& other) { return KeysEqual(key, other); });
  return entry ? &entry->value : nullptr;
}

const Value* Dict::Find(std::string_view key) const {
  const Entry* entry = FindEntry(std::hash<std::string_view>()(key), [&](const Value& other) {
    return other.is_string() && other.bytes() == key;
  });
  return entry ? &entry->value : nullptr;
}

void Dict::Set(Value key, Value value) {
  depth_ = std::max(depth_, 1 + std::max(key.depth(), value.depth()));
  if (const Value* found = Find(key)) {
    *const_cast<Value*>(found) = std::move(value);
    return;
  }
  charge_.Add(3 * sizeof(Entry));
  entries_.push_back({std::move(key), std::move(value)});
  if (entries_.size() < kIndexedFrom) return;
  for (size_t i = index_.size(); i < entries_.size(); ++i) {
    index_.emplace(Hash(entries_[i].key), static_cast<uint32_t>(i));
  }
}

bool IsHashable(const Value& value) {
  if (value.is_dict()) return false;
  if (!value.is_sequence()) return true;
  constexpr size_t kMaxItems = 16;
  const Sequence& sequence = value.sequence();
  return sequence.type == SequenceType::kTuple && sequence.depth == 1 &&
         sequence.items.size() <= kMaxItems;
}

std::string_view TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kDict: return "dict";
    case Kind::kNative: return value.native().TypeName();
    case Kind::kSequence: break;
  }
  static constexpr std::string_view kNames[] = {"list",      "tuple",       "range",    "dict_keys",
                                                "dict_values", "dict_items", "tuple", "generator"};
  return kNames[static_cast<size_t>(value.sequence().type)];
}

}  // namespace weir::jinja
