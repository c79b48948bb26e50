#include "bench/memory_cliff.h"

#include <algorithm>

namespace weir {
namespace {

constexpr int64_t kUp = 8, kMostAbove = 4, kPrecision = 32;  // shares of the prediction and of the answer

}  // namespace

int64_t LargestThatFits(int64_t step, int64_t most, const std::function<bool(int64_t)>& fits) {
  int64_t low = 0, high = most / step + 1;  // steps: low fits, high does not
  if (most / step > 0 && fits(most / step * step)) return most / step * step;
  high = std::max<int64_t>(high - 1, 1);
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (fits(middle * step) ? low : high) = middle;
  }
  return low * step;
}

Result<MemoryCliff> FindMemoryCliff(int64_t predicted, int64_t step, int64_t most, const ProbeMemory& probe) {
  MemoryCliff cliff{predicted};
  const auto whole = [&](int64_t size) { return std::clamp(size / step * step, step, most / step * step); };
  const int64_t highest = whole(predicted + std::max(predicted / kMostAbove, step));
  const auto lives = [&](int64_t size) -> Result<bool> {
    WEIR_TRY(const MemoryProbe found, probe(size));
    cliff.probes[size] = found;
    if (!found.died.empty()) cliff.broken = std::min(size, cliff.broken.value_or(size));
    else cliff.best = std::max(size, cliff.best);
    return found.died.empty();
  };
  for (int64_t size = whole(predicted); true;) {
    WEIR_TRY(const bool alive, lives(size));
    const bool end = cliff.broken ? cliff.best > 0 || size == step : size == highest;
    if (end) break;
    size = alive ? std::min(whole(size + std::max(predicted / kUp, step)), highest) : whole(size / 2);
  }
  while (cliff.best > 0 && cliff.broken && *cliff.broken - cliff.best > std::max(step, cliff.best / kPrecision)) {
    WEIR_TRY([[maybe_unused]] const bool alive, lives(whole(cliff.best + (*cliff.broken - cliff.best) / 2)));
  }
  return cliff;
}

}  // namespace weir
