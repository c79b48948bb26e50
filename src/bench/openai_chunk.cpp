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
  chunk.finish = Text(Member(choice, "finish_reason"));
  return chunk;
}

}  // namespace weir
