// What filters, methods and functions are: a row of a table; and what they are called with.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/jinja/runtime.h"

namespace weir::jinja {

class Arguments;

struct FunctionEntry {
  std::string_view name;
  std::string_view parameters;  // "width,first,blank", "" for none, "*" for whatever is given
  size_t n_required;
  Result<Value> (*body)(Runtime& runtime, const Value& self, const Arguments& args);
};

/// The arguments in the order of the parameters.
class Arguments {
 public:
  /// kBadInput for too many, too few, or of another name.
  static Result<Arguments> Bind(const FunctionEntry& entry, const Args& args);

  /// As they were given.
  const Args& all() const { return *all_; }
  /// The value of parameter i; null where left out.
  const Value* operator[](size_t i) const { return bound_[i]; }
  Value Or(size_t i, const Value& otherwise) const { return bound_[i] ? *bound_[i] : otherwise; }
  bool IsTrueOr(size_t i, bool otherwise) const { return bound_[i] ? IsTrue(*bound_[i]) : otherwise; }
  /// An integer; kBadInput for anything else.
  Result<int64_t> IntegerOr(size_t i, int64_t otherwise) const;
  /// The string; null where left out or None; kBadInput for anything else.
  Result<const Text*> TextOrNull(size_t i) const;

 private:
  static constexpr size_t kMaxParameters = 6;
  explicit Arguments(const Args& args) : all_(&args) {}

  const Args* all_;
  std::array<const Value*, kMaxParameters> bound_{};
};

/// Binds and calls. Errors name the function.
Result<Value> Invoke(Runtime& runtime, const FunctionEntry& entry, const Value& self, const Args& args);

/// The row with this name, or null.
template <class Table>
const typename Table::value_type* FindEntry(const Table& table, std::string_view name) {
  for (const auto& entry : table) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace weir::jinja
