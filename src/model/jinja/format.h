// Formatting of text: printf's way and str.format's.
//
// Whoever wrote the format string says where the arguments go, so that a format string with data in it makes
// data of all that it formats. Literal text and arguments keep their origins otherwise.
#pragma once

#include "model/jinja/runtime.h"

namespace weir::jinja {

/// format % arguments: a tuple of them, a dict for %(name)s, or the only one.
Result<Value> FormatPercent(Runtime& runtime, const Text& format, const Value& arguments);

/// format.format(*positional, **named).
Result<Value> FormatBraces(Runtime& runtime, const Text& format, const Args& args);

}  // namespace weir::jinja
