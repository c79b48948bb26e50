// Values of a template: Python's, as far as templates can tell. Immutable except for namespaces and loops, and
// shared by reference.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/jinja/text.h"
#include "util/error.h"

namespace weir::jinja {

class Runtime;
class Value;
class Dict;
struct Sequence;
struct Args;

/// Bytes of live values. Outlives them all.
struct Budget {
  int64_t live_bytes = 0;
};

/// A share of a budget, given back with the object that it is part of.
class Charge {
 public:
  Charge() = default;
  Charge(Budget* budget, size_t bytes) : budget_(budget), bytes_(static_cast<int64_t>(bytes)) {
    if (budget_) budget_->live_bytes += bytes_;
  }
  ~Charge() {
    if (budget_) budget_->live_bytes -= bytes_;
  }
  void Add(size_t bytes) {
    bytes_ += static_cast<int64_t>(bytes);
    if (budget_) budget_->live_bytes += static_cast<int64_t>(bytes);
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

 private:
  Budget* budget_ = nullptr;
  int64_t bytes_ = 0;
};

enum class Kind : uint8_t {
  kUndefined, kNone, kBool, kInt, kFloat, kString, kSequence, kDict, kNative
};

/// What is no plain data: namespaces, loops, macros, functions, methods bound to a value.
class Native {
 public:
  virtual ~Native() = default;
  /// As Python names the type in messages.
  virtual std::string_view TypeName() const = 0;
  virtual std::optional<Value> Attribute(Runtime& runtime, std::string_view name) const;
  virtual bool callable() const { return true; }
  virtual Result<Value> Call(Runtime& runtime, Args args) const;
  virtual std::string Repr() const { return fmt::format("<{}>", TypeName()); }
  /// How deep containers are nested inside (Value::depth); 0 for what the runtime keeps and clears.
  virtual int depth() const { return 0; }
  /// Lets go of all values, so that no circle of references outlives the rendering.
  virtual void Clear() {}
};

class Value {
 public:
  Value() = default;  // undefined, with no more to say
  /// Undefined; `message` is the error of whoever uses it.
  static Value Undefined(std::string message);
  static Value None() { return Value(Kind::kNone); }
  static Value Bool(bool value);
  static Value Int(int64_t value);
  static Value Float(double value);
  /// Outside of any budget: for a template's own literals. What runs makes values by its Runtime.
  static Value String(Text text, Budget* budget = nullptr);
  static Value Of(std::shared_ptr<const Sequence> sequence);
  static Value Of(std::shared_ptr<const Dict> dict);
  static Value Of(std::shared_ptr<const Native> native);

  Kind kind() const { return kind_; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_bool() const { return kind_ == Kind::kBool; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_sequence() const { return kind_ == Kind::kSequence; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  bool is_native() const { return kind_ == Kind::kNative; }
  /// Booleans are integers in Python.
  bool is_integer() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integer() || kind_ == Kind::kFloat; }

  bool boolean() const { return integer_ != 0; }
  int64_t integer() const { return integer_; }
  /// Of any number.
  double real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(integer_); }
  const Text& text() const { return *static_cast<const Text*>(object_.get()); }
  const std::string& bytes() const { return text().bytes(); }
  const Sequence& sequence() const { return *static_cast<const Sequence*>(object_.get()); }
  const Dict& dict() const { return *static_cast<const Dict*>(object_.get()); }
  const Native& native() const { return *static_cast<const Native*>(object_.get()); }
  std::shared_ptr<const Native> shared_native() const {
    return std::static_pointer_cast<const Native>(object_);
  }
  std::string UndefinedMessage() const;

  /// How deep containers are nested in it: 0 for a scalar, 1 for a list of scalars.
  int depth() const;
  /// Same object: Python's `is`.
  bool Same(const Value& other) const;

 private:
  explicit Value(Kind kind) : kind_(kind) {}
  Value(Kind kind, std::shared_ptr<const void> object) : kind_(kind), object_(std::move(object)) {}

  Kind kind_ = Kind::kUndefined;
  union {
    int64_t integer_ = 0;
    double real_;
  };
  std::shared_ptr<const void> object_;
};

/// What Python has different types for, all of them a row of values.
enum class SequenceType : uint8_t {
  kList, kTuple, kRange, kKeys, kValues, kItems,  // of a dict
  kGroup,     // of groupby: a tuple (grouper, list) with names
  kIterator,  // what filters such as map return: no length, no index, true even if empty, read once
};

struct Sequence {
  Sequence(std::vector<Value> values, SequenceType sequence_type, Budget* budget);

  std::vector<Value> items;
  SequenceType type;
  int depth;
  mutable bool consumed = false;  // an iterator that was read

 private:
  Charge charge_;
};

/// Insertion order; keys are what Python can hash.
class Dict {
 public:
  struct Entry {
    Value key, value;
  };

  explicit Dict(Budget* budget) : charge_(budget, 160) {}

  const std::vector<Entry>& entries() const { return entries_; }
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;
  /// Adds, or replaces the value of an equal key. The key is hashable.
  void Set(Value key, Value value);
  int depth() const { return depth_; }

 private:
  template <class Equals>
  const Entry* FindEntry(size_t hash, Equals equals) const;

  std::vector<Entry> entries_;
  std::unordered_multimap<size_t, uint32_t> index_;  // of all entries, once there are many
  int depth_ = 1;
  Charge charge_;
};

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// What can be a key of a dict: scalars, and short tuples of them. (Longer and nested ones, which templates have no
/// use for, could take for ever to hash.)
bool IsHashable(const Value& value);

/// "str", "list", "NoneType": as messages of Python name it.
std::string_view TypeName(const Value& value);

}  // namespace weir::jinja
