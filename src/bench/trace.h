// Recorded traffic: when requests came, how long they were, and what their prompts had in common. Never what was said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "util/error.h"

namespace weir {

/// One request of a trace.
struct TracedRequest {
  double at_s = 0;  // after the first one
  int64_t prompt_tokens = 0, gen_tokens = 0;
  // Of requests that begin alike: either so many tokens of the prompt, the same as in all requests of its group...
  int64_t shared_tokens = 0;
  int64_t group = 0;
  // ... or a number for each block of so many tokens, from the beginning of the prompt: equal numbers, equal tokens.
  std::vector<int64_t> blocks = {};  // from 0, in order of appearance
  int64_t block_tokens = 0;
  int64_t conversation = 0, turn = 0;  // from 0: FindConversations
};

inline constexpr size_t kMostTraceBytes = size_t{256} << 20;

/// JSON lines with "at_s", "prompt_tokens", "gen_tokens", and perhaps "shared_tokens" and "group", or "blocks" and
/// "block_tokens", as `weir serve --record` writes them; or as Mooncake's traces have it, with "timestamp" in ms,
/// "input_length", "output_length" and "hash_ids" of 512 tokens each. In order of time.
Result<std::vector<TracedRequest>> ParseTrace(std::string_view text, const std::string& name);

/// What a trace is like.
struct TraceSummary {
  int64_t n_requests = 0, n_conversations = 0;
  double seconds = 0;  // from the first request to the last
  int64_t prompt_tokens = 0, gen_tokens = 0;
  int64_t shared_tokens = 0;  // of the prompts, in blocks that an earlier request had
  int64_t longest_prompt = 0, longest_answer = 0;
};
TraceSummary Summarise(const std::vector<TracedRequest>& trace);

}  // namespace weir
