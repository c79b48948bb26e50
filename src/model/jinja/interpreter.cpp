#include "model/jinja/interpreter.h"

#include "model/jinja/filters.h"
#include "model/jinja/loop.h"
#include "model/jinja/natives.h"
#include "model/jinja/tests.h"

namespace weir::jinja {

Interpreter::Interpreter(const Tree& tree, const Source& source, Runtime& runtime)
    : tree_(tree),
      source_(source),
      runtime_(runtime),
      frame_(std::make_shared<Frame>()),
      out_(runtime.NewBuilder()) {}

Interpreter::~Interpreter() {
  for (const std::shared_ptr<Frame>& frame : captured_) frame->variables.clear();
}

Result<Text> Interpreter::Render() {
  // What the template sets is no variable of the request.
  frame_ = std::make_shared<Frame>(Frame{frame_, {}});
  const Result<Flow> flow = Run(tree_.body);
  if (flow.ok()) return out_.Take();
  return source_.ErrorAt(failed_at_, flow.error().message);
}

// ---- Statements.

Result<Interpreter::Flow> Interpreter::Run(const Body& body) {
  for (const Statement& statement : body) {
    WEIR_TRY(const Flow flow, Run(statement));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunScoped(const Body& body) {
  const std::shared_ptr<Frame> outer = frame_;
  frame_ = std::make_shared<Frame>(Frame{outer, {}});
  Result<Flow> flow = Run(body);
  frame_ = outer;
  return flow;
}

Result<Interpreter::Flow> Interpreter::Run(const Statement& statement) {
  WEIR_RETURN_IF_ERROR(At(statement.at, runtime_.Enter()));
  Result<Flow> flow = std::visit([this](const auto& node) { return RunNode(node); }, statement.node);
  runtime_.Leave();
  return At(statement.at, std::move(flow));
}

Status Interpreter::Write(const Text& text) {
  out_.Append(text);
  if (out_.overflowed()) {
    return BadInput("the text grows beyond {} bytes", runtime_.limits().max_string_bytes);
  }
  return runtime_.SpendBytes(text.size());
}

Result<Interpreter::Flow> Interpreter::RunNode(const Data& node) {
  WEIR_RETURN_IF_ERROR(Write(node.text.text()));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunNode(const Output& node) {
  WEIR_TRY(const Value value, Evaluate(*node.value));
  WEIR_TRY(const Value text, ToString(runtime_, value));
  WEIR_RETURN_IF_ERROR(Write(text.text()));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunNode(const If& node) {
  for (const auto& [test, body] : node.branches) {
    WEIR_TRY(const Value value, Evaluate(*test));
    if (IsTrue(value)) return Run(body);
  }
  return Run(node.otherwise);
}

Result<Interpreter::Flow> Interpreter::RunNode(const For& node) {
  WEIR_TRY(const Value iterable, Evaluate(*node.iterable));
  return RunLoop(node, iterable, 0);
}

Result<std::vector<Value>> Interpreter::Filtered(const For& node, std::vector<Value> items) {
  if (!node.filter) return items;
  std::vector<Value> kept;
  const std::shared_ptr<Frame> outer = frame_;
  for (Value& item : items) {
    frame_ = std::make_shared<Frame>(Frame{outer, {}});
    WEIR_RETURN_IF_ERROR(At(node.target.at, Assign(node.target, item)));
    WEIR_TRY(const Value keep, Evaluate(*node.filter));
    if (IsTrue(keep)) kept.push_back(std::move(item));
  }
  frame_ = outer;
  return kept;
}

Result<Interpreter::Flow> Interpreter::RunLoop(const For& node, const Value& iterable, int depth) {
  WEIR_TRY(std::vector<Value> items, At(node.iterable->at, Iterate(runtime_, iterable)));
  WEIR_TRY(items, Filtered(node, std::move(items)));
  if (items.empty()) return RunScoped(node.otherwise);
  const std::shared_ptr<Frame> outer = frame_;
  const auto loop = std::make_shared<Loop>(
      *this, node, outer, runtime_.NewList(std::move(items)), depth);
  for (size_t i = 0; i < loop->size(); ++i) {
    loop->MoveTo(i);
    frame_ = std::make_shared<Frame>(Frame{outer, {}});
    frame_->variables[kLoop] = Value::Of(loop);
    WEIR_RETURN_IF_ERROR(At(node.target.at, Assign(node.target, loop->item())));
    WEIR_TRY(const Flow flow, Run(node.body));
    if (flow == Flow::kBreak) break;
  }
  frame_ = outer;
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunNode(const Set& node) {
  WEIR_TRY(const Value value, Evaluate(*node.value));
  WEIR_RETURN_IF_ERROR(Assign(node.target, value));
  return Flow::kNext;
}

Result<Value> Interpreter::Capture(const Body& body) {
  TextBuilder outer = std::exchange(out_, runtime_.NewBuilder());
  const Result<Flow> flow = RunScoped(body);
  std::swap(out_, outer);
  if (!flow.ok()) return flow.error();
  return runtime_.Finish(outer);
}

Result<Value> Interpreter::ApplyFilters(const std::vector<BlockFilter>& filters, Value value) {
  for (const BlockFilter& filter : filters) {
    WEIR_TRY(const Args args, EvaluateArguments(filter.arguments));
    WEIR_TRY(value, At(filter.at, ApplyFilter(runtime_, filter.name, value, args)));
  }
  return value;
}

Result<Interpreter::Flow> Interpreter::RunNode(const SetBlock& node) {
  WEIR_TRY(Value text, Capture(node.body));
  WEIR_TRY(text, ApplyFilters(node.filters, std::move(text)));
  WEIR_RETURN_IF_ERROR(Assign(node.target, text));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunNode(const FilterBlock& node) {
  WEIR_TRY(Value value, Capture(node.body));
  WEIR_TRY(value, ApplyFilters(node.filters, std::move(value)));
  WEIR_TRY(const Value text, ToString(runtime_, value));
  WEIR_RETURN_IF_ERROR(Write(text.text()));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunNode(const Macro& node) {
  frame_->variables[node.symbol] = NewMacro(node.name, node.macro);
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunNode(const CallBlock& node) {
  const CallOf& call = std::get<CallOf>(node.call->node);
  WEIR_TRY(const Value callee, Evaluate(*call.callee));
  WEIR_TRY(Args args, EvaluateArguments(call.arguments));
  args.named.emplace_back("caller", NewMacro("caller", node.caller));
  WEIR_TRY(const Value value, At(node.call->at, Call(runtime_, callee, std::move(args))));
  WEIR_TRY(const Value text, ToString(runtime_, value));
  WEIR_RETURN_IF_ERROR(Write(text.text()));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunNode(const With& node) {
  const std::shared_ptr<Frame> outer = frame_;
  frame_ = std::make_shared<Frame>(Frame{outer, {}});
  for (const auto& [target, expression] : node.variables) {
    WEIR_TRY(const Value value, Evaluate(*expression));
    WEIR_RETURN_IF_ERROR(Assign(target, value));
  }
  Result<Flow> flow = Run(node.body);
  frame_ = outer;
  return flow;
}

Status Interpreter::Assign(const Target& target, const Value& value) {
  if (!target.tuple) {
    if (target.attribute.empty()) {
      frame_->variables[target.symbol] = value;
      return {};
    }
    WEIR_TRY(const Value object, EvaluateNode(Variable{target.symbol}));
    const auto* space = object.is_native() ? dynamic_cast<const Namespace*>(&object.native()) : nullptr;
    if (!space) {
      return At(target.at, Status(BadInput("'{}' is no namespace: its attributes cannot be set",
                                           tree_.names[target.symbol])));
    }
    space->Set(runtime_, target.attribute, value);
    return {};
  }
  WEIR_TRY(const std::vector<Value> items, At(target.at, Iterate(runtime_, value)));
  if (items.size() != target.parts.size()) {
    return At(target.at, Status(BadInput("{} values cannot be unpacked into {} names", items.size(),
                                         target.parts.size())));
  }
  for (size_t i = 0; i < items.size(); ++i) {
    WEIR_RETURN_IF_ERROR(Assign(target.parts[i], items[i]));
  }
  return {};
}

// ---- Macros.

Value Interpreter::NewMacro(std::string name, std::shared_ptr<const MacroBody> macro) {
  if (captured_.empty() || captured_.back() != frame_) captured_.push_back(frame_);
  return Value::Of(
      std::make_shared<const MacroFunction>(*this, std::move(name), std::move(macro), frame_));
}

Result<Value> Interpreter::CallMacro(const MacroBody& macro, const std::shared_ptr<Frame>& scope,
                                     Args args) {
  WEIR_RETURN_IF_ERROR(runtime_.Enter());
  const std::shared_ptr<Frame> caller = std::exchange(frame_, std::make_shared<Frame>(Frame{scope, {}}));
  WEIR_RETURN_IF_ERROR(BindParameters(macro, args));
  TextBuilder outer = std::exchange(out_, runtime_.NewBuilder());
  WEIR_RETURN_IF_ERROR(Run(macro.body));
  std::swap(out_, outer);
  frame_ = caller;
  runtime_.Leave();
  return runtime_.Finish(outer);
}

namespace {

std::optional<Value> TakeNamed(Args& args, std::string_view name) {
  for (auto it = args.named.begin(); it != args.named.end(); ++it) {
    if (it->first != name) continue;
    Value value = std::move(it->second);
    args.named.erase(it);
    return value;
  }
  return std::nullopt;
}

}  // namespace

Status Interpreter::BindParameters(const MacroBody& macro, Args& args) {
  const size_t n = macro.parameters.size();
  for (size_t i = 0; i < n; ++i) {
    const Parameter& parameter = macro.parameters[i];
    const std::string& name = tree_.names[parameter.symbol];
    Value value = Value::Undefined(fmt::format("the parameter '{}' was not given", name));
    if (i < args.positional.size()) {
      value = args.positional[i];
    } else if (std::optional<Value> named = TakeNamed(args, name)) {
      value = std::move(*named);
    } else if (parameter.otherwise) {
      WEIR_TRY(value, Evaluate(*parameter.otherwise));
    }
    frame_->variables[parameter.symbol] = std::move(value);
  }
  if (macro.uses_caller) {
    frame_->variables.try_emplace(
        kCaller, TakeNamed(args, "caller").value_or(Value::Undefined("there is no caller")));
  }
  if (macro.uses_kwargs) {
    const auto kwargs = runtime_.NewDict();
    for (auto& [name, value] : args.named) kwargs->Set(runtime_.Data(name), std::move(value));
    frame_->variables[kKwargs] = runtime_.Of(kwargs);
  } else if (!args.named.empty()) {
    return BadInput("the macro has no parameter '{}'", args.named[0].first);
  }
  if (macro.uses_varargs) {
    const auto first = args.positional.begin() + static_cast<ptrdiff_t>(std::min(n, args.positional.size()));
    frame_->variables[kVarargs] = runtime_.NewTuple({first, args.positional.end()});
  } else if (args.positional.size() > n) {
    return BadInput("the macro takes {} arguments, not {}", n, args.positional.size());
  }
  return {};
}

}  // namespace weir::jinja
