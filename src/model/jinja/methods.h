// The methods of strings, dicts and lists.
#pragma once

#include <optional>
#include <string_view>

#include "model/jinja/runtime.h"

namespace weir::jinja {

/// The method bound to `self`. One that would change it, or is not offered, is undefined and says why when it
/// is called: values of a template never change.
std::optional<Value> FindMethod(Runtime& runtime, const Value& self, std::string_view name);

}  // namespace weir::jinja
