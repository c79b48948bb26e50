// Truth, equality, order, membership, iteration.
#include <algorithm>

#include "model/jinja/runtime.h"

namespace weir::jinja {
namespace {

Result<bool> ItemsEqual(Runtime& runtime, const Sequence& a, const Sequence& b) {
  if (a.type != b.type || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    WEIR_TRY(const bool equal, IsEqual(runtime, a.items[i], b.items[i]));
    if (!equal) return false;
  }
  return true;
}

Result<bool> EntriesEqual(Runtime& runtime, const Dict& a, const Dict& b) {
  if (a.entries().size() != b.entries().size()) return false;
  for (const Dict::Entry& entry : a.entries()) {
    const Value* other = b.Find(entry.key);
    if (!other) return false;
    WEIR_TRY(const bool equal, IsEqual(runtime, entry.value, *other));
    if (!equal) return false;
  }
  return true;
}

Result<bool> ItemsLess(Runtime& runtime, const Sequence& a, const Sequence& b) {
  for (size_t i = 0; i < std::min(a.items.size(), b.items.size()); ++i) {
    WEIR_TRY(const bool equal, IsEqual(runtime, a.items[i], b.items[i]));
    if (!equal) return IsLess(runtime, a.items[i], b.items[i]);
  }
  return a.items.size() < b.items.size();
}

bool HasOrder(const Value& a, const Value& b) {
  if (!a.is_sequence() || !b.is_sequence()) return false;
  const SequenceType type = a.sequence().type;
  return type == b.sequence().type &&
         (type == SequenceType::kList || type == SequenceType::kTuple);
}

Result<std::vector<Value>> Characters(Runtime& runtime, const Text& text) {
  std::vector<Value> characters;
  WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(text.size())));
  for (size_t at = 0; at < text.size();) {
    const Character c = CharacterAt(text.bytes(), at);
    TextBuilder one = runtime.NewBuilder();
    one.Append(text, c.begin, c.end);
    characters.push_back(runtime.String(one.Take()));
    if (characters.size() % 4096 == 0) WEIR_RETURN_IF_ERROR(runtime.Spend());
    at = c.end;
  }
  return characters;
}

}  // namespace

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return value.integer() != 0;
    case Kind::kFloat: return value.real() != 0;
    case Kind::kString: return !value.text().empty();
    case Kind::kDict: return !value.dict().entries().empty();
    case Kind::kNative: return true;
    case Kind::kSequence: break;
  }
  const Sequence& sequence = value.sequence();
  return sequence.type == SequenceType::kIterator || !sequence.items.empty();
}

Result<bool> IsEqual(Runtime& runtime, const Value& a, const Value& b) {
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(a.is_string() ? a.bytes().size() : 0));
  if (a.is_number() && b.is_number()) {
    return a.is_integer() && b.is_integer() ? a.integer() == b.integer() : a.real() == b.real();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString: return a.bytes() == b.bytes();
    case Kind::kSequence:
      return a.Same(b) ? Result<bool>(true) : ItemsEqual(runtime, a.sequence(), b.sequence());
    case Kind::kDict:
      return a.Same(b) ? Result<bool>(true) : EntriesEqual(runtime, a.dict(), b.dict());
    case Kind::kNative: return a.Same(b);
    default: return true;  // none, or undefined: both are
  }
}

Result<bool> IsLess(Runtime& runtime, const Value& a, const Value& b) {
  WEIR_RETURN_IF_ERROR(runtime.SpendBytes(a.is_string() ? a.bytes().size() : 0));
  if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.real() < b.real();
  if (a.is_string() && b.is_string()) return a.bytes() < b.bytes();
  if (HasOrder(a, b)) return ItemsLess(runtime, a.sequence(), b.sequence());
  if (a.is_undefined()) return UndefinedError(a);
  if (b.is_undefined()) return UndefinedError(b);
  return BadInput("'{}' and '{}' have no order", TypeName(a), TypeName(b));
}

Result<bool> Contains(Runtime& runtime, const Value& haystack, const Value& needle) {
  if (haystack.is_string()) {
    if (!needle.is_string()) {
      return BadInput("in a string only a string can be looked for, not '{}'", TypeName(needle));
    }
    WEIR_RETURN_IF_ERROR(runtime.SpendBytes(haystack.bytes().size()));
    return FindBytes(haystack.bytes(), needle.bytes()) != std::string_view::npos;
  }
  if (haystack.is_dict()) {
    WEIR_TRY(const Value* found, FindKey(runtime, haystack.dict(), needle));
    return found != nullptr;
  }
  if (!haystack.is_sequence() && !haystack.is_undefined()) {
    return BadInput("argument of type '{}' is not iterable", TypeName(haystack));
  }
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, haystack));
  for (const Value& item : items) {
    WEIR_TRY(const bool equal, IsEqual(runtime, item, needle));
    if (equal) return true;
  }
  return false;
}

Result<std::vector<Value>> Iterate(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return std::vector<Value>();
    case Kind::kString: return Characters(runtime, value.text());
    case Kind::kDict: {
      std::vector<Value> keys;
      for (const Dict::Entry& entry : value.dict().entries()) keys.push_back(entry.key);
      WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(keys.size())));
      return keys;
    }
    case Kind::kSequence: {
      const Sequence& sequence = value.sequence();
      if (sequence.consumed) return std::vector<Value>();
      sequence.consumed = sequence.type == SequenceType::kIterator;
      WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(sequence.items.size())));
      return sequence.items;
    }
    default: return BadInput("'{}' object is not iterable", TypeName(value));
  }
}

Result<int64_t> Length(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: return CountCharacters(value.bytes());
    case Kind::kDict: return static_cast<int64_t>(value.dict().entries().size());
    case Kind::kSequence:
      if (value.sequence().type != SequenceType::kIterator) {
        return static_cast<int64_t>(value.sequence().items.size());
      }
      [[fallthrough]];
    default: return BadInput("object of type '{}' has no len()", TypeName(value));
  }
}

}  // namespace weir::jinja
