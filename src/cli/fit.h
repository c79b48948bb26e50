// weir fit, for commands that want its answer as JSON.
#pragma once

#include <string>

#include "advise/machine_catalogue.h"
#include "cli/command.h"

namespace weir {

struct FitFlags {
  std::string model, quant, machine, kv_name, machines_folder, db;
  int users = 1;
  int64_t context = 0, depth = 0;  // 0: what weir fit says
  bool list = false, json = false;
};

/// What `weir fit --json` prints.
Result<Json> FitDocument(const FitFlags& flags, const MachineCatalogue& catalogue);
/// What `weir fit --list --json` prints.
Json CatalogueJson(const MachineCatalogue& catalogue);

}  // namespace weir
