// Whether a server answers a prompt faster because it had it before.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bench/target.h"

namespace weir {

/// TTFT of prompts that the server cannot know, and of the same ones again.
struct CacheProbe {
  std::vector<double> new_ms, again_ms;
  int64_t cached_tokens = 0;  // most that the server owned up to
};

/// hidden_prompt_cache: it keeps prompts; found by the times, or said by the server itself.
std::optional<Flag> JudgeCache(CacheProbe probe);

/// Sends n_pairs times a new prompt and the same again, as long as there is time. An Error is that of a request
/// that failed.
Result<CacheProbe> ProbeCache(Target& target, const Subject& subject, int n_pairs, int64_t most_ns);

}  // namespace weir
