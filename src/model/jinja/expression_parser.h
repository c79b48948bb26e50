// Expressions of a template, by recursive descent with one function per level of precedence.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/jinja/ast.h"
#include "model/jinja/lexer.h"
#include "model/jinja/source.h"

namespace weir::jinja {

class ExpressionParser {
 protected:
  ExpressionParser(const Source& source, std::vector<Token> tokens);

  // ---- Tokens.

  const Token& Current() const { return tokens_[next_]; }
  const Token& Ahead() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
  void Next() { next_ += next_ + 1 < tokens_.size(); }
  bool SkipName(std::string_view name);
  bool SkipOperator(std::string_view op);
  Status Expect(TokenType type, std::string_view what);
  Status ExpectName(std::string_view name);
  Status ExpectOperator(std::string_view op);
  Result<std::string> TakeName();
  Error Fail(std::string_view message) const { return FailAt(Current().at, message); }
  Error FailAt(size_t at, std::string_view message) const { return source_.ErrorAt(at, message); }
  /// "expected X, found Y" at the current token.
  Error Unexpected(std::string_view expected) const;

  Status EnterNesting();
  void LeaveNesting() { --nesting_; }

  // ---- Names.

  static bool IsConstantName(std::string_view name);
  Symbol SymbolOf(const std::string& name);
  std::vector<std::string> TakeNames() { return std::move(names_); }
  /// Between these, `macro` learns which of its implicit variables are used.
  void OpenMacro(MacroBody* macro) { macros_.push_back(macro); }
  void CloseMacro() { macros_.pop_back(); }

  // ---- Expressions.

  Result<ExpressionPtr> ParseExpression() { return ParseConditional(); }
  /// An expression, or several with commas as a tuple; `end` is a name that ends it.
  Result<ExpressionPtr> ParseTuple(bool with_conditional, std::string_view end,
                                   bool in_parentheses = false);
  /// name(arguments) behind a '|'.
  Result<BlockFilter> ParseFilterName();

 private:
  using Level = Result<ExpressionPtr> (ExpressionParser::*)();

  Result<ExpressionPtr> Make(size_t at, Expression::Node node);
  Result<ExpressionPtr> ParseConditional();
  Result<ExpressionPtr> ParseOr();
  Result<ExpressionPtr> ParseAnd();
  Result<ExpressionPtr> ParseLogical(std::string_view name, bool is_and, Level operand);
  Result<ExpressionPtr> ParseNot();
  Result<ExpressionPtr> ParseComparison();
  Result<ExpressionPtr> ParseSum();
  Result<ExpressionPtr> ParseJoin();
  Result<ExpressionPtr> ParseProduct();
  Result<ExpressionPtr> ParsePower();
  Result<ExpressionPtr> ParseArithmetic(
      std::initializer_list<std::pair<std::string_view, BinaryOperator>> operators, Level operand);
  Result<ExpressionPtr> ParseFiltered() { return ParseUnary(true); }
  Result<ExpressionPtr> ParseUnary(bool with_filters);
  Result<ExpressionPtr> ParsePrimary();
  Result<ExpressionPtr> ParseNamed();
  Result<ExpressionPtr> ParseList();
  Result<ExpressionPtr> ParseDict();
  Result<ExpressionPtr> ParsePostfix(ExpressionPtr object);
  Result<ExpressionPtr> ParseDot(ExpressionPtr object);
  Result<ExpressionPtr> ParseBrackets(ExpressionPtr object);
  Result<ExpressionPtr> ParseSlice(size_t at, ExpressionPtr object, ExpressionPtr start);
  Result<ExpressionPtr> ParseCallOf(ExpressionPtr callee);
  Result<ExpressionPtr> ParseFilters(ExpressionPtr subject);
  Result<ExpressionPtr> ParseTest(ExpressionPtr subject);
  Result<CallArguments> ParseCallArguments();
  Status ParseArgument(CallArguments* arguments);
  Result<std::string> ParseDottedName();

  const Source& source_;
  std::vector<Token> tokens_;
  size_t next_ = 0;
  int nesting_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, Symbol> symbols_;
  std::vector<MacroBody*> macros_;  // open ones
};

}  // namespace weir::jinja
