// The arithmetic operators.
#pragma once

#include "model/jinja/runtime.h"

namespace weir::jinja {

enum class BinaryOperator : uint8_t {
  kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower
};

/// Python's rules: text is added, repeated and formatted, division by zero is an Error, and so are integers of
/// more than 64 bits.
Result<Value> Apply(Runtime& runtime, BinaryOperator op, const Value& a, const Value& b);
Result<Value> Negate(const Value& value);
/// The operator ~ : both as strings, joined.
Result<Value> Concatenate(Runtime& runtime, const Value& a, const Value& b);

}  // namespace weir::jinja
