// /v1/chat/completions: conversations through the model's template.
#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "model/chat/chat_prompt.h"
#include "model/chat/chat_template.h"
#include "model/chat/reasoning_splitter.h"
#include "model/constrain/json_schema.h"
#include "model/constrain/token_mask.h"
#include "model/text/tokenizer.h"
#include "server/endpoints.h"
#include "server/tools.h"

namespace weir {
namespace {

constexpr size_t kPromptEnd = 256;  // bytes that show whether the answer begins within its thinking

/// A text, or an array of parts with texts. False if there is none.
bool ReadContent(Fields& fields, std::string* content) {
  const Json* const found = fields.Any("content");
  if (!found) return false;
  if (found->is_string()) {
    *content = found->get<std::string>();
    return true;
  }
  if (!found->is_array()) {
    fields.Fail("content", "expected a string or an array of parts");
    return true;
  }
  for (const Json& part : *found) {
    const bool is_text = part.is_object() && part.value("type", Json()) == "text" && part.size() == 2 &&
                         part.contains("text") && part["text"].is_string();
    if (!is_text) {
      fields.Fail("content", R"(expected parts like {"type":"text","text":".."}: this model reads text only)",
                  "unsupported_value");
      return true;
    }
    *content += part["text"].get_ref<const std::string&>();
  }
  return true;
}

/// One message as templates know them.
Json ReadMessage(const Json& message, size_t index, std::optional<ApiError>* error) {
  Fields fields(message, fmt::format("messages[{}]", index));
  std::string role, content, name, reasoning, call_id;
  fields.String("role", &role);
  if (role == "developer") role = "system";  // OpenAI's newer word for it
  if (role != "system" && role != "user" && role != "assistant" && role != "tool") {
    fields.Fail("role", "expected system, developer, user, assistant or tool");
  }
  const bool has_content = ReadContent(fields, &content);
  fields.String("name", &name);
  fields.String("reasoning_content", &reasoning);
  fields.String("tool_call_id", &call_id);
  fields.Only("refusal", nullptr);
  fields.Only("audio", nullptr);
  fields.Only("function_call", nullptr);
  Json calls = Json::array();
  if (const Json* const found = fields.Any("tool_calls")) {
    std::optional<ApiError> wrong;
    calls = ReadToolCalls(*found, fmt::format("messages[{}].tool_calls", index), &wrong);
    if (wrong) fields.Fail(*wrong);
    if (!calls.empty() && role != "assistant") fields.Fail("tool_calls", "only for messages of the assistant");
  }
  if (!has_content && calls.empty() && reasoning.empty()) {
    fields.Fail("content", "missing: expected a string or an array of parts");
  }
  if (!reasoning.empty() && role != "assistant") {
    fields.Fail("reasoning_content", "only for messages of the assistant");
  }
  if (!call_id.empty() && role != "tool") fields.Fail("tool_call_id", "only for messages of a tool");
  Json json{{"role", role}, {"content", content}};
  if (!name.empty()) json["name"] = name;
  if (!reasoning.empty()) json["reasoning_content"] = reasoning;
  if (!call_id.empty()) json["tool_call_id"] = call_id;
  if (!calls.empty()) json["tool_calls"] = std::move(calls);
  *error = fields.End();
  return json;
}

Json ReadMessages(Fields& fields) {
  Json list = Json::array();
  const Json* const found = fields.Any("messages");
  if (!found || !found->is_array() || found->empty()) {
    fields.Fail("messages", "expected an array with at least one message");
    return list;
  }
  for (const Json& message : *found) {
    std::optional<ApiError> error;
    list.push_back(ReadMessage(message, list.size(), &error));
    if (error) {
      fields.Fail(*error);
      return list;
    }
  }
  return list;
}

/// Variables of the template beside the messages.
Json ReadTemplateFields(Fields& fields) {
  Json variables = Json::object();
  if (const Json* const found = fields.Any("chat_template_kwargs")) {
    const auto reserved = {"messages", "add_generation_prompt", "tools"};
    if (!found->is_object() ||
        std::ranges::any_of(reserved, [found](const char* name) { return found->contains(name); })) {
      fields.Fail("chat_template_kwargs", "expected an object of variables of the template");
    } else {
      variables = *found;
    }
  }
  if (fields.Any("enable_thinking")) {
    bool think = true;
    fields.Bool("enable_thinking", &think);
    variables["enable_thinking"] = think;
  }
  return variables;
}

std::optional<Grammar> ReadSchema(Fields& format, const Json& object) {
  Fields fields(object, "response_format.json_schema");
  std::string text;
  fields.String("name", &text);
  fields.String("description", &text);
  fields.Ignore("strict");  // always
  const Json* const schema = fields.Any("schema");
  if (!schema) fields.Fail("schema", "missing: expected a JSON Schema");
  if (const auto error = fields.End()) {
    format.Fail(*error);
    return std::nullopt;
  }
  Result<Grammar> made = JsonSchemaGrammar(*schema);
  if (made) return std::move(made).value();
  format.Fail("json_schema", made.error().message, "unsupported_value");
  return std::nullopt;
}

/// What the answer must be; nothing: any text.
std::optional<Grammar> ReadResponseFormat(Fields& fields) {
  const Json* const found = fields.Any("response_format");
  if (!found) return std::nullopt;
  Fields format(*found, "response_format");
  std::string type;
  format.String("type", &type);
  const Json* const schema = format.Any("json_schema");
  if (schema && (type == "text" || type == "json_object")) {
    format.Fail("json_schema", "only with the type json_schema");
  }
  std::optional<Grammar> grammar;
  if (type == "json_object") {
    grammar = JsonObjectGrammar();
  } else if (type == "json_schema") {
    if (!schema) {
      format.Fail("json_schema", "expected an object with a schema");
    } else {
      grammar = ReadSchema(format, *schema);
    }
  } else if (type != "text") {
    format.Fail("type", "expected text, json_object or json_schema");
  }
  if (const auto error = format.End()) fields.Fail(*error);
  return grammar;
}

void ReadLogprobs(Fields& fields, AnswerParams* params) {
  bool wanted = false;
  int64_t n_top = 0;
  fields.Bool("logprobs", &wanted);
  fields.Int("top_logprobs", 0, TokenLogprobs::kMaxTop, &n_top);
  if (n_top > 0 && !wanted) fields.Fail("top_logprobs", "only for a request with \"logprobs\": true");
  if (wanted) params->n_logprobs = static_cast<int>(n_top);
}

void RefuseUnsupported(Fields& fields) {
  fields.Only("functions", Json::array());
  fields.Only("function_call", "none");
  fields.Only("modalities", Json::array({"text"}));
  fields.Only("audio", nullptr);
  fields.Only("prediction", nullptr);
  fields.Only("store", false);
  fields.Only("service_tier", "auto");
  for (const char* name : {"metadata", "prompt_cache_key", "safety_identifier"}) {
    fields.Ignore(name);
  }
}

/// The conversation as the model's template writes it.
class Renderer {
 public:
  Renderer(const ServedModel& model, const Json& variables)
      : template_(variables.contains("tools") && model.tool_template ? *model.tool_template
                                                                     : *model.chat_template),
        variables_(variables) {
    options_.tokens = model.template_tokens;
    // The day, not the time: a prompt that changes every second could never be reused.
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    local.tm_hour = local.tm_min = local.tm_sec = 0;
    options_.now = local;
  }

  bool Knows(std::string_view variable) const { return template_.HasVariable(variable); }

  Result<TypedText> Render(const Json& messages, bool add_generation_prompt) const {
    Json request = variables_;
    request["messages"] = messages;
    request["add_generation_prompt"] = add_generation_prompt;
    return template_.Render(request, options_);
  }

  /// What later requests may have in common with this one: the conversation without what announces the answer,
  /// with an answer and a next question (templates drop earlier thinking), and the system's part of it.
  std::vector<TypedText> Later(const Json& messages) const {
    std::vector<TypedText> later;
    const auto add = [&](const Json& other, bool add_generation_prompt) {
      if (Result<TypedText> text = Render(other, add_generation_prompt)) {
        later.push_back(std::move(text).value());
      }
    };
    const Json user{{"role", "user"}, {"content", "."}};
    add(messages, false);
    Json longer = messages;
    longer.push_back({{"role", "assistant"}, {"content", "."}});
    longer.push_back(user);
    add(longer, true);
    if (messages[0]["role"] == "system") add(Json::array({messages[0], user}), true);
    return later;
  }

 private:
  const ChatTemplate& template_;
  const Json& variables_;
  RenderOptions options_;
};

/// What a chat request says, before the template sees it.
struct ChatRequest {
  AnswerParams params;
  Json messages;
  Json variables;  // of the template
  ToolOrder tools;
  std::optional<Grammar> format;  // of the answer
};

ChatRequest ReadRequest(Fields& fields, int32_t n_tokens) {
  ChatRequest request;
  ReadAnswerParams(fields, n_tokens, &request.params);
  int64_t older = 0, max_tokens = 0;
  fields.Int("max_tokens", 1, INT32_MAX, &older);
  fields.Int("max_completion_tokens", 1, INT32_MAX, &max_tokens);
  if (older > 0 && max_tokens > 0 && older != max_tokens) {
    fields.Fail("max_tokens", fmt::format("differs from max_completion_tokens, {}", max_tokens));
  }
  if (max_tokens == 0) max_tokens = older;
  if (max_tokens > 0) request.params.max_tokens = max_tokens;
  ReadLogprobs(fields, &request.params);
  request.messages = ReadMessages(fields);
  request.variables = ReadTemplateFields(fields);
  request.format = ReadResponseFormat(fields);
  request.tools = ReadTools(fields);
  if (request.format && !request.params.stop.empty()) {
    fields.Fail("stop", "not supported together with response_format, whose answer it could cut", "unsupported_parameter");
  }
  if (request.format && !request.tools.tools.empty()) {
    fields.Fail("response_format", "not supported together with tools", "unsupported_parameter");
  }
  if (!request.tools.tools.empty()) request.variables["tools"] = request.tools.tools;
  RefuseUnsupported(fields);
  return request;
}

/// The first variable that the template does not know: it would change nothing. Clients tell any model not to think,
/// so that is fine with one that cannot; to think is fine with one that does so always.
std::optional<ApiError> CheckVariables(const Json& body, const ChatRequest& request, const Renderer& renderer,
                                       bool thinks) {
  for (const auto& [name, value] : request.variables.items()) {
    if (name == "tools" || renderer.Knows(name)) continue;
    if (name == "enable_thinking" && (value == thinks || value == false)) continue;
    const std::string field = body.contains(name) ? name : "chat_template_kwargs." + name.substr(0, 80);
    return ApiError{400, field + ": this model's template does not know it", field, "unsupported_parameter"};
  }
  return std::nullopt;
}

/// Whether what is rendered tells the model of its tools.
bool ShowsTools(const ChatRequest& request, const ServedModel& model, const std::string& rendered) {
  Json without = request.variables;
  without.erase("tools");
  const Result<TypedText> text = Renderer(model, without).Render(request.messages, true);
  return !text || PlainText(*text) != rendered;
}

/// Sets what the answer must be.
std::optional<ApiError> Constrain(ChatRequest& request, const ServedModel& model, const std::string& rendered,
                                  AnswerOrder* order) {
  std::optional<CallConstraint> constraint;
  if (request.format) {
    constraint = {std::move(*request.format), ""};
  } else if (!request.tools.tools.empty()) {
    if (!ShowsTools(request, model, rendered)) {
      return ApiError{400, "tools: this model's template knows none", "tools", "unsupported_parameter"};
    }
    auto made = ConstrainCalls(request.tools, rendered.find("<tool_call>") != std::string::npos);
    if (!made) return ApiError{400, "tools: " + made.error().message, "tools", "unsupported_value"};
    constraint = std::move(made).value();
    order->tools = std::make_shared<const Json>(std::move(request.tools.tools));
    order->parallel_calls = request.tools.parallel;
  }
  if (!constraint) return std::nullopt;
  Request& answer = order->requests[0];
  answer.constraint = std::make_shared<Constraint>(std::move(constraint->grammar), model.token_index);
  answer.constraint_comes = constraint->after.empty();
  answer.constrained_after = constraint->after.empty()
                                 ? ReasoningSplitter(order->reasoning_prompt).closing_tag()
                                 : std::move(constraint->after);
  return std::nullopt;
}

}  // namespace

std::variant<AnswerOrder, ApiError> ReadChat(const Json& body, const ServedModel& model) {
  if (!model.chat_template) {
    return ApiError{400, "this model has no chat template; use /v1/completions", "", "no_chat_template"};
  }
  Fields fields(body);
  ChatRequest request = ReadRequest(fields, model.tokenizer->n_tokens());
  if (const auto error = fields.End()) return *error;

  const Renderer renderer(model, request.variables);
  Result<TypedText> text = renderer.Render(request.messages, true);
  if (!text) return ApiError{400, text.error().message, "messages", "template_error"};
  ChatPrompt prompt = MakeChatPrompt(*model.tokenizer, *text, renderer.Later(request.messages));

  AnswerOrder order = MakeOrder(AnswerKind::kChat, request.params);
  const std::string plain = PlainText(*text);
  order.reasoning_prompt = plain.substr(plain.size() - std::min(plain.size(), kPromptEnd));
  const bool thinks = ReasoningSplitter(order.reasoning_prompt).thinking();
  if (const auto error = CheckVariables(body, request, renderer, thinks)) return *error;
  if (!AddPrompt(fields, request.params, std::move(prompt.tokens), std::move(prompt.checkpoints), 0,
                 model.engine->options().context_tokens, &order)) {
    return *fields.End();
  }
  if (const auto error = Constrain(request, model, plain, &order)) return *error;
  return order;
}

}  // namespace weir
