#pragma once

#include <cstddef>
#include <string>

#include "util/error.h"

namespace weir {

/// All bytes of a file. kBadInput if it cannot be read or is longer than max_bytes.
Result<std::string> ReadFile(const std::string& path, size_t max_bytes);

}  // namespace weir
