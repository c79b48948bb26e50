// Where users put machines of their own, or better figures for those of the catalogue.
#pragma once

#include <string>

#include "advise/machine_catalogue.h"

namespace weir {

/// $XDG_CONFIG_HOME/weir/machines or ~/.config/weir/machines; empty if neither is known. It need not exist.
std::string DefaultMachinesFolder();

/// The catalogue with the machines of that folder; says on stderr which of its files are left out.
Result<MachineCatalogue> LoadMachines(const std::string& folder);

}  // namespace weir
