// The commands that look into the results database, and into recorded traffic.
#pragma once

#include "cli/command.h"

namespace weir {

Command AddReport(CLI::App& app);
Command AddRows(CLI::App& app);
Command AddSql(CLI::App& app);
Command AddExport(CLI::App& app);
Command AddImport(CLI::App& app);
Command AddRecord(CLI::App& app);
Command AddCliff(CLI::App& app);

}  // namespace weir
