// One JSON object of an OpenAI-compatible answer: a chunk of a stream, or the whole of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/target.h"

namespace weir {

struct OpenAiUsage {
  std::optional<int64_t> prompt_tokens, generated_tokens, cached_tokens;
};

struct OpenAiChunk {
  std::string content;    // also the arguments of tool calls: tokens were generated for them
  std::string reasoning;
  std::string finish;     // empty: not finished
  OpenAiUsage usage;
  std::vector<RankedToken> ranked;  // of `logprobs`
  std::optional<std::string> error;  // the server's words
};

/// Reads chat completions (delta or message) and completions (text); fields of other types than
/// expected count as absent. Nothing if `json` is no JSON object.
std::optional<OpenAiChunk> ParseOpenAiChunk(std::string_view json);

}  // namespace weir
