// Values that templates can call or change.
#pragma once

#include <string>
#include <utility>

#include "model/jinja/arguments.h"
#include "model/jinja/runtime.h"

namespace weir::jinja {

/// namespace(..): the one thing whose attributes a template can set.
class Namespace : public Native {
 public:
  explicit Namespace(std::shared_ptr<Dict> attributes) : attributes_(std::move(attributes)) {}
  std::string_view TypeName() const override { return "Namespace"; }
  bool callable() const override { return false; }
  std::optional<Value> Attribute(Runtime& runtime, std::string_view name) const override;
  void Set(Runtime& runtime, const std::string& name, const Value& value) const;
  void Clear() override { attributes_.reset(); }

 private:
  std::shared_ptr<Dict> attributes_;
};

/// A function of Jinja's, or a method with the value that it is bound to.
class Function : public Native {
 public:
  explicit Function(const FunctionEntry& entry, Value self = {})
      : entry_(entry), self_(std::move(self)) {}
  std::string_view TypeName() const override { return "function"; }
  Result<Value> Call(Runtime& runtime, Args args) const override {
    return Invoke(runtime, entry_, self_, args);
  }
  std::string Repr() const override { return fmt::format("<function {}>", entry_.name); }
  int depth() const override { return self_.depth(); }

 private:
  const FunctionEntry& entry_;  // of a table that lives for ever
  Value self_;
};

/// range, dict, namespace, cycler, joiner, raise_exception, strftime_now; nothing for any other name.
std::optional<Value> FindGlobal(std::string_view name);

}  // namespace weir::jinja
