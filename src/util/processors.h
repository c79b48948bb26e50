// The processors that a thread may run on, and its name.
#pragma once

#include <span>
#include <vector>

namespace weir {

/// Numbers of the processors that the calling thread may run on, ascending; empty where the system does
/// not tell.
std::vector<int> UsableProcessors();
/// Keeps the calling thread on these. A wish: nothing happens where the system does not grant it.
void UseProcessors(std::span<const int> processors);

/// What tools that list threads call this one; 15 bytes of it where the system keeps no more.
void NameThisThread(const char* name);

}  // namespace weir
