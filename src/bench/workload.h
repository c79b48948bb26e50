// The closed loop: N users, each of whom asks again as soon as its answer is complete.
#pragma once

#include <functional>

#include "bench/target.h"

namespace weir {

struct Workload {
  int users = 1;
  int requests_per_user = 1;
  int64_t prompt_tokens = 1;
  int64_t gen_tokens = 1;  // exactly, end-of-text tokens are ignored
  uint64_t seed = 0;       // of the prompts
};

/// n_prompts prompts of n_tokens ids each, made of `ids` at random. No two begin with the same
/// token (as long as there are enough), so that no prefix of one can be reused for another.
std::vector<std::vector<int32_t>> MakePrompts(const std::vector<int32_t>& ids, int n_prompts,
                                              int64_t n_tokens, uint64_t seed);

/// Whether to stop; asked between events.
using ShouldStop = std::function<bool()>;

/// Runs the workload once, every event into `writer` as it arrives. The first request of all users
/// is gated: they are prefilled, released together and end together; the hash of the logits is
/// taken there, because which users share a later step depends on timing. A request is scheduled
/// when its user's previous one ends. A target that fails or a stop is in the row, and all that
/// happened until then is written; an Error is one of the writer's.
Result<AttemptRow> RunClosedLoop(Target& target, const Workload& load,
                                 const std::vector<int32_t>& prompt_ids, const ShouldStop& stop,
                                 AttemptWriter& writer);

}  // namespace weir
