#include "model/jinja/runtime.h"

#include <algorithm>

namespace weir::jinja {

Runtime::~Runtime() {
  for (const std::shared_ptr<Native>& native : kept_) native->Clear();
}

Status Runtime::Spend(int64_t steps) {
  steps_ += steps;
  if (steps_ > limits_.max_steps) {
    return BadInput("the template takes more than {} steps", limits_.max_steps);
  }
  if (budget_.live_bytes > limits_.max_live_bytes) {
    return BadInput("the template's values take more than {} bytes", limits_.max_live_bytes);
  }
  if (too_deep_) return BadInput("lists or dicts are nested more than {} deep", kMaxNesting);
  return {};
}

Status Runtime::Enter() {
  if (++depth_ > limits_.max_depth) {
    return BadInput("more than {} parts of the template are open at once: endless recursion?",
                    limits_.max_depth);
  }
  return Spend();
}

Result<Value> Runtime::Finish(TextBuilder& builder) {
  if (builder.overflowed()) {
    return BadInput("a string grows beyond {} bytes", limits_.max_string_bytes);
  }
  WEIR_RETURN_IF_ERROR(SpendBytes(builder.size()));
  return String(builder.Take());
}

Value Runtime::NewSequence(std::vector<Value> items, SequenceType type) {
  auto sequence = std::make_shared<const Sequence>(std::move(items), type, &budget_);
  too_deep_ |= sequence->depth > kMaxNesting;
  return Value::Of(std::move(sequence));
}

Value Runtime::Of(std::shared_ptr<const Dict> dict) {
  too_deep_ |= dict->depth() > kMaxNesting;
  return Value::Of(std::move(dict));
}

Error UndefinedError(const Value& value) { return BadInput("{}", value.UndefinedMessage()); }

Result<Value> Call(Runtime& runtime, const Value& callee, Args args) {
  if (callee.is_undefined()) return UndefinedError(callee);
  if (!callee.is_native()) return BadInput("'{}' object is not callable", TypeName(callee));
  // The value may be the callee's only owner.
  const std::shared_ptr<const Native> native = callee.shared_native();
  return native->Call(runtime, std::move(args));
}

}  // namespace weir::jinja
