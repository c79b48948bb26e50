// Anthropic's /v1/messages, as the chat request that says the same.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/chat/chat_template.h"
#include "server/endpoints.h"
#include "server/tools.h"

namespace weir {
namespace {

/// A string, or the texts of an array of text blocks.
std::string ReadText(Fields& fields, const char* name) {
  const Json* const found = fields.Any(name);
  if (!found) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) fields.Fail(name, "expected a string or an array of blocks");
  std::string text;
  for (const Json& json : found->is_array() ? *found : Json::array()) {
    Fields block(json, fields.Path(name) + "[]");
    std::string type;
    block.String("type", &type);
    if (type != "text") block.Fail("type", "expected text: this model reads nothing else", "unsupported_value");
    std::string part;
    block.String("text", &part);
    block.Ignore("cache_control");
    block.Ignore("citations");
    if (const auto error = block.End()) fields.Fail(*error);
    text += part;
  }
  return text;
}

/// The messages of a chat that one of these comes to: results of tools are messages of their own there.
class MessageReader {
 public:
  MessageReader(const Json& message, size_t index, Json* out)
      : where_(fmt::format("messages[{}]", index)), fields_(message, where_), out_(*out) {}

  std::optional<ApiError> Read() {
    fields_.String("role", &role_);
    if (role_ != "user" && role_ != "assistant") fields_.Fail("role", "expected user or assistant");
    const Json* const content = fields_.Any("content");
    if (content && content->is_string()) {
      text_ = content->get<std::string>();
    } else if (content && content->is_array()) {
      for (const Json& block : *content) ReadBlock(block);
    } else {
      fields_.Fail("content", "expected a string or an array of blocks");
    }
    if (!text_.empty() || !calls_.empty() || !reasoning_.empty() || !said_) Say();
    return fields_.End();
  }

 private:
  void Say() {
    Json message{{"role", role_}, {"content", text_}};
    if (!reasoning_.empty()) message["reasoning_content"] = reasoning_;
    if (!calls_.empty()) message["tool_calls"] = calls_;
    out_.push_back(std::move(message));
    text_.clear();
    said_ = true;
  }

  void ReadBlock(const Json& json) {
    Fields block(json, where_ + ".content[]");
    std::string type;
    block.String("type", &type);
    block.Ignore("cache_control");
    std::string text, id, name;
    if (type == "text") {
      block.String("text", &text);
      block.Ignore("citations");
      text_ += text;
    } else if (type == "thinking" && role_ == "assistant") {
      block.String("thinking", &reasoning_);
      block.Ignore("signature");
    } else if (type == "tool_use" && role_ == "assistant") {
      block.String("id", &id);
      block.String("name", &name);
      const Json* const input = block.Any("input");
      Json call{{"id", id}, {"function", {{"name", name}, {"arguments", input ? input->dump() : "{}"}}}};
      std::optional<ApiError> wrong;
      ReadToolCalls(Json::array({call}), where_, &wrong);
      if (wrong) {
        RenameField(&*wrong, {{where_ + "[0].function.arguments", where_ + ".content[].input"},
                              {where_ + "[0].function", where_ + ".content[]"}});
        block.Fail(*wrong);
      }
      calls_.push_back(std::move(call));
    } else if (type == "tool_result" && role_ == "user") {
      if (!text_.empty()) Say();
      block.String("tool_use_id", &id);
      block.Ignore("is_error");  // the result says so
      out_.push_back(Json{{"role", "tool"}, {"tool_call_id", id}, {"content", ReadText(block, "content")}});
      said_ = true;
    } else {
      block.Fail("type", "expected text, or thinking and tool_use of the assistant, or tool_result of the user",
                 "unsupported_value");
    }
    if (const auto error = block.End()) fields_.Fail(*error);
  }

  const std::string where_;
  Fields fields_;
  Json& out_;
  std::string role_, text_, reasoning_;
  Json calls_ = Json::array();
  bool said_ = false;  // something is in `out_`
};

Json ReadToolList(Fields& fields) {
  Json tools = Json::array();
  const Json* const list = fields.Any("tools");
  if (list && !list->is_array()) fields.Fail("tools", "expected an array of tools");
  for (const Json& json : list && list->is_array() ? *list : Json::array()) {
    Fields tool(json, fmt::format("tools[{}]", tools.size()));
    std::string type = "custom";
    tool.String("type", &type);
    if (type != "custom") tool.Fail("type", "expected custom: weir runs no tools by itself", "unsupported_value");
    Json function = Json::object();
    for (const char* name : {"name", "description", "strict"}) {
      if (const Json* const value = tool.Any(name)) function[name] = *value;
    }
    if (const Json* const schema = tool.Any("input_schema")) function["parameters"] = *schema;
    tool.Ignore("cache_control");
    if (const auto error = tool.End()) fields.Fail(*error);
    tools.push_back(Json{{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

void ReadChoice(Fields& fields, Json* chat) {
  const Json* const found = fields.Any("tool_choice");
  if (!found) return;
  Fields choice(*found, "tool_choice");
  std::string type, name;
  bool single = false;
  choice.String("type", &type);
  choice.String("name", &name);
  choice.Bool("disable_parallel_tool_use", &single);
  if (type == "tool") {
    (*chat)["tool_choice"] = Json{{"type", "function"}, {"function", {{"name", name}}}};
  } else if (type == "auto" || type == "none" || type == "any") {
    (*chat)["tool_choice"] = type == "any" ? "required" : type;
  } else {
    choice.Fail("type", "expected auto, any, tool or none");
  }
  if (single) (*chat)["parallel_tool_calls"] = false;
  if (const auto error = choice.End()) fields.Fail(*error);
}

/// What is adaptive is the model's own choice, so that one without thinking may have it too.
void ReadThinking(Fields& fields, const ServedModel& model, Json* chat) {
  const Json* const found = fields.Any("thinking");
  if (!found) return;
  Fields thinking(*found, "thinking");
  std::string type;
  thinking.String("type", &type);
  thinking.Only("budget_tokens", nullptr);
  thinking.Ignore("display");
  if (type != "enabled" && type != "adaptive" && type != "disabled") {
    thinking.Fail("type", "expected enabled, adaptive or disabled");
  }
  const bool choice = !model.chat_template || model.chat_template->HasVariable("enable_thinking");
  if (type != "adaptive" || choice) (*chat)["enable_thinking"] = type != "disabled";
  if (const auto error = thinking.End()) fields.Fail(*error);
}

Json ReadConversation(Fields& fields) {
  Json messages = Json::array();
  if (std::string system = ReadText(fields, "system"); !system.empty()) {
    messages.push_back(Json{{"role", "system"}, {"content", std::move(system)}});
  }
  const Json* const list = fields.Any("messages");
  if (!list || !list->is_array() || list->empty()) {
    fields.Fail("messages", "expected an array with at least one message");
    return messages;
  }
  for (size_t i = 0; i < list->size() && fields.ok(); ++i) {
    if (const auto error = MessageReader((*list)[i], i, &messages).Read()) fields.Fail(*error);
  }
  if (fields.ok() && messages.back()["role"] == "assistant") {
    fields.Fail("messages", "the last is the assistant's: answers that go on from a beginning are not supported",
                "unsupported_value");
  }
  return messages;
}

}  // namespace

std::variant<AnswerOrder, ApiError> ReadAnthropic(const Json& body, const ServedModel& model) {
  Fields fields(body);
  Json chat{{"messages", ReadConversation(fields)}};
  if (Json tools = ReadToolList(fields); !tools.empty()) chat["tools"] = std::move(tools);
  ReadChoice(fields, &chat);
  ReadThinking(fields, model, &chat);
  int64_t max_tokens = 0;
  fields.Int("max_tokens", 1, INT32_MAX, &max_tokens);
  if (max_tokens == 0) fields.Fail("max_tokens", "missing: expected a number");
  chat["max_tokens"] = max_tokens;
  if (const Json* const stop = fields.Any("stop_sequences"); stop && *stop != Json::array()) chat["stop"] = *stop;
  // The seed and what follows are not Anthropic's.
  for (const char* name : {"temperature", "top_p", "top_k", "stream", "seed", "min_p", "ignore_eos"}) {
    if (const Json* const value = fields.Any(name)) chat[name] = *value;
  }
  fields.Only("service_tier", "auto");
  fields.Ignore("model");
  fields.Ignore("metadata");
  if (const auto error = fields.End()) return *error;
  auto order = ReadChat(chat, model);
  if (ApiError* const error = std::get_if<ApiError>(&order)) {
    RenameField(error, {{"enable_thinking", "thinking"},
                        {"stop", "stop_sequences"},
                        {".function.parameters", ".input_schema"},
                        {".function", ""}});
  }
  if (AnswerOrder* const read = std::get_if<AnswerOrder>(&order)) read->kind = AnswerKind::kAnthropic;
  return order;
}

std::variant<Json, ApiError> CountTokens(const Json& body, const ServedModel& model) {
  Json counted = body;
  counted["max_tokens"] = 1;
  const auto order = ReadAnthropic(counted, model);
  if (const ApiError* const error = std::get_if<ApiError>(&order)) return *error;
  return Json{{"input_tokens", std::get<AnswerOrder>(order).n_prompt_tokens}};
}

}  // namespace weir
