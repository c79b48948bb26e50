// How much memory a load really takes, and where it ends, against what the plan promises.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "util/error.h"

namespace weir {

/// What became of a process that took the memory of a load.
struct MemoryProbe {
  std::optional<int64_t> planned_bytes, peak_bytes;
  std::string died;  // why, if it did
};

/// Takes the memory of a load of that size. An Error ends the search.
using ProbeMemory = std::function<Result<MemoryProbe>(int64_t size)>;

struct MemoryCliff {
  int64_t predicted = 0;                // by the plan; 0: not even the smallest
  int64_t best = 0;                     // the largest that lived; 0: not even the smallest
  std::optional<int64_t> broken = {};   // the smallest that died; nothing: the largest that was tried lived
  std::map<int64_t, MemoryProbe> probes = {};  // by size
};

/// The largest multiple of `step` up to `most` that `fits`; 0: not even one step. `fits` is asked a few times only,
/// and must not be true above something that is not.
int64_t LargestThatFits(int64_t step, int64_t most, const std::function<bool(int64_t)>& fits);

/// Sizes are multiples of `step` up to `most`, which must not be less. Begins with what is predicted, goes up by an eighth as long as probes
/// live, to a quarter above the prediction at most (beyond that a machine with swap would only get slow), or down by
/// halves, and then halves the distance until it is less than a 32nd.
Result<MemoryCliff> FindMemoryCliff(int64_t predicted, int64_t step, int64_t most, const ProbeMemory& probe);

}  // namespace weir
