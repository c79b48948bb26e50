// What goes into the engine and what comes out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/sampler.h"

namespace weir {

class Constraint;

/// Requests of one gate prefill, wait until `size` of them have their first token or have ended,
/// and then decode together. An id names one such meeting. A gate opens before its time when those
/// who wait at gates keep out all who could still come: too early rather than never.
struct Gate {
  int64_t id = 0;
  int size = 0;
};

struct Request {
  std::vector<int32_t> prompt;  // at least one token
  SamplingParams sampling;
  int64_t max_tokens = 128;
  // The answer ends before the first of these to be complete. Needs a model with a tokenizer.
  std::vector<std::string> stop;
  // If not, the answer ends with an end-of-text or end-of-turn token, which has no text.
  bool ignore_eos = false;
  // What the answer must look like (null: anything), from the beginning or, where there is a text to wait for
  // such as the end of a model's thinking, behind that. Needs a model with a tokenizer.
  std::shared_ptr<const Constraint> constraint;
  std::string constrained_after;
  bool constraint_comes = false;  // the answer does not end before that text, but where max_tokens cuts it
  // Nothing is generated (max_tokens 1): the only event has the model's hidden state behind the prompt.
  bool embed = false;
  int n_logprobs = -1;  // of the likeliest ids beside each token's own, at most kMaxTop; -1: none at all
  std::optional<Gate> gate;
  int priority = 0;  // the higher, the earlier it is served, and the later it is interrupted
  // Whose it is, so that users have their turns however much each asks for; -1: of somebody who asks for nothing else.
  int64_t user = -1;
  // Positions of the prompt where a later prompt may part from it, such as the end of a turn: the state
  // there is kept (EngineOptions::n_checkpoints).
  std::vector<int64_t> checkpoints;
};

enum class FinishReason { kStop, kLength, kCancelled, kError };

/// One thing that happened to a request. Every token is an event; the last event has `finished`.
/// Text that could begin a stop string comes when it turns out not to, with a later token or the
/// end.
struct Event {
  int32_t token = -1;   // -1: none (a finish without a token, flushed text)
  std::string text;     // complete UTF-8, may be empty; empty without a tokenizer
  int64_t time_ns = 0;  // NowNs() when the token was sampled
  int64_t n_cached = 0;  // tokens of the prompt that were not computed for this request
  std::optional<FinishReason> finished;
  std::string error;  // with FinishReason::kError
  std::optional<TokenLogprobs> logprobs;  // of `token`, if they were asked for
  std::vector<float> embedding;           // [n_embd], normed as the LM head reads it; where Request::embed asks
};

}  // namespace weir
