// Runs a syntax tree.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/jinja/ast.h"
#include "model/jinja/runtime.h"
#include "model/jinja/source.h"

namespace weir::jinja {

/// Variables of one scope. Reading goes to the parents, writing does not.
struct Frame {
  std::shared_ptr<Frame> parent;
  std::unordered_map<Symbol, Value> variables;
};

class Interpreter {
 public:
  /// `variables` hides the global functions. All three outlive the interpreter.
  Interpreter(const Tree& tree, const Source& source, Runtime& runtime);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void SetVariable(Symbol symbol, Value value) { frame_->variables[symbol] = std::move(value); }
  /// The text of the whole template. Errors have line and column.
  Result<Text> Render();

 private:
  friend class Loop;
  friend class MacroFunction;
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  // ---- Statements.

  Result<Flow> Run(const Body& body);
  Result<Flow> RunScoped(const Body& body);
  Result<Flow> Run(const Statement& statement);
  Result<Flow> RunNode(const Data& node);
  Result<Flow> RunNode(const Output& node);
  Result<Flow> RunNode(const If& node);
  Result<Flow> RunNode(const For& node);
  Result<Flow> RunNode(const Set& node);
  Result<Flow> RunNode(const SetBlock& node);
  Result<Flow> RunNode(const FilterBlock& node);
  Result<Flow> RunNode(const Macro& node);
  Result<Flow> RunNode(const CallBlock& node);
  Result<Flow> RunNode(const With& node);
  Result<Flow> RunNode(const Break&) { return Flow::kBreak; }
  Result<Flow> RunNode(const Continue&) { return Flow::kContinue; }

  /// `depth`: of recursion. kBreak and kContinue are of the else branch and mean a loop outside.
  Result<Flow> RunLoop(const For& node, const Value& iterable, int depth);
  Result<std::vector<Value>> Filtered(const For& node, std::vector<Value> items);
  /// What `body` writes, in a scope inside the current one.
  Result<Value> Capture(const Body& body);
  Result<Value> ApplyFilters(const std::vector<BlockFilter>& filters, Value value);
  Result<Value> CallMacro(const MacroBody& macro, const std::shared_ptr<Frame>& scope, Args args);
  Status BindParameters(const MacroBody& macro, Args& args);
  Value NewMacro(std::string name, std::shared_ptr<const MacroBody> macro);
  Status Assign(const Target& target, const Value& value);
  Status Write(const Text& text);

  // ---- Expressions.

  Result<Value> Evaluate(const Expression& expression);
  Result<Value> EvaluateOr(const ExpressionPtr& expression, const Value& otherwise);
  Result<Value> EvaluateNode(const Literal& node) { return node.value; }
  Result<Value> EvaluateNode(const Variable& node);
  Result<Value> EvaluateNode(const ListDisplay& node);
  Result<Value> EvaluateNode(const DictDisplay& node);
  Result<Value> EvaluateNode(const Not& node);
  Result<Value> EvaluateNode(const Signed& node);
  Result<Value> EvaluateNode(const Arithmetic& node);
  Result<Value> EvaluateNode(const Join& node);
  Result<Value> EvaluateNode(const Logical& node);
  Result<Value> EvaluateNode(const Comparison& node);
  Result<Value> EvaluateNode(const Conditional& node);
  Result<Value> EvaluateNode(const GetAttributeOf& node);
  Result<Value> EvaluateNode(const GetItemOf& node);
  Result<Value> EvaluateNode(const SliceOf& node);
  Result<Value> EvaluateNode(const CallOf& node);
  Result<Value> EvaluateNode(const FilterOf& node);
  Result<Value> EvaluateNode(const TestOf& node);
  Result<bool> Compare(Comparator comparator, const Value& a, const Value& b);
  Result<Args> EvaluateArguments(const CallArguments& arguments);

  /// Remembers where an error happened: the innermost node that sees it.
  template <class T>
  T At(size_t at, T result) {
    if (!result.ok() && !failed_) {
      failed_ = true;
      failed_at_ = at;
    }
    return result;
  }

  const Tree& tree_;
  const Source& source_;
  Runtime& runtime_;
  std::shared_ptr<Frame> frame_;
  std::vector<std::shared_ptr<Frame>> captured_;  // by macros, which may be variables of theirs
  TextBuilder out_;                               // what is being written to
  bool failed_ = false;
  size_t failed_at_ = 0;
};

}  // namespace weir::jinja
