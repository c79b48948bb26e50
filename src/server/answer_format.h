// The shapes in which clients get answers: one per API, over the same parts.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "server/json_fields.h"

namespace weir {

class Tokenizer;

enum class AnswerKind { kText, kChat, kResponses, kAnthropic, kEmbedding };

/// Whether what is answered is a conversation.
inline bool IsChat(AnswerKind kind) { return kind != AnswerKind::kText && kind != AnswerKind::kEmbedding; }

/// A call of a tool that the model asks for.
struct AnswerCall {
  std::string id, name, arguments;  // arguments: a JSON object as text
};

/// A token for `logprobs`.
struct LoggedToken {
  int32_t id = 0;
  TokenLogprobs logprobs;
};

/// What came of a choice: all of it, or of a stream what has not been sent yet.
struct AnswerPart {
  int index = 0;  // of the choice
  std::string reasoning, content;
  std::vector<AnswerCall> calls;
  std::vector<LoggedToken> tokens;
  std::vector<float> embedding;  // of length 1
  std::optional<FinishReason> finished;
  bool stopped_by_text = false;  // it has, at one of the client's stop strings
  // Of parts sent before: calls, and characters of text (for logprobs' text_offset).
  int64_t n_calls_before = 0, n_characters_before = 0;

  bool empty() const { return reasoning.empty() && content.empty() && calls.empty() && tokens.empty(); }
};

struct AnswerUsage {
  int64_t n_prompt_tokens = 0, n_cached_tokens = 0, n_answer_tokens = 0;
  int64_t n_reasoning_tokens = 0;  // of the answer's, its tags included
};

/// What every document of an answer carries.
struct AnswerHead {
  std::string id, model;
  int64_t created_s = 0;
  bool logprobs = false;
  bool include_usage = false;  // at the end of a stream
  bool base64 = false;         // embeddings
};

/// One answer. The events of a stream are text, complete with their framing.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;
  virtual ErrorShape error_shape() const { return ErrorShape::kOpenAi; }
  /// The whole answer; `parts` are the choices.
  virtual Json Whole(std::span<const AnswerPart* const> parts, const AnswerUsage& usage) const = 0;

  // Of those that can be streamed:
  virtual std::string Begin(size_t /*n_choices*/, const AnswerUsage& /*usage*/) { return {}; }
  /// Where there are several choices, called by a thread for each.
  virtual std::string Part(const AnswerPart& /*part*/) { return {}; }
  virtual std::string End(const AnswerUsage& /*usage*/) { return {}; }
  /// In place of the end.
  virtual std::string Failure(const ApiError& /*error*/) { return {}; }
};

/// `tokenizer` must outlive the format.
std::unique_ptr<AnswerFormat> MakeAnswerFormat(AnswerKind kind, AnswerHead head, const Tokenizer& tokenizer);

/// The shape of /v1/embeddings: never a stream.
std::unique_ptr<AnswerFormat> MakeEmbeddingFormat(AnswerHead head);
/// Of one choice only:
std::unique_ptr<AnswerFormat> MakeResponsesFormat(AnswerHead head);
std::unique_ptr<AnswerFormat> MakeAnthropicFormat(AnswerHead head);

}  // namespace weir
