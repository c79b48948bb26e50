// Where users put machines of their own, or better figures for those of the catalogue.
#pragma once

#include <string>

namespace weir {

/// $XDG_CONFIG_HOME/weir/machines or ~/.config/weir/machines; empty if neither is known. It need not exist.
std::string DefaultMachinesFolder();

}  // namespace weir
