// The machine as JSON and as a row, for `weir machine` and for whatever has a machine in it.
#pragma once

#include "cli/command.h"
#include "machine/machine.h"
#include "machine/rates.h"
#include "store/store.h"

namespace weir {

/// Facts, the instruction set in use, and the rates; without rates their keys are null.
Json MachineJson(const Machine& machine, Isa isa, const MachineRates* rates);

/// What the store keeps about where and with what something is measured.
RunRow DescribeRun(const Machine& machine, Isa isa, int n_threads, uint64_t seed);

}  // namespace weir
