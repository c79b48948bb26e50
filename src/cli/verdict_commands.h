// The command that decides from rows and catalogue, and the one that lets an assistant ask.
#pragma once

#include "cli/command.h"

namespace weir {

Command AddVerdict(CLI::App& app);
Command AddMcp(CLI::App& app);

}  // namespace weir
