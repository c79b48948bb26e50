// A verdict as JSON, and what `weir verdict` and `weir mcp` both need for one.
#pragma once

#include "advise/verdict.h"
#include "cli/command.h"

namespace weir {

/// This computer, with the memory that is free now and the rates that `weir machine` stored.
Result<Home> ThisHome();

/// The machine of that name in the catalogue, or this one where there is no name; judged by the rows of the database
/// at `db`. No database is no evidence, unless it was named.
Result<MachineVerdict> VerdictOn(const Need& need, const std::string& machine, const std::string& db,
                                 const MachineCatalogue& catalogue, FigureReader& figures);

Json VerdictJson(const MachineVerdict& verdict);

/// Of every rule what it reads, says and is turned by.
Json RulesJson();

}  // namespace weir
