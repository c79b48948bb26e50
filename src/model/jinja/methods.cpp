#include "model/jinja/methods.h"

#include <algorithm>

#include "model/jinja/natives.h"
#include "model/jinja/string_methods.h"

namespace weir::jinja {
namespace {

Result<Value> DictGet(Runtime& runtime, const Value& self, const Arguments& args) {
  WEIR_TRY(const Value* found, FindKey(runtime, self.dict(), *args[0]));
  return found ? *found : args.Or(1, Value::None());
}

template <SequenceType view>
Result<Value> DictView(Runtime& runtime, const Value& self, const Arguments&) {
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().entries()) {
    items.push_back(view == SequenceType::kKeys     ? key
                    : view == SequenceType::kValues ? value
                                                    : runtime.NewTuple({key, value}));
  }
  WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(items.size())));
  return runtime.NewSequence(std::move(items), view);
}

/// Values do not change, so that one is as good as its copy.
Result<Value> Copy(Runtime&, const Value& self, const Arguments&) { return self; }

Result<Value> ListCount(Runtime& runtime, const Value& self, const Arguments& args) {
  int64_t n = 0;
  for (const Value& item : self.sequence().items) {
    WEIR_TRY(const bool equal, IsEqual(runtime, item, *args[0]));
    n += equal;
  }
  return Value::Int(n);
}

Result<Value> ListIndex(Runtime& runtime, const Value& self, const Arguments& args) {
  const std::vector<Value>& items = self.sequence().items;
  for (size_t i = 0; i < items.size(); ++i) {
    WEIR_TRY(const bool equal, IsEqual(runtime, items[i], *args[0]));
    if (equal) return Value::Int(static_cast<int64_t>(i));
  }
  return BadInput("index: the value is not in the list");
}

constexpr FunctionEntry kDictMethods[] = {
    {"get", "key,default", 1, DictGet},
    {"items", "", 0, DictView<SequenceType::kItems>},
    {"keys", "", 0, DictView<SequenceType::kKeys>},
    {"values", "", 0, DictView<SequenceType::kValues>},
    {"copy", "", 0, Copy},
};
constexpr FunctionEntry kListMethods[] = {
    {"count", "value", 1, ListCount},
    {"index", "value", 1, ListIndex},
    {"copy", "", 0, Copy},
};

/// What would change a value, and is refused by Jinja's sandbox.
constexpr std::string_view kDictMutators[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kListMutators[] = {"append", "clear",  "extend",  "insert",
                                              "pop",    "remove", "reverse", "sort"};

struct MethodTable {
  std::span<const FunctionEntry> methods;
  std::span<const std::string_view> mutators;
};

MethodTable MethodsOf(const Value& self) {
  if (self.is_string()) return {StringMethods(), {}};
  if (self.is_dict()) return {kDictMethods, kDictMutators};
  if (!self.is_sequence()) return {};
  const SequenceType type = self.sequence().type;
  if (type == SequenceType::kList) return {kListMethods, kListMutators};
  if (type == SequenceType::kTuple) return {std::span(kListMethods).first(2), {}};
  return {};
}

}  // namespace

std::optional<Value> FindMethod(Runtime&, const Value& self, std::string_view name) {
  const MethodTable table = MethodsOf(self);
  if (const FunctionEntry* entry = FindEntry(table.methods, name)) {
    return Value::Of(std::make_shared<const Function>(*entry, self));
  }
  if (std::find(table.mutators.begin(), table.mutators.end(), name) != table.mutators.end()) {
    return Value::Undefined(
        fmt::format("'{}' would change a '{}', which templates cannot do", name, TypeName(self)));
  }
  return std::nullopt;
}

}  // namespace weir::jinja
