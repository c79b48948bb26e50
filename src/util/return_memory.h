// Freed memory that the allocator keeps.
#pragma once

namespace weir {

/// Gives the system what the allocator holds for later and nothing uses. It keeps tens of megabytes per thread after
/// many small values, and does so by itself for ever. Takes some milliseconds.
void ReturnFreeMemory();

}  // namespace weir
