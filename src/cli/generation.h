// One request from its submission to its end, and what its numbers say.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "engine/engine.h"

namespace weir {

struct Generation {
  std::string text;
  std::vector<int32_t> prompt, tokens;
  int64_t n_cached = 0;  // tokens of the prompt that were not computed
  int64_t submitted_ns = 0, first_ns = 0, last_ns = 0;
  FinishReason finished = FinishReason::kCancelled;
  std::vector<StepRecord> steps;
  std::string logits_hash;  // of the last step
};

/// Runs a request to its end, or until the user asks to stop: it has ended with kCancelled then.
Result<Generation> Generate(Engine& engine, Request request,
                            const std::function<void(const Event&)>& on_event);

std::optional<double> TtftMs(const Generation& generation);
/// Tokens per second after the first; nothing for less than two.
std::optional<double> DecodeRate(const Generation& generation);

/// T* over measured time, of the steps that only decode; nothing without such steps or when
/// interrupted. Measures this machine, so nothing else should run.
Result<std::optional<double>> ShareOfLimit(const std::vector<StepRecord>& steps, int n_threads);

/// What --json says of a generation, apart from the share of the limit.
Json GenerationJson(const Generation& generation);

/// "38 prompt + 25 new tokens, first after 120 ms, 41.3 tok/s".
std::string Summary(const Generation& generation);

}  // namespace weir
