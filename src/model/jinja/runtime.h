// What one rendering has used up, and the making of values within its limits; and the operations of Python that
// everything else is made of.
//
// Making a value never fails: what goes over a limit is noted, and the next Spend, which every node and every
// loop does, returns the error.
#pragma once

#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/jinja/limits.h"
#include "model/jinja/value.h"

namespace weir::jinja {

class Runtime {
 public:
  Runtime(const Limits& limits, const std::tm& now) : limits_(limits), now_(now) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const std::tm& now() const { return now_; }
  const Limits& limits() const { return limits_; }
  Budget* budget() { return &budget_; }

  /// Counts work; an Error once a limit is passed.
  Status Spend(int64_t steps = 1);
  Status SpendBytes(size_t n_bytes) { return Spend(1 + static_cast<int64_t>(n_bytes / 64)); }
  /// One level deeper into the template, until the matching Leave.
  Status Enter();
  void Leave() { --depth_; }

  TextBuilder NewBuilder() const { return TextBuilder(limits_.max_string_bytes); }
  /// The string that was built; an Error if it went over the limit.
  Result<Value> Finish(TextBuilder& builder);
  Value String(Text text) { return Value::String(std::move(text), &budget_); }
  /// Text of no template: numbers, punctuation of lists.
  Value Data(std::string bytes) { return String({std::move(bytes), Origin::kData}); }
  Value NewSequence(std::vector<Value> items, SequenceType type);
  Value NewList(std::vector<Value> items) {
    return NewSequence(std::move(items), SequenceType::kList);
  }
  Value NewTuple(std::vector<Value> items) {
    return NewSequence(std::move(items), SequenceType::kTuple);
  }
  Value NewIterator(std::vector<Value> items) {
    return NewSequence(std::move(items), SequenceType::kIterator);
  }
  std::shared_ptr<Dict> NewDict() { return std::make_shared<Dict>(&budget_); }
  /// A finished dict as a value.
  Value Of(std::shared_ptr<const Dict> dict);

  /// Keeps what can become part of a circle; it is cleared at the end.
  void Keep(std::shared_ptr<Native> native) { kept_.push_back(std::move(native)); }

 private:
  Limits limits_;
  std::tm now_;
  Budget budget_;
  int64_t steps_ = 0;
  int depth_ = 0;
  bool too_deep_ = false;
  std::vector<std::shared_ptr<Native>> kept_;
};

// ---- Python's built-in operations.

/// bool(value). An undefined value is false.
bool IsTrue(const Value& value);

/// str(value): a string as it is, anything else as data; nothing for an undefined value.
Result<Value> ToString(Runtime& runtime, const Value& value);
/// repr(value), appended: strings quoted, their characters as they were typed.
Status AppendRepr(Runtime& runtime, const Value& value, TextBuilder& out);
/// str(x) and repr(x) of a float: the shortest digits that are this number, "1.0", "1e+16", "inf".
std::string FloatText(double value);

/// a == b.
Result<bool> IsEqual(Runtime& runtime, const Value& a, const Value& b);
/// a < b; an Error for types without an order.
Result<bool> IsLess(Runtime& runtime, const Value& a, const Value& b);
/// needle in haystack.
Result<bool> Contains(Runtime& runtime, const Value& haystack, const Value& needle);

/// The elements that iterating gives: of a dict its keys, of a string its characters. Undefined has none.
Result<std::vector<Value>> Iterate(Runtime& runtime, const Value& value);
/// The value of `key`, or null; an Error if it cannot be a key.
Result<const Value*> FindKey(Runtime& runtime, const Dict& dict, const Value& key);
/// len(value).
Result<int64_t> Length(const Value& value);

/// value.name, then value[name]; undefined if there is neither.
Result<Value> GetAttribute(Runtime& runtime, const Value& value, std::string_view name);
/// value[key], then value.key; undefined if there is neither.
Result<Value> GetItem(Runtime& runtime, const Value& value, const Value& key);
/// "a.b.0", or a number: the path that filters such as map(attribute=..) take.
/// `otherwise`, unless undefined, stands for whatever is undefined on the way.
Result<Value> GetPath(Runtime& runtime, const Value& value, const Value& path,
                      const Value& otherwise = {});
/// value[start:stop:step], None where left out.
Result<Value> GetSlice(Runtime& runtime, const Value& value, const Value& start, const Value& stop,
                       const Value& step);

Result<Value> Call(Runtime& runtime, const Value& callee, Args args);

/// The error of using an undefined value in a way that is not allowed.
Error UndefinedError(const Value& value);

}  // namespace weir::jinja
