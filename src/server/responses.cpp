// OpenAI's /v1/responses, as the chat request that says the same. Nothing is stored: each request is whole.
#include <nlohmann/json.hpp>

#include "server/endpoints.h"
#include "server/tools.h"

namespace weir {
namespace {

/// A string, or the texts of an array of parts.
std::string ReadText(Fields& fields, const char* name) {
  const Json* const found = fields.Any(name);
  if (!found) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) fields.Fail(name, "expected a string or an array of parts");
  std::string text;
  for (const Json& json : found->is_array() ? *found : Json::array()) {
    Fields part(json, fields.Path(name) + "[]");
    std::string type, one;
    part.String("type", &type);
    if (type != "input_text" && type != "output_text" && type != "text" && type != "reasoning_text") {
      part.Fail("type", "expected input_text or output_text: this model reads nothing else", "unsupported_value");
    }
    part.String("text", &one);
    part.Ignore("annotations");
    part.Ignore("logprobs");
    if (const auto error = part.End()) fields.Fail(*error);
    text += one;
  }
  return text;
}

/// Where calls, thinking and text of one answer stand in a row they are one message of a chat.
Json& Assistant(Json& messages) {
  const bool open = !messages.empty() && messages.back()["role"] == "assistant";
  if (!open) messages.push_back(Json{{"role", "assistant"}, {"content", ""}});
  return messages.back();
}

void ReadItem(const Json& json, size_t index, Fields& fields, Json* messages) {
  const std::string where = fmt::format("input[{}]", index);
  Fields item(json, where);
  std::string type = "message", role, id, name, arguments;
  item.String("type", &type);
  item.Ignore("id");
  item.Ignore("status");
  if (type == "message") {
    item.String("role", &role);
    if (role != "user" && role != "assistant" && role != "system" && role != "developer") {
      item.Fail("role", "expected user, assistant, system or developer");
    }
    if (!item.Any("content")) item.Fail("content", "missing: expected a string or an array of parts");
    if (role == "assistant") {
      Json& message = Assistant(*messages);
      message["content"] = message["content"].get<std::string>() + ReadText(item, "content");
    } else {
      messages->push_back(Json{{"role", role}, {"content", ReadText(item, "content")}});
    }
  } else if (type == "function_call") {
    item.String("call_id", &id);
    item.String("name", &name);
    item.String("arguments", &arguments);
    Json call{{"id", id}, {"function", {{"name", name}, {"arguments", arguments}}}};
    std::optional<ApiError> wrong;
    ReadToolCalls(Json::array({call}), where, &wrong);
    if (wrong) {
      RenameField(&*wrong, {{where + "[0].function", where}});
      item.Fail(*wrong);
    }
    Assistant(*messages)["tool_calls"].push_back(std::move(call));
  } else if (type == "function_call_output") {
    item.String("call_id", &id);
    messages->push_back(Json{{"role", "tool"}, {"tool_call_id", id}, {"content", ReadText(item, "output")}});
  } else if (type == "reasoning") {
    item.Ignore("summary");
    item.Only("encrypted_content", nullptr);
    Assistant(*messages)["reasoning_content"] = ReadText(item, "content");
  } else {
    item.Fail("type", "expected message, function_call, function_call_output or reasoning", "unsupported_value");
  }
  if (const auto error = item.End()) fields.Fail(*error);
}

Json ReadInput(Fields& fields) {
  Json messages = Json::array();
  std::string instructions;
  fields.String("instructions", &instructions);
  if (!instructions.empty()) messages.push_back(Json{{"role", "system"}, {"content", instructions}});
  const Json* const input = fields.Any("input");
  if (input && input->is_string()) {
    messages.push_back(Json{{"role", "user"}, {"content", *input}});
  } else if (input && input->is_array() && !input->empty()) {
    for (size_t i = 0; i < input->size() && fields.ok(); ++i) ReadItem((*input)[i], i, fields, &messages);
  } else {
    fields.Fail("input", "expected a string or an array of items");
  }
  return messages;
}

void ReadToolFields(Fields& fields, Json* chat) {
  const Json* const list = fields.Any("tools");
  if (list && !list->is_array()) fields.Fail("tools", "expected an array of tools");
  Json tools = Json::array();
  for (const Json& json : list && list->is_array() ? *list : Json::array()) {
    Fields tool(json, fmt::format("tools[{}]", tools.size()));
    std::string type;
    tool.String("type", &type);
    if (type != "function") tool.Fail("type", "expected function: weir runs no tools by itself", "unsupported_value");
    Json function = Json::object();
    for (const char* name : {"name", "description", "parameters", "strict"}) {
      if (const Json* const value = tool.Any(name)) function[name] = *value;
    }
    if (const auto error = tool.End()) fields.Fail(*error);
    tools.push_back(Json{{"type", "function"}, {"function", std::move(function)}});
  }
  if (!tools.empty()) (*chat)["tools"] = std::move(tools);
  if (const Json* const choice = fields.Any("tool_choice")) {
    const bool named = choice->is_object() && choice->value("type", Json()) == "function" && choice->contains("name");
    (*chat)["tool_choice"] =
        named ? Json{{"type", "function"}, {"function", {{"name", (*choice)["name"]}}}} : *choice;
  }
}

/// text.format: as response_format, but with the schema's facts beside its type.
void ReadFormat(Fields& fields, Json* chat) {
  const Json* const found = fields.Any("text");
  if (!found) return;
  Fields text(*found, "text");
  text.Only("verbosity", "medium");
  const Json* const format = text.Any("format");
  if (format && format->is_object()) {
    Json schema = *format;
    schema.erase("type");
    Json response{{"type", format->value("type", Json())}};
    if (!schema.empty()) response["json_schema"] = std::move(schema);
    (*chat)["response_format"] = std::move(response);
  } else if (format) {
    text.Fail("format", "expected an object");
  }
  if (const auto error = text.End()) fields.Fail(*error);
}

}  // namespace

std::variant<AnswerOrder, ApiError> ReadResponses(const Json& body, const ServedModel& model) {
  Fields fields(body);
  Json chat{{"messages", ReadInput(fields)}};
  ReadToolFields(fields, &chat);
  ReadFormat(fields, &chat);
  if (const Json* const n = fields.Any("max_output_tokens")) chat["max_completion_tokens"] = *n;
  // The seed and what follows are not OpenAI's here.
  for (const char* name : {"temperature", "top_p", "stream", "parallel_tool_calls", "seed", "top_k", "min_p", "stop",
                           "ignore_eos", "enable_thinking", "chat_template_kwargs"}) {
    if (const Json* const value = fields.Any(name)) chat[name] = *value;
  }
  fields.Only("background", false);
  fields.Only("conversation", nullptr);
  fields.Only("include", Json::array());
  fields.Only("max_tool_calls", nullptr);
  fields.Only("previous_response_id", nullptr);
  fields.Only("prompt", nullptr);
  fields.Only("reasoning", Json::object());
  fields.Only("store", false);
  fields.Only("service_tier", "auto");
  fields.Only("stream_options", nullptr);
  fields.Only("top_logprobs", 0);
  fields.Only("truncation", "disabled");
  for (const char* name : {"model", "user", "metadata", "prompt_cache_key", "safety_identifier"}) fields.Ignore(name);
  if (const auto error = fields.End()) return *error;
  auto order = ReadChat(chat, model);
  if (ApiError* const error = std::get_if<ApiError>(&order)) {
    RenameField(error, {{"messages", "input"},
                        {"max_completion_tokens", "max_output_tokens"},
                        {"response_format.json_schema", "text.format"},
                        {"response_format", "text.format"},
                        {".function", ""}});
  }
  if (AnswerOrder* const read = std::get_if<AnswerOrder>(&order)) read->kind = AnswerKind::kResponses;
  return order;
}

}  // namespace weir
