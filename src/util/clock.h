#pragma once

#include <chrono>
#include <cstdint>

namespace weir {

/// Monotonic time in nanoseconds: every time stamp in weir.
inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace weir
