// Filters on lists and dicts.
#include <algorithm>
#include <functional>

#include "model/jinja/arithmetic.h"
#include "model/jinja/filters.h"
#include "model/jinja/methods.h"
#include "model/jinja/tests.h"
#include "model/jinja/text_functions.h"

namespace weir::jinja {
namespace {

/// What an element counts as where `attribute` (null: itself) is compared: strings in small letters unless
/// case matters.
Result<Value> KeyOf(Runtime& runtime, const Value& item, const Value* attribute, bool case_sensitive) {
  Value key = item;
  if (attribute && !attribute->is_none()) {
    WEIR_TRY(key, GetPath(runtime, item, *attribute));
  }
  if (case_sensitive || !key.is_string()) return key;
  return ChangeCase(runtime, key.text(), Case::kLower);
}

struct Keyed {
  Value key, item;
};

/// Stable; equal ones keep their order in reverse, too.
Status SortKeyed(Runtime& runtime, std::vector<Keyed>& keyed, bool reverse) {
  Status status;
  const auto less = [&](const Keyed& a, const Keyed& b) {
    if (!status.ok()) return false;
    const Result<bool> result =
        reverse ? IsLess(runtime, b.key, a.key) : IsLess(runtime, a.key, b.key);
    if (!result.ok()) status = result.error();
    return result.ok() && *result;
  };
  std::stable_sort(keyed.begin(), keyed.end(), less);
  return status;
}

Result<std::vector<Keyed>> WithKeys(Runtime& runtime, const Value& self, const Value* attribute,
                                    bool case_sensitive) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    WEIR_TRY(Value key, KeyOf(runtime, item, attribute, case_sensitive));
    keyed.push_back({std::move(key), item});
  }
  return keyed;
}

std::vector<Value> ItemsOf(const std::vector<Keyed>& keyed) {
  std::vector<Value> items;
  for (const Keyed& entry : keyed) items.push_back(entry.item);
  return items;
}

/// "a,b" orders by a, then by b: the key is the list of them.
Result<Value> SortKey(Runtime& runtime, const Value& item, const Value* attribute, bool case_sensitive) {
  if (!attribute || !attribute->is_string() || attribute->bytes().find(',') == std::string::npos) {
    return KeyOf(runtime, item, attribute, case_sensitive);
  }
  std::vector<Value> keys;
  std::string_view rest = attribute->bytes();
  while (true) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const Value part = runtime.Data(std::string(rest.substr(0, comma)));
    WEIR_TRY(Value key, KeyOf(runtime, item, &part, case_sensitive));
    keys.push_back(std::move(key));
    if (comma == rest.size()) return runtime.NewList(std::move(keys));
    rest.remove_prefix(comma + 1);
  }
}

Result<Value> Sort(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    WEIR_TRY(Value key, SortKey(runtime, item, args[2], args.IsTrueOr(1, false)));
    keyed.push_back({std::move(key), item});
  }
  WEIR_RETURN_IF_ERROR(SortKeyed(runtime, keyed, args.IsTrueOr(0, false)));
  return runtime.NewList(ItemsOf(keyed));
}

Result<Value> DictSort(Runtime& runtime, const Value& self, const Arguments& args) {
  if (self.is_undefined()) return UndefinedError(self);
  if (!self.is_dict()) return BadInput("dictsort needs a dict, not '{}'", TypeName(self));
  WEIR_TRY(const Text* by, args.TextOrNull(1));
  const bool by_value = by && by->bytes() == "value";
  if (by && !by_value && by->bytes() != "key") return BadInput("dictsort: expected by='key' or 'value'");
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : self.dict().entries()) {
    WEIR_TRY(Value order, KeyOf(runtime, by_value ? value : key, nullptr, args.IsTrueOr(0, false)));
    keyed.push_back({std::move(order), runtime.NewTuple({key, value})});
  }
  WEIR_RETURN_IF_ERROR(SortKeyed(runtime, keyed, args.IsTrueOr(2, false)));
  return runtime.NewList(ItemsOf(keyed));
}

Result<Value> Unique(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Keyed> keyed, WithKeys(runtime, self, args[1], args.IsTrueOr(0, false)));
  const auto seen = runtime.NewDict();
  std::vector<Value> items;
  for (const auto& [key, item] : keyed) {
    if (!IsHashable(key)) return BadInput("unique: a '{}' cannot be compared", TypeName(key));
    if (seen->Find(key)) continue;
    seen->Set(key, Value::None());
    items.push_back(item);
  }
  return runtime.NewIterator(std::move(items));
}

template <bool largest>
Result<Value> Extreme(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Keyed> keyed, WithKeys(runtime, self, args[1], args.IsTrueOr(0, false)));
  if (keyed.empty()) return Value::Undefined("there is no smallest or largest of nothing");
  const Keyed* best = &keyed[0];
  for (const Keyed& entry : keyed) {
    WEIR_TRY(const bool better, largest ? IsLess(runtime, best->key, entry.key)
                                        : IsLess(runtime, entry.key, best->key));
    if (better) best = &entry;
  }
  return best->item;
}

Result<Value> GroupBy(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  const bool case_sensitive = args.IsTrueOr(2, false);
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    WEIR_TRY(const Value key, GetPath(runtime, item, *args[0], args.Or(1, Value())));
    WEIR_TRY(Value order, KeyOf(runtime, key, nullptr, case_sensitive));
    keyed.push_back({std::move(order), runtime.NewTuple({key, item})});
  }
  WEIR_RETURN_IF_ERROR(SortKeyed(runtime, keyed, false));
  std::vector<Value> groups;
  for (size_t i = 0; i < keyed.size();) {
    const Value key = keyed[i].item.sequence().items[0];
    std::vector<Value> members;
    size_t end = i;
    for (; end < keyed.size(); ++end) {
      WEIR_TRY(const bool same, IsEqual(runtime, keyed[end].key, keyed[i].key));
      if (!same) break;
      members.push_back(keyed[end].item.sequence().items[1]);
    }
    groups.push_back(runtime.NewSequence({key, runtime.NewList(std::move(members))}, SequenceType::kGroup));
    i = end;
  }
  return runtime.NewList(std::move(groups));
}

Result<Value> Join(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(std::vector<Value> items, Iterate(runtime, self));
  if (args[1] && !args[1]->is_none()) {
    for (Value& item : items) {
      WEIR_TRY(item, GetPath(runtime, item, *args[1]));
    }
  }
  WEIR_TRY(const Value separator, ToString(runtime, args.Or(0, runtime.Data({}))));
  return JoinText(runtime, items, separator.text());
}

Result<Value> First(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  if (items.empty()) return Value::Undefined("there is no first item of nothing");
  return items.front();
}

Status CheckReversible(const Value& self) {
  const bool iterator = self.is_sequence() && self.sequence().type == SequenceType::kIterator;
  if (iterator || self.is_undefined()) return BadInput("'{}' object is not reversible", TypeName(self));
  return {};
}

Result<Value> Last(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_RETURN_IF_ERROR(CheckReversible(self));
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  if (items.empty()) return Value::Undefined("there is no last item of nothing");
  return items.back();
}

Result<Value> LengthFilter(Runtime&, const Value& self, const Arguments&) {
  WEIR_TRY(const int64_t length, Length(self));
  return Value::Int(length);
}

Result<Value> List(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(std::vector<Value> items, Iterate(runtime, self));
  return runtime.NewList(std::move(items));
}

Result<Value> Reverse(Runtime& runtime, const Value& self, const Arguments&) {
  WEIR_TRY(std::vector<Value> items, Iterate(runtime, self));
  std::reverse(items.begin(), items.end());
  if (self.is_string()) return JoinText(runtime, items, Text());
  return runtime.NewIterator(std::move(items));
}

Result<Value> Sum(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  Value total = args.Or(1, Value::Int(0));
  for (const Value& item : items) {
    Value term = item;
    if (args[0] && !args[0]->is_none()) {
      WEIR_TRY(term, GetPath(runtime, item, *args[0]));
    }
    if (term.is_string()) return BadInput("strings have no sum: use join");
    WEIR_TRY(total, Apply(runtime, BinaryOperator::kAdd, total, term));
  }
  return total;
}

Result<Value> Items(Runtime& runtime, const Value& self, const Arguments&) {
  std::vector<Value> pairs;
  if (!self.is_undefined()) {
    if (!self.is_dict()) return BadInput("items needs a dict, not '{}'", TypeName(self));
    for (const auto& [key, value] : self.dict().entries()) {
      pairs.push_back(runtime.NewTuple({key, value}));
    }
    WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(pairs.size())));
  }
  return runtime.NewIterator(std::move(pairs));
}

Result<Value> Batch(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  WEIR_TRY(const int64_t size, args.IntegerOr(0, 1));
  if (size <= 0) return BadInput("batch: expected a positive size, found {}", size);
  std::vector<Value> batches, batch;
  for (const Value& item : items) {
    batch.push_back(item);
    if (static_cast<int64_t>(batch.size()) < size) continue;
    batches.push_back(runtime.NewList(std::move(batch)));
    batch.clear();
  }
  if (!batch.empty()) {
    if (args[1] && !args[1]->is_none()) {
      WEIR_RETURN_IF_ERROR(runtime.Spend(size));
      batch.resize(static_cast<size_t>(size), *args[1]);
    }
    batches.push_back(runtime.NewList(std::move(batch)));
  }
  return runtime.NewIterator(std::move(batches));
}

/// `n` lists of nearly equal length, the longer ones first.
Result<Value> Slice(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  WEIR_TRY(const int64_t n, args.IntegerOr(0, 1));
  if (n <= 0) return BadInput("slice: expected a positive number of slices, found {}", n);
  WEIR_RETURN_IF_ERROR(runtime.Spend(n));
  const int64_t length = static_cast<int64_t>(items.size()), each = length / n, longer = length % n;
  std::vector<Value> slices;
  auto from = items.begin();
  for (int64_t i = 0; i < n; ++i) {
    std::vector<Value> slice(from, from + each + (i < longer));
    from += each + (i < longer);
    if (args[1] && !args[1]->is_none() && i >= longer) slice.push_back(*args[1]);
    slices.push_back(runtime.NewList(std::move(slice)));
    if (i % 1024 == 0) WEIR_RETURN_IF_ERROR(runtime.Spend());
  }
  return runtime.NewIterator(std::move(slices));
}

Result<Value> Default(Runtime& runtime, const Value& self, const Arguments& args) {
  const bool replaced = self.is_undefined() || (args.IsTrueOr(1, false) && !IsTrue(self));
  return replaced ? args.Or(0, runtime.Data({})) : self;
}

Result<Value> Attr(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Value name, ToString(runtime, *args[0]));
  if (self.is_undefined()) return UndefinedError(self);
  if (self.is_native()) return GetAttribute(runtime, self, name.bytes());
  const std::optional<Value> method = FindMethod(runtime, self, name.bytes());
  return method ? *method : Value::Undefined(fmt::format("no attribute '{}'", name.bytes()));
}

/// The arguments of a filter or test that is named in the first one.
Args Rest(const std::vector<Value>& positional, size_t n_used, const Args& args) {
  return {{positional.begin() + static_cast<ptrdiff_t>(n_used), positional.end()}, args.named};
}

Result<Value> MapAttribute(Runtime& runtime, const std::vector<Value>& items, const Args& args) {
  const Value* path = nullptr;
  Value otherwise;
  for (const auto& [name, value] : args.named) {
    if (name == "attribute") {
      path = &value;
    } else if (name == "default") {
      otherwise = value;
    } else {
      return BadInput("map has no parameter '{}'", name);
    }
  }
  if (!path) return BadInput("map needs the name of a filter, or attribute=");
  std::vector<Value> mapped;
  for (const Value& item : items) {
    WEIR_TRY(Value value, GetPath(runtime, item, *path, otherwise));
    mapped.push_back(std::move(value));
  }
  return runtime.NewIterator(std::move(mapped));
}

Result<Value> Map(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Args& args = arguments.all();
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  if (args.positional.empty()) return MapAttribute(runtime, items, args);
  if (!args.positional[0].is_string()) return BadInput("map needs the name of a filter");
  const Args rest = Rest(args.positional, 1, args);
  std::vector<Value> mapped;
  for (const Value& item : items) {
    WEIR_TRY(Value value, ApplyFilter(runtime, args.positional[0].bytes(), item, rest));
    WEIR_RETURN_IF_ERROR(runtime.Spend());
    mapped.push_back(std::move(value));
  }
  return runtime.NewIterator(std::move(mapped));
}

/// select, reject, and by an attribute: elements for which a test (by default: being true) holds, or not.
template <bool keep, bool by_attribute>
Result<Value> Select(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Args& args = arguments.all();
  const size_t n_before = by_attribute ? 1 : 0;
  WEIR_TRY(const std::vector<Value> items, Iterate(runtime, self));
  const bool has_test = args.positional.size() > n_before;
  if (has_test && !args.positional[n_before].is_string()) return BadInput("expected the name of a test");
  const Args rest = Rest(args.positional, n_before + has_test, args);
  std::vector<Value> selected;
  for (const Value& item : items) {
    WEIR_RETURN_IF_ERROR(runtime.Spend());
    Value subject = item;
    if (by_attribute) {
      WEIR_TRY(subject, GetPath(runtime, item, args.positional[0]));
    }
    bool holds = IsTrue(subject);
    if (has_test) {
      WEIR_TRY(holds, ApplyTest(runtime, args.positional[n_before].bytes(), subject, rest));
    }
    if (holds == keep) selected.push_back(item);
  }
  return runtime.NewIterator(std::move(selected));
}

}  // namespace

std::span<const FunctionEntry> SequenceFilters() {
  static constexpr FunctionEntry kFilters[] = {
      {"length", "", 0, LengthFilter},
      {"count", "", 0, LengthFilter},
      {"default", "default_value,boolean", 0, Default},
      {"d", "default_value,boolean", 0, Default},
      {"join", "d,attribute", 0, Join},
      {"items", "", 0, Items},
      {"list", "", 0, List},
      {"first", "", 0, First},
      {"last", "", 0, Last},
      {"map", "*", 0, Map},
      {"select", "*", 0, Select<true, false>},
      {"reject", "*", 0, Select<false, false>},
      {"selectattr", "*", 1, Select<true, true>},
      {"rejectattr", "*", 1, Select<false, true>},
      {"sort", "reverse,case_sensitive,attribute", 0, Sort},
      {"dictsort", "case_sensitive,by,reverse", 0, DictSort},
      {"unique", "case_sensitive,attribute", 0, Unique},
      {"min", "case_sensitive,attribute", 0, Extreme<false>},
      {"max", "case_sensitive,attribute", 0, Extreme<true>},
      {"groupby", "attribute,default,case_sensitive", 1, GroupBy},
      {"reverse", "", 0, Reverse},
      {"sum", "attribute,start", 0, Sum},
      {"batch", "linecount,fill_with", 1, Batch},
      {"slice", "slices,fill_with", 1, Slice},
      {"attr", "name", 1, Attr},
  };
  return kFilters;
}

}  // namespace weir::jinja
