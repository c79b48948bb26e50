#include "model/jinja/natives.h"

#include <array>
#include <ctime>
#include <span>

namespace weir::jinja {

std::optional<Value> Namespace::Attribute(Runtime&, std::string_view name) const {
  const Value* found = attributes_ ? attributes_->Find(name) : nullptr;
  return found ? std::optional<Value>(*found) : std::nullopt;
}

void Namespace::Set(Runtime& runtime, const std::string& name, const Value& value) const {
  if (attributes_) attributes_->Set(runtime.Data(name), value);
}

namespace {

/// dict(pairs, **named) and namespace(same).
Result<std::shared_ptr<Dict>> BuildDict(Runtime& runtime, const Args& args) {
  const auto dict = runtime.NewDict();
  if (args.positional.size() > 1) return BadInput("expected at most one positional argument");
  if (!args.positional.empty() && args.positional[0].is_dict()) {
    for (const auto& [key, value] : args.positional[0].dict().entries()) dict->Set(key, value);
  } else if (!args.positional.empty()) {
    WEIR_TRY(const std::vector<Value> pairs, Iterate(runtime, args.positional[0]));
    for (const Value& pair : pairs) {
      WEIR_TRY(const std::vector<Value> parts, Iterate(runtime, pair));
      if (parts.size() != 2) return BadInput("dict: expected pairs of a key and a value");
      if (!IsHashable(parts[0])) return BadInput("a '{}' cannot be a key", TypeName(parts[0]));
      dict->Set(parts[0], parts[1]);
    }
  }
  for (const auto& [name, value] : args.named) dict->Set(runtime.Data(name), value);
  WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(dict->entries().size())));
  return dict;
}

Result<Value> MakeDict(Runtime& runtime, const Value&, const Arguments& args) {
  WEIR_TRY(const std::shared_ptr<Dict> dict, BuildDict(runtime, args.all()));
  return runtime.Of(dict);
}

Result<Value> MakeNamespace(Runtime& runtime, const Value&, const Arguments& args) {
  WEIR_TRY(std::shared_ptr<Dict> dict, BuildDict(runtime, args.all()));
  const auto space = std::make_shared<Namespace>(std::move(dict));
  runtime.Keep(space);
  return Value::Of(space);
}

Result<Value> Range(Runtime& runtime, const Value&, const Arguments& args) {
  WEIR_TRY(const int64_t first, args.IntegerOr(0, 0));
  WEIR_TRY(const int64_t second, args.IntegerOr(1, 0));
  WEIR_TRY(const int64_t step, args.IntegerOr(2, 1));
  const int64_t start = args[1] ? first : 0, stop = args[1] ? second : first;
  if (step == 0) return BadInput("range: the step is zero");
  // In doubles, which no difference overflows.
  const double span = (static_cast<double>(stop) - static_cast<double>(start)) / static_cast<double>(step);
  if (span > static_cast<double>(kMaxRange)) {
    return BadInput("range: more than {} numbers", kMaxRange);
  }
  std::vector<Value> numbers;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    numbers.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(numbers.size())));
  return runtime.NewSequence(std::move(numbers), SequenceType::kRange);
}

Result<Value> RaiseException(Runtime& runtime, const Value&, const Arguments& args) {
  WEIR_TRY(const Value message, ToString(runtime, *args[0]));
  constexpr int64_t kShown = 500;
  const std::string& bytes = message.bytes();
  const bool cut = CountCharacters(bytes) > kShown;
  return BadInput("{}{}", bytes.substr(0, cut ? ByteOfCharacter(bytes, kShown) : bytes.size()),
                  cut ? "..." : "");
}

Result<Value> StrftimeNow(Runtime& runtime, const Value&, const Arguments& args) {
  WEIR_TRY(const Text* format, args.TextOrNull(0));
  if (!format) return BadInput("strftime_now: expected a format");
  constexpr size_t kMaxFormat = 1000, kMaxResult = 64 * 1024;
  if (format->size() > kMaxFormat) return BadInput("strftime_now: the format is too long");
  // A character more, so that an empty result is no failure.
  std::array<char, kMaxResult> buffer;
  const std::string with_mark = format->bytes() + "|";
  const size_t n = std::strftime(buffer.data(), buffer.size(), with_mark.c_str(), &runtime.now());
  if (n == 0) return BadInput("strftime_now: the result is too long");
  return runtime.Data(std::string(buffer.data(), n - 1));
}

// ---- cycler and joiner.

class Cycler : public Native {
 public:
  explicit Cycler(Value items) : items_(std::move(items)) {}
  std::string_view TypeName() const override { return "Cycler"; }
  bool callable() const override { return false; }
  int depth() const override { return 1 + items_.depth(); }
  std::optional<Value> Attribute(Runtime&, std::string_view name) const override;

 private:
  const Value& current() const { return items_.sequence().items[next_]; }
  static const Cycler& Of(const Value& self) { return static_cast<const Cycler&>(self.native()); }
  static Result<Value> Next(Runtime&, const Value& self, const Arguments&) {
    const Cycler& cycler = Of(self);
    const Value value = cycler.current();
    cycler.next_ = (cycler.next_ + 1) % cycler.items_.sequence().items.size();
    return value;
  }
  static Result<Value> Reset(Runtime&, const Value& self, const Arguments&) {
    Of(self).next_ = 0;
    return Value::None();
  }

  Value items_;  // a list, not empty
  mutable size_t next_ = 0;
  mutable std::weak_ptr<const Native> self_;

 public:
  static Value Make(Value items) {
    const auto cycler = std::make_shared<const Cycler>(std::move(items));
    cycler->self_ = cycler;
    return Value::Of(cycler);
  }
};

std::optional<Value> Cycler::Attribute(Runtime&, std::string_view name) const {
  static constexpr FunctionEntry kNext{"next", "", 0, Next}, kReset{"reset", "", 0, Reset};
  if (name == "current") return current();
  if (name != "next" && name != "reset") return std::nullopt;
  return Value::Of(std::make_shared<const Function>(name == "next" ? kNext : kReset,
                                                    Value::Of(self_.lock())));
}

Result<Value> MakeCycler(Runtime& runtime, const Value&, const Arguments& args) {
  if (args.all().positional.empty()) return BadInput("cycler: expected something to choose from");
  return Cycler::Make(runtime.NewList(args.all().positional));
}

/// Nothing when called for the first time, then the separator.
class Joiner : public Native {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string_view TypeName() const override { return "Joiner"; }
  int depth() const override { return 1 + separator_.depth(); }
  Result<Value> Call(Runtime& runtime, Args) const override {
    return std::exchange(used_, true) ? separator_ : runtime.Data({});
  }

 private:
  Value separator_;
  mutable bool used_ = false;
};

Result<Value> MakeJoiner(Runtime& runtime, const Value&, const Arguments& args) {
  return Value::Of(std::make_shared<const Joiner>(args.Or(0, runtime.Data(", "))));
}

constexpr FunctionEntry kGlobals[] = {
    {"range", "start,stop,step", 1, Range},
    {"dict", "*", 0, MakeDict},
    {"namespace", "*", 0, MakeNamespace},
    {"cycler", "*", 0, MakeCycler},
    {"joiner", "sep", 0, MakeJoiner},
    {"raise_exception", "message", 1, RaiseException},
    {"strftime_now", "format", 1, StrftimeNow},
};

}  // namespace

std::optional<Value> FindGlobal(std::string_view name) {
  const FunctionEntry* entry = FindEntry(std::span(kGlobals), name);
  if (!entry) return std::nullopt;
  return Value::Of(std::make_shared<const Function>(*entry));
}

}  // namespace weir::jinja
