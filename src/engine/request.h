// What goes into the engine and what comes out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir {

struct SamplingParams {
  float temperature = 0;  // 0: greedy
  int top_k = 0;          // 0: off
  float top_p = 1;        // 1: off
  float min_p = 0;        // 0: off
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  uint64_t seed = 0;
  std::vector<std::pair<int32_t, float>> logit_bias;
  /// If set: one bit per token id, 0 forbids it (64 ids a word). For constrained decoding.
  std::shared_ptr<const std::vector<uint64_t>> allowed_tokens;
};

/// Requests of one gate prefill, wait until `size` of them have their first token, and then decode together.
struct Gate {
  int64_t id = 0;
  int size = 0;
};

struct Request {
  std::vector<int32_t> prompt;  // at least one token
  SamplingParams sampling;
  int64_t max_tokens = 128;
  std::vector<std::string> stop;  // needs a model with a tokenizer
  bool ignore_eos = false;
  std::optional<Gate> gate;
};

enum class FinishReason { kStop, kLength, kCancelled, kError };

/// One thing that happened to a request. Every token is an event; the last event has `finished`.
struct Event {
  int32_t token = -1;         // -1: none (a finish without a token, flushed text)
  std::string text;           // complete UTF-8, may be empty; empty without a tokenizer
  int64_t time_ns = 0;        // NowNs() when the token was sampled
  std::optional<FinishReason> finished;
  std::string error;          // with FinishReason::kError
};

}  // namespace weir
