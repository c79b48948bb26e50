#include "model/jinja/tests.h"

#include <cmath>

#include "model/jinja/arguments.h"
#include "model/jinja/arithmetic.h"
#include "model/jinja/filters.h"
#include "model/jinja/text_functions.h"

namespace weir::jinja {
namespace {

using Operands = const std::vector<Value>&;

struct TestEntry {
  std::string_view name;
  size_t n_operands;
  Result<bool> (*body)(Runtime& runtime, const Value& value, Operands operands);
};

Result<bool> IsRestZero(Runtime& runtime, const Value& value, int64_t divisor, int64_t rest) {
  WEIR_TRY(const Value found, Apply(runtime, BinaryOperator::kModulo, value, Value::Int(divisor)));
  return IsEqual(runtime, found, Value::Int(rest));
}

Result<bool> IsCase(Runtime& runtime, const Value& value, bool upper) {
  WEIR_TRY(const Value text, ToString(runtime, value));
  return IsAllCase(runtime, text.text(), upper);
}

Result<bool> IsSequence(const Value& value) {
  if (!value.is_sequence()) return value.is_string() || value.is_dict() || value.is_undefined();
  const SequenceType type = value.sequence().type;
  return type == SequenceType::kList || type == SequenceType::kTuple || type == SequenceType::kRange;
}

Result<bool> Not(Result<bool> result) { return result.ok() ? Result<bool>(!*result) : result; }

Result<bool> Equal(Runtime& r, const Value& v, Operands o) { return IsEqual(r, v, o[0]); }
Result<bool> NotEqual(Runtime& r, const Value& v, Operands o) { return Not(IsEqual(r, v, o[0])); }
Result<bool> Less(Runtime& r, const Value& v, Operands o) { return IsLess(r, v, o[0]); }
Result<bool> Greater(Runtime& r, const Value& v, Operands o) { return IsLess(r, o[0], v); }
Result<bool> LessEqual(Runtime& r, const Value& v, Operands o) {
  WEIR_TRY(const bool less, IsLess(r, v, o[0]));
  return less ? Result<bool>(true) : IsEqual(r, v, o[0]);
}
Result<bool> GreaterEqual(Runtime& r, const Value& v, Operands o) {
  WEIR_TRY(const bool greater, IsLess(r, o[0], v));
  return greater ? Result<bool>(true) : IsEqual(r, v, o[0]);
}

constexpr std::array kTests = std::to_array<TestEntry>({
    {"defined", 0, [](Runtime&, const Value& v, Operands) -> Result<bool> { return !v.is_undefined(); }},
    {"undefined", 0, [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_undefined(); }},
    {"none", 0, [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_none(); }},
    {"boolean", 0, [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_bool(); }},
    {"true", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_bool() && v.boolean(); }},
    {"false", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_bool() && !v.boolean(); }},
    {"integer", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.kind() == Kind::kInt; }},
    {"float", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.kind() == Kind::kFloat; }},
    {"number", 0, [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_number(); }},
    {"string", 0, [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_string(); }},
    {"mapping", 0, [](Runtime&, const Value& v, Operands) -> Result<bool> { return v.is_dict(); }},
    {"sequence", 0, [](Runtime&, const Value& v, Operands) { return IsSequence(v); }},
    {"iterable", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> {
       return v.is_sequence() || v.is_string() || v.is_dict() || v.is_undefined();
     }},
    {"callable", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> {
       return v.is_undefined() || (v.is_native() && v.native().callable());
     }},
    {"sameas", 1, [](Runtime&, const Value& v, Operands o) -> Result<bool> { return v.Same(o[0]); }},
    {"escaped", 0, [](Runtime&, const Value&, Operands) -> Result<bool> { return false; }},
    {"odd", 0, [](Runtime& r, const Value& v, Operands) { return IsRestZero(r, v, 2, 1); }},
    {"even", 0, [](Runtime& r, const Value& v, Operands) { return IsRestZero(r, v, 2, 0); }},
    {"divisibleby", 1,
     [](Runtime& r, const Value& v, Operands o) -> Result<bool> {
       WEIR_TRY(const Value rest, Apply(r, BinaryOperator::kModulo, v, o[0]));
       return IsEqual(r, rest, Value::Int(0));
     }},
    {"lower", 0, [](Runtime& r, const Value& v, Operands) { return IsCase(r, v, false); }},
    {"upper", 0, [](Runtime& r, const Value& v, Operands) { return IsCase(r, v, true); }},
    {"in", 1, [](Runtime& r, const Value& v, Operands o) { return Contains(r, o[0], v); }},
    {"filter", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> {
       return v.is_string() && HasFilter(v.bytes());
     }},
    {"test", 0,
     [](Runtime&, const Value& v, Operands) -> Result<bool> {
       return v.is_string() && HasTest(v.bytes());
     }},
    {"eq", 1, Equal},
    {"equalto", 1, Equal},
    {"==", 1, Equal},
    {"ne", 1, NotEqual},
    {"!=", 1, NotEqual},
    {"lt", 1, Less},
    {"lessthan", 1, Less},
    {"<", 1, Less},
    {"le", 1, LessEqual},
    {"<=", 1, LessEqual},
    {"gt", 1, Greater},
    {"greaterthan", 1, Greater},
    {">", 1, Greater},
    {"ge", 1, GreaterEqual},
    {">=", 1, GreaterEqual},
});

}  // namespace

bool HasTest(std::string_view name) { return FindEntry(kTests, name) != nullptr; }

Result<bool> ApplyTest(Runtime& runtime, std::string_view name, const Value& value,
                       const Args& args) {
  const TestEntry* test = FindEntry(kTests, name);
  if (!test) return BadInput("there is no test named '{}'", name);
  if (args.positional.size() != test->n_operands || !args.named.empty()) {
    return BadInput("the test '{}' takes {} operands", name, test->n_operands);
  }
  return test->body(runtime, value, args.positional);
}

}  // namespace weir::jinja
