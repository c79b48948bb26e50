// The closed loop: N users, each of whom asks again as soon as its answer is complete.
#pragma once

#include "bench/load.h"

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

/// The plan of a workload with prompts of random ids. The first request of all users is gated: they
/// are prefilled, released together and end together.
LoadPlan PlanClosedLoop(const Workload& load, const std::vector<int32_t>& prompt_ids);

/// Runs the plan once, every event into `writer` as it arrives. A target that fails or a stop is in
/// the row, and all that happened until then is written; an Error is one of the writer's.
Result<AttemptRow> RunAttempt(Target& target, const LoadPlan& plan, const ShouldStop& stop,
                              AttemptWriter& writer);

}  // namespace weir
