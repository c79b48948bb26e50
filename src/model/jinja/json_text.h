// JSON out: the filter tojson.
#pragma once

#include "model/jinja/arguments.h"

namespace weir::jinja {

/// json.dumps of Python, parameters "ensure_ascii,indent,separators,sort_keys" as transformers orders them.
/// Characters of strings keep their origins; all that is added to them is data.
Result<Value> ToJson(Runtime& runtime, const Value& value, const Arguments& args);

}  // namespace weir::jinja
