// Text from people and programs, which must be UTF-8: JSON that is not is refused, other text is
// repaired.
#pragma once

#include <string>

#include "cli/command.h"

namespace weir {

/// `text` with U+FFFD for what is not UTF-8, which is said once, about `name`, on stderr.
std::string RepairText(std::string text, const std::string& name);

/// The whole of a text file, or of stdin for "-", repaired.
Result<std::string> ReadText(const std::string& path);

/// The JSON in a file, or in stdin for "-". kBadInput, with the position, for what is none or not
/// UTF-8.
Result<Json> ReadJsonInput(const std::string& path);

}  // namespace weir
