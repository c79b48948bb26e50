#include "bench/openai_chunk.h"

#include <nlohmann/json.hpp>

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

const Json& Member(const Json& object, const char* name) {
  static const Json kAbsent;
  if (!object.is_object()) return kAbsent;
  const auto found = object.find(name);
  return found == object.end() ? kAbsent : *found;
}

std::string Text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

std::optional<int64_t> Count(const Json& value) {
  if (!value.is_number_integer() || value < 0 || value > INT32_MAX) return std::nullopt;
  return value.get<int64_t>();
}

/// What `delta` of a chunk or `message` of a whole answer says.
void ReadMessage(const Json& message, OpenAiChunk& chunk) {
  chunk.content += Text(Member(message, "content"));
  // DeepSeek's name, and that of llama.cpp and weir; vLLM and Ollama say "reasoning".
  std::string reasoning = Text(Member(message, "reasoning_content"));
  if (reasoning.empty()) reasoning = Text(Member(message, "reasoning"));
  chunk.reasoning += reasoning;
  const Json& calls = Member(message, "tool_calls");
  if (!calls.is_array()) return;
  for (const Json& call : calls) {
    const Json& function = Member(call, "function");
    chunk.content += Text(Member(function, "name")) + Text(Member(function, "arguments"));
  }
}

/// The bytes of a token of chat's `logprobs`; its text may have lost those that are no character.
std::string TokenText(const Json& token) {
  const Json& bytes = Member(token, "bytes");
  if (!bytes.is_array()) return Text(Member(token, "token"));
  std::string text;
  for (const Json& byte : bytes) {
    if (!byte.is_number_unsigned() || byte > 255) return Text(Member(token, "token"));
    text.push_back(static_cast<char>(byte.get<int>()));
  }
  return text;
}

/// Chat's form, which llama.cpp has for both kinds of answer: {"content": [{"token", "top_logprobs": [{"token",
/// "logprob"}]}]}.
void ReadContentLogprobs(const Json& content, OpenAiChunk& chunk) {
  if (!content.is_array()) return;
  for (const Json& token : content) {
    RankedToken& ranked = chunk.ranked.emplace_back(RankedToken{TokenText(token), {}});
    const Json& top = Member(token, "top_logprobs");
    if (!top.is_array()) continue;
    for (const Json& likely : top) {
      const Json& logprob = Member(likely, "logprob");
      if (logprob.is_number()) ranked.top.emplace_back(TokenText(likely), logprob.get<double>());
    }
  }
}

/// Completions' form: {"tokens": [..], "top_logprobs": [{TOKEN: logprob, ..}, ..]}.
void ReadListedLogprobs(const Json& tokens, const Json& tops, OpenAiChunk& chunk) {
  if (!tokens.is_array() || !tops.is_array()) return;
  for (size_t i = 0; i < tokens.size() && i < tops.size(); ++i) {
    RankedToken& ranked = chunk.ranked.emplace_back(RankedToken{Text(tokens[i]), {}});
    if (!tops[i].is_object()) continue;
    for (const auto& [text, logprob] : tops[i].items()) {
      if (logprob.is_number()) ranked.top.emplace_back(text, logprob.get<double>());
    }
  }
}

void ReadUsage(const Json& object, OpenAiChunk& chunk) {
  const Json& usage = Member(object, "usage");
  chunk.usage.prompt_tokens = Count(Member(usage, "prompt_tokens"));
  chunk.usage.generated_tokens = Count(Member(usage, "completion_tokens"));
  chunk.usage.cached_tokens =
      Count(Member(Member(usage, "prompt_tokens_details"), "cached_tokens"));
  // llama.cpp's own account beside the usage.
  if (!chunk.usage.cached_tokens) {
    chunk.usage.cached_tokens = Count(Member(Member(object, "timings"), "cache_n"));
  }
}

std::optional<std::string> ErrorIn(const Json& object) {
  const Json& error = Member(object, "error");
  if (error.is_null()) return std::nullopt;
  if (error.is_string()) return Text(error);
  const std::string message = Text(Member(error, "message"));
  return message.empty() ? "the server reports an error without a message" : message;
}

}  // namespace

std::optional<OpenAiChunk> ParseOpenAiChunk(std::string_view json) {
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  OpenAiChunk chunk;
  chunk.error = ErrorIn(object);
  ReadUsage(object, chunk);
  const Json& choices = Member(object, "choices");
  if (!choices.is_array() || choices.empty()) return chunk;
  const Json& choice = choices[0];
  ReadMessage(Member(choice, "delta"), chunk);
  ReadMessage(Member(choice, "message"), chunk);
  chunk.content += Text(Member(choice, "text"));
  const Json& logprobs = Member(choice, "logprobs");
  ReadContentLogprobs(Member(logprobs, "content"), chunk);
  ReadListedLogprobs(Member(logprobs, "tokens"), Member(logprobs, "top_logprobs"), chunk);
  chunk.finish = Text(Member(choice, "finish_reason"));
  return chunk;
}

}  // namespace weir
