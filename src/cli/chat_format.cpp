#include "cli/chat_format.h"

#include <utility>

#include "cli/command.h"
#include "model/chat/chat_prompt.h"
#include "model/chat/chat_template.h"
#include "util/civil_time.h"

namespace weir {
namespace {

Json RequestJson(const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                 std::optional<bool> think) {
  Json list = Json::array();
  for (const ChatMessage& message : messages) {
    Json json{{"role", message.role}, {"content", message.content}};
    if (!message.reasoning.empty()) json["reasoning_content"] = message.reasoning;
    list.push_back(std::move(json));
  }
  Json request{{"messages", std::move(list)}, {"add_generation_prompt", add_generation_prompt}};
  // Templates know the choice by either name.
  if (think) request["enable_thinking"] = request["thinking"] = *think;
  return request;
}

bool KnowsThinking(const ChatTemplate& chat_template, const RenderOptions& options) {
  const auto rendered = [&](bool think) {
    Result<TypedText> text =
        chat_template.Render(RequestJson({{"user", ".", {}}}, true, think), options);
    return text ? PlainText(*text) : std::string();
  };
  return rendered(true) != rendered(false);
}

}  // namespace

Result<ChatFormat> TemplateFormat(const ModelSource& source, std::optional<bool> think) {
  Result<ChatTemplate> parsed = ReadChatTemplate(source, /*with_tools=*/false);
  if (!parsed) return WithHint(parsed.error(), "--no-template continues a text without it");
  RenderOptions options;
  options.now = LocalTime();  // once: a prompt that changes at midnight could not be reused
  WEIR_TRY(options.tokens, ReadTemplateTokens(source.metadata()));
  if (think && !KnowsThinking(*parsed, options)) {
    PrintMessage(fmt::format("{}: the chat template has no choice between thinking and not\n",
                             source.name()));
  }
  ChatFormat format;
  format.is_template = true;
  format.render = [chat_template = *std::move(parsed), options = std::move(options), think](
                      const std::vector<ChatMessage>& messages, bool add_generation_prompt) {
    return chat_template.Render(RequestJson(messages, add_generation_prompt, think), options);
  };
  return format;
}

ChatFormat PlainFormat() {
  ChatFormat format;
  format.render = [](const std::vector<ChatMessage>& messages, bool) -> Result<TypedText> {
    TypedText text;
    // Whoever asks for no template writes the control tokens.
    for (const ChatMessage& message : messages) {
      const bool users = message.role != "assistant";
      text.push_back({message.content, users ? Origin::kTemplate : Origin::kData});
    }
    return text;
  };
  return format;
}

}  // namespace weir
