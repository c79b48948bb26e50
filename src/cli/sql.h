// Values of the results database as JSON.
#pragma once

#include "cli/command.h"
#include "store/database.h"

namespace weir {

Json SqlValue(const Statement& row, int column);

}  // namespace weir
