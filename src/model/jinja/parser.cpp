// Statements. The grammar is that of Jinja 3.1 with its loop controls, and {% generation %} of transformers.
#include "model/jinja/parser.h"

#include "model/jinja/expression_parser.h"

namespace weir::jinja {
namespace {

class Parser : private ExpressionParser {
 public:
  Parser(const Source& source, std::vector<Token> tokens)
      : ExpressionParser(source, std::move(tokens)) {}

  Result<Tree> Run() {
    WEIR_TRY(Body body, ParseUntil({}));
    return Tree{TakeNames(), std::move(body)};
  }

 private:
  using EndTags = std::initializer_list<std::string_view>;

  /// Statements up to a tag of `ends`, whose name is then the current token; up to the end without any.
  Result<Body> ParseUntil(EndTags ends);
  /// The body after a tag: its end, statements, and the end tag, whose name is the current token.
  Result<Body> ParseBody(EndTags ends);
  /// The same with only one end tag, which is consumed.
  Result<Body> ParseBlock(std::string_view end);
  Result<Statement> ParseStatement();

  Result<Statement> ParseIf(size_t at);
  Result<Statement> ParseFor(size_t at);
  Result<Statement> ParseSet(size_t at);
  Result<Statement> ParseMacro(size_t at);
  Result<Statement> ParseCall(size_t at);
  Result<Statement> ParseFilter(size_t at);
  Result<Statement> ParseWith(size_t at);
  Result<Statement> ParsePrint(size_t at);
  Result<Statement> ParseScope(size_t at, const std::string& tag);
  Result<Statement> ParseLoopControl(size_t at, bool is_break);

  Result<Target> ParseTarget(bool for_loop);
  Result<Target> ParseSingleTarget(bool may_be_namespace);
  Status ParseParameters(MacroBody* macro);
  /// The body of a macro, a call block: a function of its own, outside of any loop.
  Status ParseMacroBody(std::string_view end, MacroBody* macro);

  int n_loops_ = 0;  // open ones, in this function
};

Result<Body> Parser::ParseUntil(EndTags ends) {
  Body body;
  while (Current().type != TokenType::kEnd) {
    const Token& token = Current();
    if (token.type == TokenType::kData) {
      body.push_back({token.at, Data{Value::String({token.text, Origin::kTemplate})}});
      Next();
    } else if (token.type == TokenType::kVariableBegin) {
      const size_t at = token.at;
      Next();
      WEIR_TRY(ExpressionPtr value, ParseTuple(true, {}));
      body.push_back({at, Output{std::move(value)}});
      WEIR_RETURN_IF_ERROR(Expect(TokenType::kVariableEnd, "}}"));
    } else {
      Next();
      for (const std::string_view end : ends) {
        if (Current().IsName(end)) return body;
      }
      WEIR_RETURN_IF_ERROR(EnterNesting());
      WEIR_TRY(Statement statement, ParseStatement());
      LeaveNesting();
      body.push_back(std::move(statement));
      WEIR_RETURN_IF_ERROR(Expect(TokenType::kBlockEnd, "%}"));
    }
  }
  if (ends.size() == 0) return body;
  return Fail(fmt::format("the template ends before {{% {} %}}", *(ends.end() - 1)));
}

Result<Body> Parser::ParseBody(EndTags ends) {
  SkipOperator(":");
  WEIR_RETURN_IF_ERROR(Expect(TokenType::kBlockEnd, "%}"));
  return ParseUntil(ends);
}

Result<Body> Parser::ParseBlock(std::string_view end) {
  WEIR_TRY(Body body, ParseBody({end}));
  Next();
  return body;
}

Result<Statement> Parser::ParseStatement() {
  if (Current().type != TokenType::kName) return Fail("expected the name of a tag");
  const size_t at = Current().at;
  const std::string tag = Current().text;
  Next();
  if (tag == "if") return ParseIf(at);
  if (tag == "for") return ParseFor(at);
  if (tag == "set") return ParseSet(at);
  if (tag == "macro") return ParseMacro(at);
  if (tag == "call") return ParseCall(at);
  if (tag == "filter") return ParseFilter(at);
  if (tag == "with") return ParseWith(at);
  if (tag == "print") return ParsePrint(at);
  if (tag == "break" || tag == "continue") return ParseLoopControl(at, tag == "break");
  if (tag == "generation" || tag == "autoescape" || tag == "block") return ParseScope(at, tag);
  if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
    return FailAt(at, fmt::format("{{% {} %}}: there are no other templates", tag));
  }
  return FailAt(at, fmt::format("unknown tag '{}'", tag));
}

Result<Statement> Parser::ParseIf(size_t at) {
  If node;
  while (true) {
    WEIR_TRY(ExpressionPtr test, ParseTuple(false, {}));
    WEIR_TRY(Body body, ParseBody({"elif", "else", "endif"}));
    node.branches.emplace_back(std::move(test), std::move(body));
    const std::string tag = Current().text;
    Next();
    if (tag == "elif") continue;
    if (tag == "else") {
      WEIR_TRY(node.otherwise, ParseBlock("endif"));
    }
    return Statement{at, std::move(node)};
  }
}

Result<Statement> Parser::ParseFor(size_t at) {
  For node;
  WEIR_TRY(node.target, ParseTarget(true));
  WEIR_RETURN_IF_ERROR(ExpectName("in"));
  WEIR_TRY(node.iterable, ParseTuple(false, "recursive"));
  if (SkipName("if")) {
    WEIR_TRY(node.filter, ParseExpression());
  }
  node.recursive = SkipName("recursive");
  ++n_loops_;
  WEIR_TRY(node.body, ParseBody({"else", "endfor"}));
  --n_loops_;
  const bool has_else = Current().text == "else";
  Next();
  if (has_else) {
    WEIR_TRY(node.otherwise, ParseBlock("endfor"));
  }
  return Statement{at, std::move(node)};
}

Result<Target> Parser::ParseSingleTarget(bool may_be_namespace) {
  const size_t at = Current().at;
  WEIR_TRY(const std::string name, TakeName());
  Target target{.at = at, .symbol = SymbolOf(name), .attribute = {}, .parts = {}};
  if (may_be_namespace && SkipOperator(".")) {
    WEIR_TRY(target.attribute, TakeName());
  } else if (IsConstantName(name) || (!may_be_namespace && name == "loop")) {
    return FailAt(at, fmt::format("'{}' cannot be assigned to", name));
  }
  return target;
}

/// One target or several with commas, with or without parentheses. In parentheses they may be nested.
Result<Target> Parser::ParseTarget(bool for_loop) {
  Target tuple{.at = Current().at, .attribute = {}, .parts = {}, .tuple = true};
  while (true) {
    if (SkipOperator("(")) {
      WEIR_RETURN_IF_ERROR(EnterNesting());
      WEIR_TRY(Target inner, ParseTarget(for_loop));
      LeaveNesting();
      WEIR_RETURN_IF_ERROR(ExpectOperator(")"));
      tuple.parts.push_back(std::move(inner));
    } else {
      WEIR_TRY(Target single, ParseSingleTarget(!for_loop));
      tuple.parts.push_back(std::move(single));
    }
    const bool comma = SkipOperator(",");
    if (!comma && tuple.parts.size() == 1) return std::move(tuple.parts[0]);
    if (!comma || Current().type != TokenType::kName || (for_loop && Current().text == "in")) {
      if (!Current().IsOperator("(") || !comma) return tuple;
    }
  }
}

Result<Statement> Parser::ParseSet(size_t at) {
  WEIR_TRY(Target target, ParseTarget(false));
  if (SkipOperator("=")) {
    WEIR_TRY(ExpressionPtr value, ParseTuple(true, {}));
    return Statement{at, Set{std::move(target), std::move(value)}};
  }
  SetBlock node{std::move(target), {}, {}};
  while (SkipOperator("|")) {
    WEIR_TRY(BlockFilter filter, ParseFilterName());
    node.filters.push_back(std::move(filter));
  }
  WEIR_TRY(node.body, ParseBlock("endset"));
  return Statement{at, std::move(node)};
}

Status Parser::ParseParameters(MacroBody* macro) {
  WEIR_RETURN_IF_ERROR(ExpectOperator("("));
  while (!Current().IsOperator(")")) {
    if (!macro->parameters.empty()) WEIR_RETURN_IF_ERROR(ExpectOperator(","));
    WEIR_TRY(const std::string name, TakeName());
    Parameter parameter{SymbolOf(name), nullptr};
    if (SkipOperator("=")) {
      WEIR_TRY(parameter.otherwise, ParseExpression());
    } else if (!macro->parameters.empty() && macro->parameters.back().otherwise) {
      return Fail("a parameter without a default after one that has one");
    }
    macro->parameters.push_back(std::move(parameter));
  }
  return ExpectOperator(")");
}

Status Parser::ParseMacroBody(std::string_view end, MacroBody* macro) {
  const int n_loops = std::exchange(n_loops_, 0);
  OpenMacro(macro);
  WEIR_TRY(macro->body, ParseBlock(end));
  CloseMacro();
  n_loops_ = n_loops;
  return {};
}

Result<Statement> Parser::ParseMacro(size_t at) {
  WEIR_TRY(const std::string name, TakeName());
  auto macro = std::make_shared<MacroBody>();
  WEIR_RETURN_IF_ERROR(ParseParameters(macro.get()));
  WEIR_RETURN_IF_ERROR(ParseMacroBody("endmacro", macro.get()));
  return Statement{at, Macro{SymbolOf(name), name, std::move(macro)}};
}

Result<Statement> Parser::ParseCall(size_t at) {
  auto caller = std::make_shared<MacroBody>();
  if (Current().IsOperator("(")) WEIR_RETURN_IF_ERROR(ParseParameters(caller.get()));
  WEIR_TRY(ExpressionPtr call, ParseExpression());
  if (!std::holds_alternative<CallOf>(call->node)) return FailAt(call->at, "expected a call");
  WEIR_RETURN_IF_ERROR(ParseMacroBody("endcall", caller.get()));
  return Statement{at, CallBlock{std::move(call), std::move(caller)}};
}

Result<Statement> Parser::ParseFilter(size_t at) {
  FilterBlock node;
  do {
    WEIR_TRY(BlockFilter filter, ParseFilterName());
    node.filters.push_back(std::move(filter));
  } while (SkipOperator("|"));
  WEIR_TRY(node.body, ParseBlock("endfilter"));
  return Statement{at, std::move(node)};
}

Result<Statement> Parser::ParseWith(size_t at) {
  With node;
  while (Current().type != TokenType::kBlockEnd) {
    if (!node.variables.empty()) WEIR_RETURN_IF_ERROR(ExpectOperator(","));
    WEIR_TRY(Target target, ParseTarget(false));
    WEIR_RETURN_IF_ERROR(ExpectOperator("="));
    WEIR_TRY(ExpressionPtr value, ParseExpression());
    node.variables.emplace_back(std::move(target), std::move(value));
  }
  WEIR_TRY(node.body, ParseBlock("endwith"));
  return Statement{at, std::move(node)};
}

Result<Statement> Parser::ParsePrint(size_t at) {
  With node;  // of several outputs
  do {
    WEIR_TRY(ExpressionPtr value, ParseExpression());
    node.body.push_back({at, Output{std::move(value)}});
  } while (SkipOperator(","));
  return Statement{at, std::move(node)};
}

/// Tags that make no difference to the text beyond a scope of their own.
Result<Statement> Parser::ParseScope(size_t at, const std::string& tag) {
  With node;
  if (tag == "autoescape") WEIR_RETURN_IF_ERROR(ParseExpression());
  std::string name;
  if (tag == "block") {
    WEIR_TRY(name, TakeName());
    SkipName("scoped");
    SkipName("required");
  }
  WEIR_TRY(node.body, ParseBlock("end" + tag));
  if (!name.empty()) SkipName(name);
  return Statement{at, std::move(node)};
}

Result<Statement> Parser::ParseLoopControl(size_t at, bool is_break) {
  if (n_loops_ == 0) return FailAt(at, is_break ? "break outside of a loop" : "continue outside of a loop");
  if (is_break) return Statement{at, Break{}};
  return Statement{at, Continue{}};
}

}  // namespace

Result<Tree> Parse(const Source& source) {
  WEIR_TRY(std::vector<Token> tokens, Tokenize(source));
  return Parser(source, std::move(tokens)).Run();
}

}  // namespace weir::jinja
