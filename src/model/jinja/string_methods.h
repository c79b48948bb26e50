// The methods of Python's str.
#pragma once

#include <span>

#include "model/jinja/arguments.h"

namespace weir::jinja {

std::span<const FunctionEntry> StringMethods();

}  // namespace weir::jinja
