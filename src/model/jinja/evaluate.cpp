// The interpreter's expressions.
#include "model/jinja/filters.h"
#include "model/jinja/interpreter.h"
#include "model/jinja/natives.h"
#include "model/jinja/tests.h"

namespace weir::jinja {

Result<Value> Interpreter::Evaluate(const Expression& expression) {
  WEIR_RETURN_IF_ERROR(At(expression.at, runtime_.Enter()));
  Result<Value> value =
      std::visit([this](const auto& node) { return EvaluateNode(node); }, expression.node);
  runtime_.Leave();
  return At(expression.at, std::move(value));
}

Result<Value> Interpreter::EvaluateOr(const ExpressionPtr& expression, const Value& otherwise) {
  return expression ? Evaluate(*expression) : otherwise;
}

Result<Value> Interpreter::EvaluateNode(const Variable& node) {
  int64_t n_scopes = 0;
  for (const Frame* frame = frame_.get(); frame; frame = frame->parent.get()) {
    const auto found = frame->variables.find(node.symbol);
    if (found != frame->variables.end()) return found->second;
    ++n_scopes;
  }
  WEIR_RETURN_IF_ERROR(runtime_.Spend(n_scopes / 4));
  const std::string& name = tree_.names[node.symbol];
  if (const std::optional<Value> global = FindGlobal(name)) return *global;
  return Value::Undefined(fmt::format("'{}' is undefined", name));
}

Result<Value> Interpreter::EvaluateNode(const ListDisplay& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExpressionPtr& expression : node.items) {
    WEIR_TRY(Value item, Evaluate(*expression));
    items.push_back(std::move(item));
  }
  return runtime_.NewSequence(std::move(items),
                              node.tuple ? SequenceType::kTuple : SequenceType::kList);
}

Result<Value> Interpreter::EvaluateNode(const DictDisplay& node) {
  const auto dict = runtime_.NewDict();
  for (const auto& [key_expression, value_expression] : node.entries) {
    WEIR_TRY(Value key, Evaluate(*key_expression));
    WEIR_TRY(Value value, Evaluate(*value_expression));
    WEIR_RETURN_IF_ERROR(FindKey(runtime_, *dict, key));
    dict->Set(std::move(key), std::move(value));
  }
  return runtime_.Of(dict);
}

Result<Value> Interpreter::EvaluateNode(const Not& node) {
  WEIR_TRY(const Value value, Evaluate(*node.operand));
  return Value::Bool(!IsTrue(value));
}

Result<Value> Interpreter::EvaluateNode(const Signed& node) {
  WEIR_TRY(const Value value, Evaluate(*node.operand));
  if (node.negative) return Negate(value);
  if (value.is_bool()) return Value::Int(value.integer());
  if (value.is_number()) return value;
  if (value.is_undefined()) return UndefinedError(value);
  return BadInput("+ of a '{}' is not defined", TypeName(value));
}

Result<Value> Interpreter::EvaluateNode(const Arithmetic& node) {
  WEIR_TRY(Value value, Evaluate(*node.first));
  for (const auto& [op, expression] : node.rest) {
    WEIR_TRY(const Value operand, Evaluate(*expression));
    WEIR_TRY(value, At(expression->at, Apply(runtime_, op, value, operand)));
  }
  return value;
}

Result<Value> Interpreter::EvaluateNode(const Join& node) {
  TextBuilder out = runtime_.NewBuilder();
  for (const ExpressionPtr& part : node.parts) {
    WEIR_TRY(const Value value, Evaluate(*part));
    WEIR_TRY(const Value text, ToString(runtime_, value));
    out.Append(text.text());
  }
  return runtime_.Finish(out);
}

Result<Value> Interpreter::EvaluateNode(const Logical& node) {
  Value value;
  for (const ExpressionPtr& operand : node.operands) {
    WEIR_TRY(value, Evaluate(*operand));
    if (IsTrue(value) != node.is_and) break;
  }
  return value;
}

Result<bool> Interpreter::Compare(Comparator comparator, const Value& a, const Value& b) {
  const auto negated = [](Result<bool> result) {
    return result.ok() ? Result<bool>(!*result) : result;
  };
  switch (comparator) {
    case Comparator::kEqual: return IsEqual(runtime_, a, b);
    case Comparator::kNotEqual: return negated(IsEqual(runtime_, a, b));
    case Comparator::kLess: return IsLess(runtime_, a, b);
    case Comparator::kGreater: return IsLess(runtime_, b, a);
    case Comparator::kIn: return Contains(runtime_, b, a);
    case Comparator::kNotIn: return negated(Contains(runtime_, b, a));
    // Not the negation of the other order: no order holds of a NaN.
    case Comparator::kLessEqual:
    case Comparator::kGreaterEqual: break;
  }
  const bool less = comparator == Comparator::kLessEqual;
  WEIR_TRY(const bool strict, less ? IsLess(runtime_, a, b) : IsLess(runtime_, b, a));
  if (strict) return true;
  return IsEqual(runtime_, a, b);
}

Result<Value> Interpreter::EvaluateNode(const Comparison& node) {
  WEIR_TRY(Value left, Evaluate(*node.first));
  for (const auto& [comparator, expression] : node.rest) {
    WEIR_TRY(Value right, Evaluate(*expression));
    WEIR_TRY(const bool holds, Compare(comparator, left, right));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Result<Value> Interpreter::EvaluateNode(const Conditional& node) {
  WEIR_TRY(const Value test, Evaluate(*node.test));
  if (IsTrue(test)) return Evaluate(*node.then);
  return EvaluateOr(node.otherwise,
                    Value::Undefined("the condition is false and there is no else"));
}

Result<Value> Interpreter::EvaluateNode(const GetAttributeOf& node) {
  WEIR_TRY(const Value object, Evaluate(*node.object));
  return GetAttribute(runtime_, object, node.name);
}

Result<Value> Interpreter::EvaluateNode(const GetItemOf& node) {
  WEIR_TRY(const Value object, Evaluate(*node.object));
  WEIR_TRY(const Value key, Evaluate(*node.key));
  return GetItem(runtime_, object, key);
}

Result<Value> Interpreter::EvaluateNode(const SliceOf& node) {
  WEIR_TRY(const Value object, Evaluate(*node.object));
  WEIR_TRY(const Value start, EvaluateOr(node.start, Value::None()));
  WEIR_TRY(const Value stop, EvaluateOr(node.stop, Value::None()));
  WEIR_TRY(const Value step, EvaluateOr(node.step, Value::None()));
  return GetSlice(runtime_, object, start, stop, step);
}

Result<Args> Interpreter::EvaluateArguments(const CallArguments& arguments) {
  Args args;
  for (const ExpressionPtr& expression : arguments.positional) {
    WEIR_TRY(Value value, Evaluate(*expression));
    args.positional.push_back(std::move(value));
  }
  if (arguments.star) {
    WEIR_TRY(const Value list, Evaluate(*arguments.star));
    WEIR_TRY(std::vector<Value> items, Iterate(runtime_, list));
    std::move(items.begin(), items.end(), std::back_inserter(args.positional));
  }
  for (const auto& [name, expression] : arguments.named) {
    WEIR_TRY(Value value, Evaluate(*expression));
    args.named.emplace_back(name, std::move(value));
  }
  if (arguments.double_star) {
    WEIR_TRY(const Value dict, Evaluate(*arguments.double_star));
    if (!dict.is_dict()) return BadInput("** needs a dict, not '{}'", TypeName(dict));
    for (const Dict::Entry& entry : dict.dict().entries()) {
      if (!entry.key.is_string()) return BadInput("** needs strings as keys");
      args.named.emplace_back(entry.key.bytes(), entry.value);
    }
  }
  return args;
}

Result<Value> Interpreter::EvaluateNode(const CallOf& node) {
  WEIR_TRY(const Value callee, Evaluate(*node.callee));
  WEIR_TRY(Args args, EvaluateArguments(node.arguments));
  return Call(runtime_, callee, std::move(args));
}

Result<Value> Interpreter::EvaluateNode(const FilterOf& node) {
  WEIR_TRY(const Value subject, Evaluate(*node.subject));
  WEIR_TRY(const Args args, EvaluateArguments(node.arguments));
  return ApplyFilter(runtime_, node.name, subject, args);
}

Result<Value> Interpreter::EvaluateNode(const TestOf& node) {
  WEIR_TRY(const Value subject, Evaluate(*node.subject));
  WEIR_TRY(const Args args, EvaluateArguments(node.arguments));
  WEIR_TRY(const bool holds, ApplyTest(runtime_, node.name, subject, args));
  return Value::Bool(holds != node.negated);
}

}  // namespace weir::jinja
