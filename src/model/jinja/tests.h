// The tests of Jinja: value is test.
#pragma once

#include <string_view>

#include "model/jinja/runtime.h"

namespace weir::jinja {

/// kBadInput for a name that is none, or arguments that do not fit.
Result<bool> ApplyTest(Runtime& runtime, std::string_view name, const Value& value, const Args& args);
bool HasTest(std::string_view name);

}  // namespace weir::jinja
