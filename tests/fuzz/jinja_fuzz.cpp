// What a chat template can make weir do: parse it, and render a request with it within small limits.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "model/chat/chat_template.h"

namespace {

const nlohmann::ordered_json& Request() {
  static const auto request = nlohmann::ordered_json::parse(R"({
    "messages": [{"role": "system", "content": " be é<|x|> "},
                 {"role": "user", "content": [{"type": "text", "text": "a\nb"}]},
                 {"role": "assistant", "content": null, "tool_calls": [{"name": "f", "arguments": {"k": 1.5}}]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": [1, true]}}}],
    "x": "日本 %s {} <|y|>", "n": -3, "f": 0.5, "add_generation_prompt": true})");
  return request;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = weir::ChatTemplate::Parse(source, "fuzz");
  if (!parsed.ok()) return 0;
  const weir::RenderOptions options{.tokens = {{"bos_token", "<s>"}}, .max_steps = 20'000,
                                    .max_bytes = 1 << 16, .max_memory = 1 << 20};
  const auto text = parsed->Render(Request(), options);
  if (!text.ok()) return 0;
  for (size_t i = 0; i < text->size(); ++i) {
    // Adjacent segments differ, and none is empty.
    if ((*text)[i].text.empty()) __builtin_trap();
    if (i > 0 && (*text)[i].origin == (*text)[i - 1].origin) __builtin_trap();
  }
  return 0;
}
