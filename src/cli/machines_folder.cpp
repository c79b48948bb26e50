#include "cli/machines_folder.h"

#include <cstdlib>

#include "cli/command.h"
#include "cli/format.h"

namespace weir {

std::string DefaultMachinesFolder() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config && *config) return std::string(config) + "/weir/machines";
  const char* home = std::getenv("HOME");
  return home && *home ? std::string(home) + "/.config/weir/machines" : "";
}

Result<MachineCatalogue> LoadMachines(const std::string& folder) {
  WEIR_TRY(MachineCatalogue catalogue, MachineCatalogue::Load(folder));
  for (const Error& error : catalogue.left_out()) {
    PrintMessage(fmt::format("left out: {}\n", EscapedControls(error.message)));
  }
  return catalogue;
}

}  // namespace weir
