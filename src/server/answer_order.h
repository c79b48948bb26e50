// What a client asks for, checked: prompts, and how they are to be answered.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/request.h"
#include "server/answer_format.h"
#include "server/json_fields.h"

namespace weir {

/// What a request for an answer comes to.
struct AnswerOrder {
  AnswerKind kind = AnswerKind::kText;
  std::vector<Request> requests;  // one per prompt
  size_t n_choices = 1;           // of each, with seeds that follow upon each other
  int64_t n_prompt_tokens = 0;    // of all prompts, each counted once
  bool stream = false;
  bool include_usage = false;      // at the end of a stream
  bool logprobs = false;
  int64_t received_ns = 0;         // NowNs() when the request came
  std::vector<std::string> echoes;  // kText, if asked for: each prompt's text, which its answers begin with
  bool base64 = false;              // kEmbedding
  std::string shape_key;            // AnswerSummary::shapes are wanted, with this key; empty: not
  // For conversations.
  std::string reasoning_prompt;       // the end of the rendered prompt
  std::shared_ptr<const Json> tools;  // whose calls are looked for in the answer; null: nobody's
  bool parallel_calls = true;         // more than one
};

/// Fields that all endpoints share.
struct AnswerParams {
  AnswerParams() { sampling.temperature = 1; }  // OpenAI's

  SamplingParams sampling;
  std::optional<uint64_t> seed;
  std::optional<int64_t> max_tokens;
  std::vector<std::string> stop;
  bool ignore_eos = false, stream = false, include_usage = false;
  int64_t n = 1;
  int n_logprobs = -1;  // Request::n_logprobs
};

inline constexpr int64_t kMaxChoices = 128;  // OpenAI's

/// `n_tokens`: of the vocabulary.
void ReadAnswerParams(Fields& fields, int32_t n_tokens, AnswerParams* params);

/// An order without prompts.
AnswerOrder MakeOrder(AnswerKind kind, const AnswerParams& params);
/// Adds a prompt. `max_tokens` where the client names none (0: what the context leaves). False, with an error
/// in `fields`, if it does not fit.
bool AddPrompt(Fields& fields, const AnswerParams& params, std::vector<int32_t> prompt,
               std::vector<int64_t> checkpoints, int64_t max_tokens, int64_t context_tokens,
               AnswerOrder* order);

/// Nobody can foretell it.
uint64_t RandomNumber();

}  // namespace weir
