// The processors that a thread may run on.
#pragma once

#include <span>
#include <vector>

namespace weir {

/// Numbers of the processors that the calling thread may run on, ascending; empty where the system does
/// not tell.
std::vector<int> UsableProcessors();
/// Keeps the calling thread on these. A wish: nothing happens where the system does not grant it.
void UseProcessors(std::span<const int> processors);

}  // namespace weir
