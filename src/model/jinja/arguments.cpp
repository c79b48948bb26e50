#include "model/jinja/arguments.h"

#include <algorithm>
#include <vector>

namespace weir::jinja {
namespace {

std::vector<std::string_view> SplitNames(std::string_view names) {
  std::vector<std::string_view> parts;
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    parts.push_back(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return parts;
}

}  // namespace

Result<Arguments> Arguments::Bind(const FunctionEntry& entry, const Args& args) {
  Arguments bound(args);
  if (entry.parameters == "*") {
    if (args.positional.size() >= entry.n_required) return bound;
    return BadInput("{} needs {} arguments", entry.name, entry.n_required);
  }
  const std::vector<std::string_view> names = SplitNames(entry.parameters);
  if (args.positional.size() > names.size()) {
    return BadInput("{} takes at most {} arguments, not {}", entry.name, names.size(),
                    args.positional.size());
  }
  for (size_t i = 0; i < args.positional.size(); ++i) bound.bound_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return BadInput("{} has no parameter '{}'", entry.name, name);
    const Value*& slot = bound.bound_[static_cast<size_t>(found - names.begin())];
    if (slot) return BadInput("{} got '{}' twice", entry.name, name);
    slot = &value;
  }
  for (size_t i = 0; i < entry.n_required; ++i) {
    if (!bound.bound_[i]) return BadInput("{} needs its argument '{}'", entry.name, names[i]);
  }
  return bound;
}

Result<int64_t> Arguments::IntegerOr(size_t i, int64_t otherwise) const {
  if (!bound_[i]) return otherwise;
  if (bound_[i]->is_integer()) return bound_[i]->integer();
  if (bound_[i]->is_undefined()) return UndefinedError(*bound_[i]);
  return BadInput("argument {} must be an integer, not '{}'", i + 1, TypeName(*bound_[i]));
}

Result<const Text*> Arguments::TextOrNull(size_t i) const {
  if (!bound_[i] || bound_[i]->is_none()) return static_cast<const Text*>(nullptr);
  if (bound_[i]->is_string()) return &bound_[i]->text();
  if (bound_[i]->is_undefined()) return UndefinedError(*bound_[i]);
  return BadInput("argument {} must be a string, not '{}'", i + 1, TypeName(*bound_[i]));
}

Result<Value> Invoke(Runtime& runtime, const FunctionEntry& entry, const Value& self,
                     const Args& args) {
  WEIR_TRY(const Arguments bound, Arguments::Bind(entry, args));
  return entry.body(runtime, self, bound);
}

}  // namespace weir::jinja
