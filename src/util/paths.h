// Where weir keeps what outlives a run.
#pragma once

#include <string>

#include "util/error.h"

namespace weir {

/// The directory for the user's measurements and history, created if missing: $XDG_DATA_HOME/weir, or
/// ~/.local/share/weir. kBadInput if neither variable names an absolute path, kFailed if it cannot be made.
Result<std::string> DataDirectory();

/// Of this program; empty where the system does not say.
std::string ExecutablePath();

}  // namespace weir
