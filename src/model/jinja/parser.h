// From a template's text to its syntax tree.
#pragma once

#include "model/jinja/ast.h"
#include "model/jinja/source.h"

namespace weir::jinja {

/// kBadInput, with line and column, for what Jinja would not take either, for {% include %}, {% import %} and
/// {% extends %} (there is only one template), and for nesting beyond kMaxNesting.
Result<Tree> Parse(const Source& source);

}  // namespace weir::jinja
