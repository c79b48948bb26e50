// Upper and lower case of single characters (Unicode's simple mappings).
#pragma once

#include <cstdint>

namespace weir::jinja {

/// The character in the other case, or itself if it has none.
uint32_t MapCase(uint32_t code_point, bool upper);

}  // namespace weir::jinja
