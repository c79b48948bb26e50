// Whether memory that was asked for is taken before it is used.
#pragma once

namespace weir {

/// From now on, buffers (util/memory.h) of this process take their physical memory at once: what does not exist is
/// then missed there, and not in the midst of work.
void TakeBuffersAtOnce();

}  // namespace weir
