// The tile registers of AMX, which Linux gives to processes that ask.
#pragma once

namespace weir {

/// Asks the kernel to save the tile registers of this process's threads; false if it will not (it is
/// too old, not Linux, or a sandbox forbids it). Whoever uses them without gets SIGILL.
bool AllowTileRegisters();

}  // namespace weir
