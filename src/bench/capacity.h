// How much can a target bear? Loads are tried until the largest is known that holds an objective.
#pragma once

#include "bench/cell_runner.h"

namespace weir {

/// Looks for the largest number of users up to spec.load.users, or, in an open loop, the largest rate from
/// spec.load.rate upwards, in steps of 19 %, that holds spec.slo. Every load that is tried is a cell of `side`: what
/// breaks is tried twice, and what holds at last has options.repeats repeats. The answer is a row of `capacity`. Of a
/// search that the user stopped there is none.
Status SearchCapacity(const CellSpec& spec, const BenchOptions& options, Side& side, CellRunner& runner, Store& store);

}  // namespace weir
