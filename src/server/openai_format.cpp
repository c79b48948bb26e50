// The shapes of /v1/completions and /v1/chat/completions.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/text/tokenizer.h"
#include "model/text/utf8.h"
#include "server/answer_format.h"

namespace weir {
namespace {

constexpr float kLeastLogprob = -9999;  // OpenAI's word for what JSON cannot say: minus infinity

std::string EventText(const Json& json) {
  return "data: " + json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

double Logprob(float logprob) { return std::max(logprob, kLeastLogprob); }

Json UsageJson(const AnswerUsage& usage) {
  Json json;
  json["prompt_tokens"] = usage.n_prompt_tokens;
  json["completion_tokens"] = usage.n_answer_tokens;
  json["total_tokens"] = usage.n_prompt_tokens + usage.n_answer_tokens;
  json["prompt_tokens_details"] = Json{{"cached_tokens", usage.n_cached_tokens}};
  return json;
}

/// What both endpoints share: documents with choices, and chunks like them.
class OpenAiFormat : public AnswerFormat {
 public:
  OpenAiFormat(AnswerHead head, const Tokenizer& tokenizer) : head_(std::move(head)), tokenizer_(tokenizer) {}

  Json Whole(std::span<const AnswerPart* const> parts, const AnswerUsage& usage) const override {
    Json choices = Json::array();
    for (const AnswerPart* part : parts) choices.push_back(Choice(*part, /*chunk=*/false));
    Json json = Document(object(), std::move(choices));
    json["usage"] = UsageJson(usage);
    return json;
  }

  std::string Part(const AnswerPart& part) override {
    return EventText(Chunk(Json::array({Choice(part, /*chunk=*/true)})));
  }
  std::string End(const AnswerUsage& usage) override {
    const std::string end = "data: [DONE]\n\n";
    if (!head_.include_usage) return end;
    Json json = Chunk(Json::array());
    json["usage"] = UsageJson(usage);
    return EventText(json) + end;
  }
  std::string Failure(const ApiError& error) override { return "data: " + ErrorText(error) + "\n\n"; }

 protected:
  virtual const char* object() const = 0;
  virtual const char* chunk_object() const = 0;
  virtual Json Choice(const AnswerPart& part, bool chunk) const = 0;

  Json Chunk(Json choices) const {
    Json json = Document(chunk_object(), std::move(choices));
    if (head_.include_usage) json["usage"] = nullptr;
    return json;
  }
  Json Document(const char* object, Json choices) const {
    Json json;
    json["id"] = head_.id;
    json["object"] = object;
    json["created"] = head_.created_s;
    json["model"] = head_.model;
    json["choices"] = std::move(choices);
    return json;
  }

  const AnswerHead head_;
  const Tokenizer& tokenizer_;
};

class TextFormat final : public OpenAiFormat {
 public:
  using OpenAiFormat::OpenAiFormat;

 private:
  const char* object() const override { return "text_completion"; }
  const char* chunk_object() const override { return "text_completion"; }

  Json Choice(const AnswerPart& part, bool) const override {
    Json json;
    json["index"] = part.index;
    json["text"] = part.content;
    json["logprobs"] = head_.logprobs ? Logprobs(part) : Json();
    json["finish_reason"] = nullptr;
    if (part.finished) json["finish_reason"] = *part.finished == FinishReason::kLength ? "length" : "stop";
    return json;
  }

  /// OpenAI's notation for what is no text by itself.
  std::string Name(int32_t id) const {
    const std::string_view piece = tokenizer_.Piece(id);
    if (IsValidUtf8(piece)) return std::string(piece);
    std::string name = "bytes:";
    for (const char c : piece) name += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    return name;
  }

  Json Logprobs(const AnswerPart& part) const {
    Json tokens = Json::array(), own = Json::array(), top = Json::array(), offsets = Json::array();
    int64_t offset = part.n_characters_before;
    for (const LoggedToken& token : part.tokens) {
      Json likeliest = Json::object();
      for (int i = 0; i < token.logprobs.n_top; ++i) {
        const auto& [id, logprob] = token.logprobs.top[i];
        if (std::string name = Name(id); !likeliest.contains(name)) likeliest[name] = Logprob(logprob);
      }
      tokens.push_back(Name(token.id));
      own.push_back(Logprob(token.logprobs.chosen));
      top.push_back(std::move(likeliest));
      offsets.push_back(offset);
      offset += CountCharacters(tokenizer_.Piece(token.id));
    }
    return Json{{"tokens", std::move(tokens)},
                {"token_logprobs", std::move(own)},
                {"top_logprobs", std::move(top)},
                {"text_offset", std::move(offsets)}};
  }
};

class ChatFormat final : public OpenAiFormat {
 public:
  using OpenAiFormat::OpenAiFormat;

  std::string Begin(size_t n_choices, const AnswerUsage&) override {
    std::string events;
    for (size_t i = 0; i < n_choices; ++i) {
      Json first;
      first["index"] = i;
      first["delta"] = Json{{"role", "assistant"}, {"content", ""}};
      first["logprobs"] = nullptr;
      first["finish_reason"] = nullptr;
      events += EventText(Chunk(Json::array({std::move(first)})));
    }
    return events;
  }

 private:
  const char* object() const override { return "chat.completion"; }
  const char* chunk_object() const override { return "chat.completion.chunk"; }

  Json Choice(const AnswerPart& part, bool chunk) const override {
    Json json;
    json["index"] = part.index;
    json[chunk ? "delta" : "message"] = chunk ? Delta(part) : Message(part);
    json["logprobs"] = nullptr;
    if (head_.logprobs && !(chunk && part.tokens.empty())) json["logprobs"] = Logprobs(part);
    json["finish_reason"] = nullptr;
    if (part.finished) {
      const bool calls = part.n_calls_before > 0 || !part.calls.empty();
      json["finish_reason"] = *part.finished == FinishReason::kLength ? "length" : calls ? "tool_calls" : "stop";
    }
    return json;
  }

  static Json Message(const AnswerPart& part) {
    Json message{{"role", "assistant"}, {"content", part.content}};
    if (part.content.empty() && !part.calls.empty()) message["content"] = nullptr;
    if (!part.reasoning.empty()) message["reasoning_content"] = part.reasoning;
    if (!part.calls.empty()) message["tool_calls"] = Calls(part, /*chunk=*/false);
    return message;
  }

  static Json Delta(const AnswerPart& part) {
    Json delta = Json::object();
    if (!part.reasoning.empty()) delta["reasoning_content"] = part.reasoning;
    if (!part.content.empty()) delta["content"] = part.content;
    if (!part.calls.empty()) delta["tool_calls"] = Calls(part, /*chunk=*/true);
    return delta;
  }

  static Json Calls(const AnswerPart& part, bool chunk) {
    Json list = Json::array();
    int64_t index = part.n_calls_before;
    for (const AnswerCall& call : part.calls) {
      Json json;
      if (chunk) json["index"] = index++;
      json["id"] = call.id;
      json["type"] = "function";
      json["function"] = Json{{"name", call.name}, {"arguments", call.arguments}};
      list.push_back(std::move(json));
    }
    return list;
  }

  Json Token(int32_t id, float logprob) const {
    const std::string_view piece = tokenizer_.Piece(id);
    Json bytes = Json::array();
    for (const char c : piece) bytes.push_back(static_cast<uint8_t>(c));
    // What is no text by itself is shown with replacement characters; the bytes say what it is.
    return Json{{"token", piece}, {"logprob", Logprob(logprob)}, {"bytes", std::move(bytes)}};
  }

  Json Logprobs(const AnswerPart& part) const {
    Json content = Json::array();
    for (const LoggedToken& token : part.tokens) {
      Json entry = Token(token.id, token.logprobs.chosen);
      Json top = Json::array();
      for (int i = 0; i < token.logprobs.n_top; ++i) {
        top.push_back(Token(token.logprobs.top[i].id, token.logprobs.top[i].logprob));
      }
      entry["top_logprobs"] = std::move(top);
      content.push_back(std::move(entry));
    }
    return Json{{"content", std::move(content)}, {"refusal", nullptr}};
  }
};

}  // namespace

std::unique_ptr<AnswerFormat> MakeAnswerFormat(AnswerKind kind, AnswerHead head, const Tokenizer& tokenizer) {
  if (kind == AnswerKind::kEmbedding) return MakeEmbeddingFormat(std::move(head));
  if (kind == AnswerKind::kResponses) return MakeResponsesFormat(std::move(head));
  if (kind == AnswerKind::kAnthropic) return MakeAnthropicFormat(std::move(head));
  if (kind == AnswerKind::kText) return std::make_unique<TextFormat>(std::move(head), tokenizer);
  return std::make_unique<ChatFormat>(std::move(head), tokenizer);
}

}  // namespace weir
