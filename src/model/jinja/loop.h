// What only the interpreter makes: the variable `loop`, and macros.
#pragma once

#include <memory>
#include <string>

#include "model/jinja/arguments.h"
#include "model/jinja/interpreter.h"

namespace weir::jinja {

class Loop : public Native, public std::enable_shared_from_this<Loop> {
 public:
  /// `items`: a list. `depth`: of a recursive loop, from 0.
  Loop(Interpreter& interpreter, const For& node, std::shared_ptr<Frame> scope, Value items, int depth)
      : interpreter_(interpreter), node_(node), scope_(std::move(scope)), items_(std::move(items)),
        recursion_(depth) {}

  size_t size() const { return items_.sequence().items.size(); }
  void MoveTo(size_t index) { index_ = index; }
  const Value& item() const { return items_.sequence().items[index_]; }

  std::string_view TypeName() const override { return "LoopContext"; }
  std::optional<Value> Attribute(Runtime& runtime, std::string_view name) const override;
  /// loop(items) of a recursive loop: the loop again, over these.
  Result<Value> Call(Runtime& runtime, Args args) const override;
  int depth() const override { return 1 + items_.depth(); }
  void Clear() override { last_ = Value(); }

 private:
  static Result<Value> Cycle(Runtime& runtime, const Value& self, const Arguments& args);
  static Result<Value> Changed(Runtime& runtime, const Value& self, const Arguments& args);
  Value Neighbour(bool exists, size_t index, std::string_view name) const;

  Interpreter& interpreter_;
  const For& node_;
  std::shared_ptr<Frame> scope_;
  Value items_;
  int recursion_;
  size_t index_ = 0;
  mutable Value last_;              // of changed()
  mutable bool has_last_ = false;
};

class MacroFunction : public Native {
 public:
  MacroFunction(Interpreter& interpreter, std::string name, std::shared_ptr<const MacroBody> macro,
                std::shared_ptr<Frame> scope)
      : interpreter_(interpreter), name_(std::move(name)), macro_(std::move(macro)),
        scope_(std::move(scope)), charge_(interpreter.runtime_.budget(), 256) {}

  std::string_view TypeName() const override { return "Macro"; }
  std::optional<Value> Attribute(Runtime& runtime, std::string_view name) const override;
  Result<Value> Call(Runtime&, Args args) const override {
    return interpreter_.CallMacro(*macro_, scope_, std::move(args));
  }
  std::string Repr() const override { return fmt::format("<Macro '{}'>", name_); }

 private:
  Interpreter& interpreter_;
  std::string name_;
  std::shared_ptr<const MacroBody> macro_;
  std::shared_ptr<Frame> scope_;
  Charge charge_;
};

}  // namespace weir::jinja
