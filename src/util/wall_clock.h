#pragma once

#include <chrono>
#include <cstdint>

namespace weir {

/// Nanoseconds since 1970 by the wall clock, which may jump: to find what other clocks wrote about the same moment.
inline int64_t UnixNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace weir
