#include "cli/machines_folder.h"

#include <cstdlib>

namespace weir {

std::string DefaultMachinesFolder() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config && *config) return std::string(config) + "/weir/machines";
  const char* home = std::getenv("HOME");
  return home && *home ? std::string(home) + "/.config/weir/machines" : "";
}

}  // namespace weir
