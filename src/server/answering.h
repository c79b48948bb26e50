// Answers of the model on their way to a client: whole, or as server-sent events.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/http.h"
#include "server/json_fields.h"
#include "server/metrics.h"

namespace weir {

class Tokenizer;
class Workers;

enum class AnswerKind { kText, kChat };

/// What a request for an answer comes to.
struct AnswerOrder {
  AnswerKind kind = AnswerKind::kText;
  std::vector<Request> requests;  // one per prompt
  size_t n_choices = 1;           // of each, with seeds that follow upon each other
  int64_t n_prompt_tokens = 0;    // of all prompts, each counted once
  bool stream = false;
  bool include_usage = false;   // at the end of a stream
  int64_t received_ns = 0;       // NowNs() when the request came
  std::string reasoning_prompt;  // kChat: the end of the rendered prompt
};

/// Fields that /v1/completions and /v1/chat/completions share.
struct AnswerParams {
  AnswerParams() { sampling.temperature = 1; }  // OpenAI's

  SamplingParams sampling;
  std::optional<uint64_t> seed;
  std::optional<int64_t> max_tokens;
  std::vector<std::string> stop;
  bool ignore_eos = false, stream = false, include_usage = false;
  int64_t n = 1;
};

inline constexpr int64_t kMaxChoices = 128;  // OpenAI's

void ReadAnswerParams(Fields& fields, AnswerParams* params);

/// An order without prompts.
AnswerOrder MakeOrder(AnswerKind kind, const AnswerParams& params);
/// Adds a prompt. `max_tokens` where the client names none (0: what the context leaves). False, with an error
/// in `fields`, if it does not fit.
bool AddPrompt(Fields& fields, const AnswerParams& params, std::vector<int32_t> prompt,
                std::vector<int64_t> checkpoints, int64_t max_tokens, int64_t context_tokens,
                AnswerOrder* order);

/// How it ended, for the log.
struct AnswerSummary {
  int status = 200;
  int64_t n_prompt_tokens = 0, n_cached_tokens = 0, n_answer_tokens = 0;
  const char* end = "";  // "stop", "length", "client gone", ...
};

/// The choices of one request while they are computed.
class Answering : public std::enable_shared_from_this<Answering> {
 public:
  Answering(AnswerOrder order, std::string model_name, const Tokenizer& tokenizer, Metrics& metrics);
  ~Answering();

  /// Hands all choices to the engine; on an error none is computed.
  std::optional<ApiError> Submit(Engine& engine);
  /// Sends what comes until the end. Choices of a stream are read by a thread each.
  AnswerSummary Deliver(Responder& responder, Workers& workers);
  /// The engine stops computing; any thread may call.
  void Cancel();

 private:
  struct Choice;

  AnswerSummary DeliverWhole(Responder& responder);
  AnswerSummary DeliverStream(Responder& responder, Workers& workers);
  void StreamChoice(Choice& choice, Responder& responder);
  bool Take(Choice& choice, const Event& event);
  Json ChoiceJson(const Choice& choice) const;
  Json ChunkJson(const Choice& choice) const;
  Json Document(const char* object, Json choices) const;
  Json Chunk(Json choices) const;
  Json Usage() const;
  int64_t CachedTokens() const;
  std::optional<ApiError> Failure() const;
  AnswerSummary Summary(const Responder& responder) const;

  AnswerOrder order_;
  const std::string model_name_, id_;
  const int64_t created_s_;
  const Tokenizer& tokenizer_;
  Metrics& metrics_;
  std::vector<std::unique_ptr<Choice>> choices_;  // not changed once Submit has returned
};

}  // namespace weir
