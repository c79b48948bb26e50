// The machine as JSON, for `weir machine` and for every document that has a machine in it.
#pragma once

#include "cli/command.h"
#include "machine/machine.h"
#include "machine/rates.h"

namespace weir {

/// Facts, the instruction set in use, and the rates; without rates their keys are null.
Json MachineJson(const Machine& machine, Isa isa, const MachineRates* rates);

}  // namespace weir
