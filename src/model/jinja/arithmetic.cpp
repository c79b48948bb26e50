#include "model/jinja/arithmetic.h"

#include <cmath>

#include "model/jinja/format.h"

namespace weir::jinja {
namespace {

std::string_view Symbol(BinaryOperator op) {
  static constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSymbols[static_cast<size_t>(op)];
}

Error TypeMismatch(BinaryOperator op, const Value& a, const Value& b) {
  if (a.is_undefined()) return UndefinedError(a);
  if (b.is_undefined()) return UndefinedError(b);
  return BadInput("'{}' {} '{}' is not defined", TypeName(a), Symbol(op), TypeName(b));
}

Error TooLarge() { return BadInput("an integer needs more than 64 bits"); }

Result<Value> IntegerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return BadInput("0 cannot be raised to a negative power");
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) return TooLarge();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return TooLarge();
  }
  return Value::Int(result);
}

/// Rounds down; the rest has the divisor's sign.
Result<Value> IntegerDivide(BinaryOperator op, int64_t a, int64_t b) {
  if (b == 0) return BadInput("division by zero");
  if (b == -1) {  // the one quotient that can overflow
    int64_t negated = 0;
    if (op == BinaryOperator::kModulo) return Value::Int(0);
    return __builtin_sub_overflow(0, a, &negated) ? Result<Value>(TooLarge()) : Value::Int(negated);
  }
  const bool down = a % b != 0 && ((a < 0) != (b < 0));
  return Value::Int(op == BinaryOperator::kModulo ? a % b + (down ? b : 0) : a / b - down);
}

Result<Value> Integers(BinaryOperator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case BinaryOperator::kAdd: overflow = __builtin_add_overflow(a, b, &result); break;
    case BinaryOperator::kSubtract: overflow = __builtin_sub_overflow(a, b, &result); break;
    case BinaryOperator::kMultiply: overflow = __builtin_mul_overflow(a, b, &result); break;
    case BinaryOperator::kDivide:
      if (b == 0) return BadInput("division by zero");
      return Value::Float(static_cast<double>(a) / static_cast<double>(b));
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo: return IntegerDivide(op, a, b);
    case BinaryOperator::kPower: return IntegerPower(a, b);
  }
  if (overflow) return TooLarge();
  return Value::Int(result);
}

Result<Value> Floats(BinaryOperator op, double a, double b) {
  const bool divides = op == BinaryOperator::kDivide || op == BinaryOperator::kFloorDivide ||
                       op == BinaryOperator::kModulo;
  if (divides && b == 0) return BadInput("division by zero");
  switch (op) {
    case BinaryOperator::kAdd: return Value::Float(a + b);
    case BinaryOperator::kSubtract: return Value::Float(a - b);
    case BinaryOperator::kMultiply: return Value::Float(a * b);
    case BinaryOperator::kDivide: return Value::Float(a / b);
    case BinaryOperator::kFloorDivide: return Value::Float(std::floor(a / b));
    case BinaryOperator::kModulo: {
      const double rest = std::fmod(a, b);
      return Value::Float(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    }
    case BinaryOperator::kPower: break;
  }
  const double power = std::pow(a, b);
  if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) {
    return BadInput("{} ** {} is no real number", FloatText(a), FloatText(b));
  }
  return Value::Float(power);
}

Result<Value> Repeat(Runtime& runtime, const Value& value, int64_t times) {
  times = std::max<int64_t>(times, 0);
  if (value.is_string()) {
    TextBuilder out = runtime.NewBuilder();
    for (int64_t i = 0; i < times && !value.text().empty() && !out.overflowed(); ++i) {
      if (i % 1024 == 0) WEIR_RETURN_IF_ERROR(runtime.Spend(std::min<int64_t>(times - i, 1024)));
      out.Append(value.text());
    }
    return runtime.Finish(out);
  }
  const Sequence& sequence = value.sequence();
  std::vector<Value> items;
  for (int64_t i = 0; i < times && !sequence.items.empty(); ++i) {
    WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(sequence.items.size())));
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
    if (static_cast<int64_t>(items.size() * sizeof(Value)) > runtime.limits().max_live_bytes) {
      return BadInput("a list grows beyond {} bytes", runtime.limits().max_live_bytes);
    }
  }
  return runtime.NewSequence(std::move(items), sequence.type);
}

bool IsListOrTuple(const Value& value) {
  return value.is_sequence() && (value.sequence().type == SequenceType::kList ||
                                 value.sequence().type == SequenceType::kTuple);
}

bool CanRepeat(const Value& value) { return value.is_string() || IsListOrTuple(value); }

Result<Value> Add(Runtime& runtime, const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return Concatenate(runtime, a, b);
  if (IsListOrTuple(a) && b.is_sequence() && a.sequence().type == b.sequence().type) {
    std::vector<Value> items = a.sequence().items;
    items.insert(items.end(), b.sequence().items.begin(), b.sequence().items.end());
    WEIR_RETURN_IF_ERROR(runtime.Spend(static_cast<int64_t>(items.size())));
    return runtime.NewSequence(std::move(items), a.sequence().type);
  }
  if (a.is_string() && !b.is_undefined()) {
    return BadInput("can only concatenate str (not \"{}\") to str", TypeName(b));
  }
  return TypeMismatch(BinaryOperator::kAdd, a, b);
}

}  // namespace

Result<Value> Apply(Runtime& runtime, BinaryOperator op, const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) return Integers(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return Floats(op, a.real(), b.real());
  if (op == BinaryOperator::kAdd) return Add(runtime, a, b);
  if (op == BinaryOperator::kMultiply) {
    if (CanRepeat(a) && b.is_integer()) return Repeat(runtime, a, b.integer());
    if (CanRepeat(b) && a.is_integer()) return Repeat(runtime, b, a.integer());
  }
  if (op == BinaryOperator::kModulo && a.is_string()) return FormatPercent(runtime, a.text(), b);
  return TypeMismatch(op, a, b);
}

Result<Value> Negate(const Value& value) {
  if (value.is_integer()) return Integers(BinaryOperator::kSubtract, 0, value.integer());
  if (value.is_number()) return Value::Float(-value.real());
  if (value.is_undefined()) return UndefinedError(value);
  return BadInput("'{}' cannot be negated", TypeName(value));
}

Result<Value> Concatenate(Runtime& runtime, const Value& a, const Value& b) {
  WEIR_TRY(const Value left, ToString(runtime, a));
  WEIR_TRY(const Value right, ToString(runtime, b));
  TextBuilder out = runtime.NewBuilder();
  out.Append(left.text());
  out.Append(right.text());
  return runtime.Finish(out);
}

}  // namespace weir::jinja
