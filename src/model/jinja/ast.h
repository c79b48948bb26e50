// The syntax tree of a template. Chains of operators are flat, so that their length is not depth.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/jinja/arithmetic.h"
#include "model/jinja/value.h"

namespace weir::jinja {

/// A name of a variable, as an index into Tree::names.
using Symbol = uint32_t;
/// Names that mean something by themselves, in every tree.
inline constexpr Symbol kLoop = 0, kCaller = 1, kVarargs = 2, kKwargs = 3;

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, double_star;  // *list, **dict; may be null
};

struct Literal { Value value; };
struct Variable { Symbol symbol; };
struct ListDisplay { std::vector<ExpressionPtr> items; bool tuple; };
struct DictDisplay { std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries; };
struct Not { ExpressionPtr operand; };
struct Signed { ExpressionPtr operand; bool negative; };
/// a op b op c .. of operators of one precedence, from the left.
struct Arithmetic {
  ExpressionPtr first;
  std::vector<std::pair<BinaryOperator, ExpressionPtr>> rest;
};
struct Join { std::vector<ExpressionPtr> parts; };  // a ~ b ~ c
struct Logical { std::vector<ExpressionPtr> operands; bool is_and; };
enum class Comparator : uint8_t {
  kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn
};
/// a < b < c: each pair in turn, b computed once.
struct Comparison {
  ExpressionPtr first;
  std::vector<std::pair<Comparator, ExpressionPtr>> rest;
};
struct Conditional { ExpressionPtr test, then, otherwise; };  // otherwise may be null
struct GetAttributeOf { ExpressionPtr object; std::string name; };
struct GetItemOf { ExpressionPtr object, key; };
struct SliceOf { ExpressionPtr object, start, stop, step; };  // bounds may be null
struct CallOf { ExpressionPtr callee; CallArguments arguments; };
struct FilterOf { ExpressionPtr subject; std::string name; CallArguments arguments; };
struct TestOf { ExpressionPtr subject; std::string name; CallArguments arguments; bool negated; };

struct Expression {
  using Node = std::variant<Literal, Variable, ListDisplay, DictDisplay, Not, Signed, Arithmetic, Join,
                            Logical, Comparison, Conditional, GetAttributeOf, GetItemOf, SliceOf,
                            CallOf, FilterOf, TestOf>;
  size_t at;  // offset in the source
  int depth;  // of the tree under it
  Node node;
};

/// How deep the deepest operand is; null ones count 0.
int OperandDepth(const Expression::Node& node);

// ---- Statements.

struct Statement;
using Body = std::vector<Statement>;

struct Target {
  size_t at;
  Symbol symbol = 0;           // a name, or the namespace of
  std::string attribute;       // not empty: namespace.attribute
  std::vector<Target> parts;   // not empty, or `tuple`: (a, b) unpacked
  bool tuple = false;
};

struct Parameter {
  Symbol symbol;
  ExpressionPtr otherwise;  // may be null
};

struct MacroBody {
  std::vector<Parameter> parameters;
  Body body;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

/// One filter of a chain that is applied to a block: name(arguments).
struct BlockFilter {
  size_t at;
  std::string name;
  CallArguments arguments;
};

struct Data { Value text; };
struct Output { ExpressionPtr value; };
struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExpressionPtr iterable, filter;  // filter may be null
  bool recursive = false;
  Body body, otherwise;
};
struct Set { Target target; ExpressionPtr value; };
struct SetBlock { Target target; std::vector<BlockFilter> filters; Body body; };
struct FilterBlock { std::vector<BlockFilter> filters; Body body; };
struct Macro { Symbol symbol; std::string name; std::shared_ptr<const MacroBody> macro; };
struct CallBlock { ExpressionPtr call; std::shared_ptr<const MacroBody> caller; };
/// {% with a = 1 %}; without variables, a block that only has a scope of its own.
struct With { std::vector<std::pair<Target, ExpressionPtr>> variables; Body body; };
struct Break {};
struct Continue {};

struct Statement {
  size_t at;
  std::variant<Data, Output, If, For, Set, SetBlock, FilterBlock, Macro, CallBlock, With, Break, Continue>
      node;
};

struct Tree {
  std::vector<std::string> names;
  Body body;
};

}  // namespace weir::jinja
