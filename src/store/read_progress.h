// How long readings tell how far they are.
#pragma once

#include <cstdint>
#include <functional>

namespace weir {

/// Told how much is done before each step; false: the user asked to stop, which is an Error.
using ReadProgress = std::function<bool(int64_t done, int64_t total)>;

}  // namespace weir
