// Answers of the model on their way to a client: whole, or as server-sent events.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/answer_format.h"
#include "server/answer_order.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/traffic_shape.h"

namespace weir {

class Tokenizer;
class Workers;

/// How it ended, for the log.
struct AnswerSummary {
  int status = 200;
  int64_t n_prompt_tokens = 0, n_cached_tokens = 0, n_answer_tokens = 0;
  const char* end = "";  // "stop", "length", "client gone", ...
  std::string code = {};  // ApiError::code, of what was refused or failed
  std::vector<AnswerShape> shapes = {};  // of each choice, where AnswerOrder::shape_key asks
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
  void Log(Choice& choice, const Event& event, bool thinking) const;
  AnswerUsage Usage() const;
  int64_t CachedTokens() const;
  std::optional<ApiError> Failure() const;
  AnswerSummary Summary(const Responder& responder) const;

  AnswerOrder order_;
  const Tokenizer& tokenizer_;
  const std::unique_ptr<AnswerFormat> format_;
  Metrics& metrics_;
  std::vector<std::unique_ptr<Choice>> choices_;  // not changed once Submit has returned
};

}  // namespace weir
