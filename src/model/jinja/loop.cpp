#include "model/jinja/loop.h"

#include "model/jinja/natives.h"

namespace weir::jinja {

Value Loop::Neighbour(bool exists, size_t index, std::string_view name) const {
  if (exists) return items_.sequence().items[index];
  return Value::Undefined(fmt::format("there is no {} item", name));
}

std::optional<Value> Loop::Attribute(Runtime& runtime, std::string_view name) const {
  const int64_t n = static_cast<int64_t>(size()), i = static_cast<int64_t>(index_);
  if (name == "index") return Value::Int(i + 1);
  if (name == "index0") return Value::Int(i);
  if (name == "first") return Value::Bool(i == 0);
  if (name == "last") return Value::Bool(i + 1 == n);
  if (name == "length") return Value::Int(n);
  if (name == "revindex") return Value::Int(n - i);
  if (name == "revindex0") return Value::Int(n - i - 1);
  if (name == "depth") return Value::Int(recursion_ + 1);
  if (name == "depth0") return Value::Int(recursion_);
  if (name == "previtem") return Neighbour(index_ > 0, index_ - 1, "previous");
  if (name == "nextitem") return Neighbour(index_ + 1 < size(), index_ + 1, "next");
  static constexpr FunctionEntry kCycle{"cycle", "*", 0, Cycle}, kChanged{"changed", "*", 0, Changed};
  if (name != "cycle" && name != "changed") return std::nullopt;
  if (name == "changed") runtime.Keep(std::const_pointer_cast<Loop>(shared_from_this()));
  return Value::Of(std::make_shared<const Function>(name == "cycle" ? kCycle : kChanged,
                                                    Value::Of(shared_from_this())));
}

Result<Value> Loop::Cycle(Runtime&, const Value& self, const Arguments& args) {
  const auto& choices = args.all().positional;
  if (choices.empty()) return BadInput("loop.cycle has nothing to choose from");
  const Loop& loop = static_cast<const Loop&>(self.native());
  return choices[loop.index_ % choices.size()];
}

Result<Value> Loop::Changed(Runtime& runtime, const Value& self, const Arguments& args) {
  const Loop& loop = static_cast<const Loop&>(self.native());
  const Value now = runtime.NewTuple(args.all().positional);
  if (loop.has_last_) {
    WEIR_TRY(const bool equal, IsEqual(runtime, loop.last_, now));
    if (equal) return Value::Bool(false);
  }
  loop.has_last_ = true;
  loop.last_ = now;
  return Value::Bool(true);
}

Result<Value> Loop::Call(Runtime& runtime, Args args) const {
  if (!node_.recursive) return BadInput("the loop is not recursive: {{% for .. recursive %}}");
  if (args.positional.size() != 1 || !args.named.empty()) {
    return BadInput("loop(..) takes the items to loop over");
  }
  WEIR_RETURN_IF_ERROR(runtime.Enter());
  // Callees may let go of the last reference to this loop.
  const std::shared_ptr<const Loop> self = shared_from_this();
  const std::shared_ptr<Frame> caller = std::exchange(interpreter_.frame_, scope_);
  TextBuilder outer = std::exchange(interpreter_.out_, runtime.NewBuilder());
  WEIR_RETURN_IF_ERROR(interpreter_.RunLoop(node_, args.positional[0], recursion_ + 1));
  std::swap(interpreter_.out_, outer);
  interpreter_.frame_ = caller;
  runtime.Leave();
  return runtime.Finish(outer);
}

std::optional<Value> MacroFunction::Attribute(Runtime& runtime, std::string_view name) const {
  if (name == "name") return runtime.String({name_, Origin::kTemplate});
  if (name == "catch_varargs") return Value::Bool(macro_->uses_varargs);
  if (name == "catch_kwargs") return Value::Bool(macro_->uses_kwargs);
  if (name == "caller") return Value::Bool(macro_->uses_caller);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> names;
  for (const Parameter& parameter : macro_->parameters) {
    names.push_back(
        runtime.String({interpreter_.tree_.names[parameter.symbol], Origin::kTemplate}));
  }
  return runtime.NewTuple(std::move(names));
}

}  // namespace weir::jinja
