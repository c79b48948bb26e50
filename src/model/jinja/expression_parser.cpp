#include "model/jinja/expression_parser.h"

#include <algorithm>
#include <optional>

#include "model/jinja/limits.h"

namespace weir::jinja {
namespace {

std::string Describe(const Token& token) {
  switch (token.type) {
    case TokenType::kEnd: return "the end of the template";
    case TokenType::kData: return "text";
    case TokenType::kVariableBegin: return "'{{'";
    case TokenType::kVariableEnd: return "'}}'";
    case TokenType::kBlockBegin: return "'{%'";
    case TokenType::kBlockEnd: return "'%}'";
    case TokenType::kString: return "a string";
    case TokenType::kInteger:
    case TokenType::kFloat: return "a number";
    case TokenType::kName:
    case TokenType::kOperator: break;
  }
  return fmt::format("'{}'", token.text.substr(0, 60));
}

std::optional<Comparator> ComparatorOf(const Token& token) {
  static constexpr std::pair<std::string_view, Comparator> kComparators[] = {
      {"==", Comparator::kEqual},     {"!=", Comparator::kNotEqual},
      {"<", Comparator::kLess},       {"<=", Comparator::kLessEqual},
      {">", Comparator::kGreater},    {">=", Comparator::kGreaterEqual}};
  for (const auto& [op, comparator] : kComparators) {
    if (token.IsOperator(op)) return comparator;
  }
  return std::nullopt;
}

}  // namespace

ExpressionParser::ExpressionParser(const Source& source, std::vector<Token> tokens)
    : source_(source), tokens_(std::move(tokens)) {
  for (const char* name : {"loop", "caller", "varargs", "kwargs"}) SymbolOf(name);
}

// ---- Tokens and names.

bool ExpressionParser::SkipName(std::string_view name) {
  const bool found = Current().IsName(name);
  if (found) Next();
  return found;
}

bool ExpressionParser::SkipOperator(std::string_view op) {
  const bool found = Current().IsOperator(op);
  if (found) Next();
  return found;
}

Error ExpressionParser::Unexpected(std::string_view expected) const {
  return Fail(fmt::format("expected {}, found {}", expected, Describe(Current())));
}

Status ExpressionParser::Expect(TokenType type, std::string_view what) {
  if (Current().type != type) return Unexpected(fmt::format("'{}'", what));
  Next();
  return {};
}

Status ExpressionParser::ExpectName(std::string_view name) {
  if (!SkipName(name)) return Unexpected(fmt::format("'{}'", name));
  return {};
}

Status ExpressionParser::ExpectOperator(std::string_view op) {
  if (!SkipOperator(op)) return Unexpected(fmt::format("'{}'", op));
  return {};
}

Result<std::string> ExpressionParser::TakeName() {
  if (Current().type != TokenType::kName) return Unexpected("a name");
  std::string name = Current().text;
  Next();
  return name;
}

Status ExpressionParser::EnterNesting() {
  if (++nesting_ > kMaxNesting) return Fail(fmt::format("nested more than {} deep", kMaxNesting));
  return {};
}

bool ExpressionParser::IsConstantName(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" ||
         name == "False" || name == "None";
}

Symbol ExpressionParser::SymbolOf(const std::string& name) {
  const auto [it, added] = symbols_.emplace(name, static_cast<Symbol>(names_.size()));
  if (added) names_.push_back(name);
  return it->second;
}

Result<ExpressionPtr> ExpressionParser::Make(size_t at, Expression::Node node) {
  const int depth = 1 + OperandDepth(node);
  if (depth > kMaxNesting) return FailAt(at, fmt::format("nested more than {} deep", kMaxNesting));
  return std::make_unique<Expression>(Expression{at, depth, std::move(node)});
}

// ---- Operators, loosest first.

Result<ExpressionPtr> ExpressionParser::ParseTuple(bool with_conditional, std::string_view end,
                                                   bool in_parentheses) {
  const size_t at = Current().at;
  const auto ends = [&] {
    const TokenType type = Current().type;
    return type == TokenType::kVariableEnd || type == TokenType::kBlockEnd ||
           Current().IsOperator(")") || (!end.empty() && Current().IsName(end));
  };
  ListDisplay tuple{.items = {}, .tuple = true};
  bool comma = false;
  while (!ends()) {
    WEIR_TRY(ExpressionPtr item, with_conditional ? ParseConditional() : ParseOr());
    tuple.items.push_back(std::move(item));
    if (!Current().IsOperator(",")) break;
    comma = true;
    Next();
  }
  if (!comma && !tuple.items.empty()) return std::move(tuple.items[0]);
  if (tuple.items.empty() && !in_parentheses) return Unexpected("an expression");
  return Make(at, std::move(tuple));
}

Result<ExpressionPtr> ExpressionParser::ParseConditional() {
  const size_t at = Current().at;
  WEIR_RETURN_IF_ERROR(EnterNesting());
  WEIR_TRY(ExpressionPtr expression, ParseOr());
  while (SkipName("if")) {
    Conditional node{nullptr, std::move(expression), nullptr};
    WEIR_TRY(node.test, ParseOr());
    if (SkipName("else")) {
      WEIR_TRY(node.otherwise, ParseConditional());
    }
    WEIR_TRY(expression, Make(at, std::move(node)));
  }
  LeaveNesting();
  return expression;
}

Result<ExpressionPtr> ExpressionParser::ParseLogical(std::string_view name, bool is_and,
                                                     Level operand) {
  const size_t at = Current().at;
  WEIR_TRY(ExpressionPtr first, (this->*operand)());
  if (!Current().IsName(name)) return first;
  Logical node{.operands = {}, .is_and = is_and};
  node.operands.push_back(std::move(first));
  while (SkipName(name)) {
    WEIR_TRY(ExpressionPtr next, (this->*operand)());
    node.operands.push_back(std::move(next));
  }
  return Make(at, std::move(node));
}

Result<ExpressionPtr> ExpressionParser::ParseOr() {
  return ParseLogical("or", false, &ExpressionParser::ParseAnd);
}
Result<ExpressionPtr> ExpressionParser::ParseAnd() {
  return ParseLogical("and", true, &ExpressionParser::ParseNot);
}

Result<ExpressionPtr> ExpressionParser::ParseNot() {
  const size_t at = Current().at;
  if (!SkipName("not")) return ParseComparison();
  WEIR_RETURN_IF_ERROR(EnterNesting());
  WEIR_TRY(ExpressionPtr operand, ParseNot());
  LeaveNesting();
  return Make(at, Not{std::move(operand)});
}

Result<ExpressionPtr> ExpressionParser::ParseComparison() {
  const size_t at = Current().at;
  WEIR_TRY(ExpressionPtr first, ParseSum());
  Comparison node{std::move(first), {}};
  while (true) {
    std::optional<Comparator> comparator = ComparatorOf(Current());
    if (Current().IsName("in")) comparator = Comparator::kIn;
    if (Current().IsName("not") && Ahead().IsName("in")) {
      comparator = Comparator::kNotIn;
      Next();
    }
    if (!comparator) break;
    Next();
    WEIR_TRY(ExpressionPtr operand, ParseSum());
    node.rest.emplace_back(*comparator, std::move(operand));
  }
  if (node.rest.empty()) return std::move(node.first);
  return Make(at, std::move(node));
}

Result<ExpressionPtr> ExpressionParser::ParseArithmetic(
    std::initializer_list<std::pair<std::string_view, BinaryOperator>> operators, Level operand) {
  const size_t at = Current().at;
  WEIR_TRY(ExpressionPtr first, (this->*operand)());
  Arithmetic node{std::move(first), {}};
  while (true) {
    const auto found = std::find_if(operators.begin(), operators.end(), [&](const auto& entry) {
      return Current().IsOperator(entry.first);
    });
    if (found == operators.end()) break;
    Next();
    WEIR_TRY(ExpressionPtr next, (this->*operand)());
    node.rest.emplace_back(found->second, std::move(next));
  }
  if (node.rest.empty()) return std::move(node.first);
  return Make(at, std::move(node));
}

Result<ExpressionPtr> ExpressionParser::ParseSum() {
  return ParseArithmetic({{"+", BinaryOperator::kAdd}, {"-", BinaryOperator::kSubtract}},
                         &ExpressionParser::ParseJoin);
}

Result<ExpressionPtr> ExpressionParser::ParseJoin() {
  const size_t at = Current().at;
  WEIR_TRY(ExpressionPtr first, ParseProduct());
  if (!Current().IsOperator("~")) return first;
  Join node;
  node.parts.push_back(std::move(first));
  while (SkipOperator("~")) {
    WEIR_TRY(ExpressionPtr part, ParseProduct());
    node.parts.push_back(std::move(part));
  }
  return Make(at, std::move(node));
}

Result<ExpressionPtr> ExpressionParser::ParseProduct() {
  return ParseArithmetic({{"*", BinaryOperator::kMultiply},
                          {"/", BinaryOperator::kDivide},
                          {"//", BinaryOperator::kFloorDivide},
                          {"%", BinaryOperator::kModulo}},
                         &ExpressionParser::ParsePower);
}

Result<ExpressionPtr> ExpressionParser::ParsePower() {
  return ParseArithmetic({{"**", BinaryOperator::kPower}}, &ExpressionParser::ParseFiltered);
}

Result<ExpressionPtr> ExpressionParser::ParseUnary(bool with_filters) {
  const size_t at = Current().at;
  const bool negative = Current().IsOperator("-");
  ExpressionPtr expression;
  if (negative || Current().IsOperator("+")) {
    Next();
    WEIR_RETURN_IF_ERROR(EnterNesting());
    WEIR_TRY(ExpressionPtr operand, ParseUnary(false));
    LeaveNesting();
    WEIR_TRY(expression, Make(at, Signed{std::move(operand), negative}));
  } else {
    WEIR_TRY(expression, ParsePrimary());
  }
  WEIR_TRY(expression, ParsePostfix(std::move(expression)));
  if (with_filters) return ParseFilters(std::move(expression));
  return expression;
}

// ---- Primaries.

Result<ExpressionPtr> ExpressionParser::ParsePrimary() {
  const Token& token = Current();
  const size_t at = token.at;
  if (token.type == TokenType::kName) return ParseNamed();
  if (token.type == TokenType::kString) {
    std::string text;
    for (; Current().type == TokenType::kString; Next()) text += Current().text;
    return Make(at, Literal{Value::String({std::move(text), Origin::kTemplate})});
  }
  if (token.type == TokenType::kInteger || token.type == TokenType::kFloat) {
    const Value value = token.type == TokenType::kInteger ? Value::Int(token.integer)
                                                          : Value::Float(token.real);
    Next();
    return Make(at, Literal{value});
  }
  if (SkipOperator("(")) {
    WEIR_TRY(ExpressionPtr inner, ParseTuple(true, {}, true));
    WEIR_RETURN_IF_ERROR(ExpectOperator(")"));
    return inner;
  }
  if (token.IsOperator("[")) return ParseList();
  if (token.IsOperator("{")) return ParseDict();
  return Unexpected("an expression");
}

Result<ExpressionPtr> ExpressionParser::ParseNamed() {
  const size_t at = Current().at;
  const std::string name = Current().text;
  Next();
  if (name == "none" || name == "None") return Make(at, Literal{Value::None()});
  if (IsConstantName(name)) return Make(at, Literal{Value::Bool(name == "true" || name == "True")});
  for (MacroBody* macro : macros_) {
    macro->uses_varargs |= name == "varargs";
    macro->uses_kwargs |= name == "kwargs";
    macro->uses_caller |= name == "caller";
  }
  return Make(at, Variable{SymbolOf(name)});
}

Result<ExpressionPtr> ExpressionParser::ParseList() {
  const size_t at = Current().at;
  Next();
  ListDisplay list{.items = {}, .tuple = false};
  while (!Current().IsOperator("]")) {
    WEIR_TRY(ExpressionPtr item, ParseExpression());
    list.items.push_back(std::move(item));
    if (!SkipOperator(",")) break;
  }
  WEIR_RETURN_IF_ERROR(ExpectOperator("]"));
  return Make(at, std::move(list));
}

Result<ExpressionPtr> ExpressionParser::ParseDict() {
  const size_t at = Current().at;
  Next();
  DictDisplay dict;
  while (!Current().IsOperator("}")) {
    WEIR_TRY(ExpressionPtr key, ParseExpression());
    WEIR_RETURN_IF_ERROR(ExpectOperator(":"));
    WEIR_TRY(ExpressionPtr value, ParseExpression());
    dict.entries.emplace_back(std::move(key), std::move(value));
    if (!SkipOperator(",")) break;
  }
  WEIR_RETURN_IF_ERROR(ExpectOperator("}"));
  return Make(at, std::move(dict));
}

// ---- What follows a primary.

Result<ExpressionPtr> ExpressionParser::ParsePostfix(ExpressionPtr object) {
  while (true) {
    if (Current().IsOperator(".")) {
      WEIR_TRY(object, ParseDot(std::move(object)));
    } else if (Current().IsOperator("[")) {
      WEIR_TRY(object, ParseBrackets(std::move(object)));
    } else if (Current().IsOperator("(")) {
      WEIR_TRY(object, ParseCallOf(std::move(object)));
    } else {
      return object;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::ParseDot(ExpressionPtr object) {
  const size_t at = Current().at;
  Next();
  const Token token = Current();
  if (token.type != TokenType::kName && token.type != TokenType::kInteger) {
    return Unexpected("a name or a number after the dot");
  }
  Next();
  if (token.type == TokenType::kName) {
    return Make(at, GetAttributeOf{std::move(object), token.text});
  }
  WEIR_TRY(ExpressionPtr key, Make(token.at, Literal{Value::Int(token.integer)}));
  return Make(at, GetItemOf{std::move(object), std::move(key)});
}

Result<ExpressionPtr> ExpressionParser::ParseBrackets(ExpressionPtr object) {
  const size_t at = Current().at;
  Next();
  if (Current().IsOperator(":")) return ParseSlice(at, std::move(object), nullptr);
  WEIR_TRY(ExpressionPtr key, ParseExpression());
  if (Current().IsOperator(":")) return ParseSlice(at, std::move(object), std::move(key));
  WEIR_RETURN_IF_ERROR(ExpectOperator("]"));
  return Make(at, GetItemOf{std::move(object), std::move(key)});
}

Result<ExpressionPtr> ExpressionParser::ParseSlice(size_t at, ExpressionPtr object,
                                                   ExpressionPtr start) {
  SliceOf node{std::move(object), std::move(start), nullptr, nullptr};
  for (ExpressionPtr* bound : {&node.stop, &node.step}) {
    if (!SkipOperator(":")) break;
    if (!Current().IsOperator(":") && !Current().IsOperator("]")) {
      WEIR_TRY(*bound, ParseExpression());
    }
  }
  WEIR_RETURN_IF_ERROR(ExpectOperator("]"));
  return Make(at, std::move(node));
}

Result<ExpressionPtr> ExpressionParser::ParseCallOf(ExpressionPtr callee) {
  const size_t at = callee->at;
  WEIR_TRY(CallArguments arguments, ParseCallArguments());
  return Make(at, CallOf{std::move(callee), std::move(arguments)});
}

Result<CallArguments> ExpressionParser::ParseCallArguments() {
  CallArguments arguments;
  WEIR_RETURN_IF_ERROR(ExpectOperator("("));
  while (!Current().IsOperator(")")) {
    WEIR_RETURN_IF_ERROR(ParseArgument(&arguments));
    if (!SkipOperator(",")) break;
  }
  WEIR_RETURN_IF_ERROR(ExpectOperator(")"));
  return arguments;
}

/// One of: value, name=value, *list, **dict, in this order.
Status ExpressionParser::ParseArgument(CallArguments* arguments) {
  if (arguments->double_star) return Unexpected("')' after the argument **");
  if (SkipOperator("**")) {
    WEIR_TRY(arguments->double_star, ParseExpression());
    return {};
  }
  if (Current().type == TokenType::kName && Ahead().IsOperator("=")) {
    std::string name = Current().text;
    Next();
    Next();
    WEIR_TRY(ExpressionPtr value, ParseExpression());
    arguments->named.emplace_back(std::move(name), std::move(value));
    return {};
  }
  if (!arguments->star && SkipOperator("*")) {
    WEIR_TRY(arguments->star, ParseExpression());
    return {};
  }
  if (arguments->star || !arguments->named.empty()) {
    return Fail("a positional argument after others");
  }
  WEIR_TRY(ExpressionPtr value, ParseExpression());
  arguments->positional.push_back(std::move(value));
  return {};
}

Result<std::string> ExpressionParser::ParseDottedName() {
  WEIR_TRY(std::string name, TakeName());
  while (SkipOperator(".")) {
    WEIR_TRY(const std::string part, TakeName());
    name += "." + part;
  }
  return name;
}

Result<BlockFilter> ExpressionParser::ParseFilterName() {
  BlockFilter filter{.at = Current().at, .name = {}, .arguments = {}};
  WEIR_TRY(filter.name, ParseDottedName());
  if (Current().IsOperator("(")) {
    WEIR_TRY(filter.arguments, ParseCallArguments());
  }
  return filter;
}

Result<ExpressionPtr> ExpressionParser::ParseFilters(ExpressionPtr subject) {
  while (true) {
    if (SkipOperator("|")) {
      WEIR_TRY(BlockFilter filter, ParseFilterName());
      WEIR_TRY(subject, Make(filter.at, FilterOf{std::move(subject), std::move(filter.name),
                                                 std::move(filter.arguments)}));
    } else if (Current().IsName("is")) {
      WEIR_TRY(subject, ParseTest(std::move(subject)));
    } else if (Current().IsOperator("(")) {
      WEIR_TRY(subject, ParseCallOf(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::ParseTest(ExpressionPtr subject) {
  Next();
  const bool negated = SkipName("not");
  const size_t at = Current().at;
  TestOf node{std::move(subject), {}, {}, negated};
  WEIR_TRY(node.name, ParseDottedName());
  const Token& token = Current();
  if (token.IsOperator("(")) {
    WEIR_TRY(node.arguments, ParseCallArguments());
    return Make(at, std::move(node));
  }
  const bool has_operand =
      token.type == TokenType::kString || token.type == TokenType::kInteger ||
      token.type == TokenType::kFloat || token.IsOperator("[") || token.IsOperator("{") ||
      (token.type == TokenType::kName && token.text != "else" && token.text != "or" &&
       token.text != "and");
  if (has_operand) {
    if (token.IsName("is")) return Fail("tests cannot be chained with 'is'");
    WEIR_TRY(ExpressionPtr operand, ParsePrimary());
    WEIR_TRY(operand, ParsePostfix(std::move(operand)));
    node.arguments.positional.push_back(std::move(operand));
  }
  return Make(at, std::move(node));
}

}  // namespace weir::jinja
