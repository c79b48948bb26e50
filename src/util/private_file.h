// Files that only their owner may read.
#pragma once

#include <string>
#include <string_view>

#include "util/error.h"

namespace weir {

/// Adds `text` at the end of a file, which is made if missing, in one write: others who add to it
/// come before or after. Takes from others the right to read it.
Status AppendToPrivateFile(const std::string& path, std::string_view text);

}  // namespace weir
