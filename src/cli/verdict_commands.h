// What decides from rows and catalogue.
#pragma once

#include "cli/command.h"

namespace weir {

Command AddVerdict(CLI::App& app);

}  // namespace weir
