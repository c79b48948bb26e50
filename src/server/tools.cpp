#include "server/tools.h"

#include <algorithm>

#include "model/constrain/json_schema.h"

namespace weir {
namespace {

constexpr size_t kMaxName = 128;
constexpr size_t kMaxTools = 128;  // OpenAI's; each may come to a large grammar

/// No notation of calls has to quote such a name.
bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-.:/").find(c) != std::string_view::npos;
  });
}

void ReadTool(const Json& json, ToolOrder* order, std::optional<ApiError>* error) {
  const std::string where = fmt::format("tools[{}]", order->tools.size());
  Fields tool(json, where);
  std::string type = "function", name, description;
  bool strict = false;
  tool.String("type", &type);
  if (type != "function") tool.Fail("type", "expected function: weir runs no tools by itself", "unsupported_value");
  Json function = Json::object();
  if (const Json* const found = tool.Any("function")) {
    Fields inner(*found, where + ".function");
    inner.String("name", &name);
    if (!IsName(name)) {
      inner.Fail("name", fmt::format("expected 1 to {} letters, digits or any of _-.:/", kMaxName));
    }
    inner.String("description", &description);
    inner.Bool("strict", &strict);
    function["name"] = name;
    if (!description.empty()) function["description"] = description;
    if (const Json* const parameters = inner.Any("parameters")) {
      if (!parameters->is_object()) inner.Fail("parameters", "expected an object, a JSON Schema");
      function["parameters"] = *parameters;
    }
    if (const auto wrong = inner.End()) tool.Fail(*wrong);
  } else {
    tool.Fail("function", "missing: expected an object with a name");
  }
  *error = tool.End();
  order->tools.push_back(Json{{"type", "function"}, {"function", std::move(function)}});
  order->strict.push_back(strict);
}

bool Offers(const ToolOrder& order, const std::string& name) {
  return std::ranges::any_of(order.tools, [&](const Json& tool) { return tool["function"]["name"] == name; });
}

void ReadChoice(Fields& fields, ToolOrder* order) {
  const Json* const choice = fields.Any("tool_choice");
  if (!choice || *choice == "auto") return;
  if (*choice == "none") {
    *order = {};
    return;
  }
  order->required = true;
  if (choice->is_object()) {
    Fields named(*choice, "tool_choice");
    std::string type;
    named.String("type", &type);
    if (type != "function") named.Fail("type", "expected function", "unsupported_value");
    if (const Json* const found = named.Any("function")) {
      Fields function(*found, "tool_choice.function");
      function.String("name", &order->name);
      if (const auto error = function.End()) named.Fail(*error);
    }
    if (!Offers(*order, order->name)) named.Fail("function", "expected the name of one of the tools");
    if (const auto error = named.End()) fields.Fail(*error);
  } else if (*choice != "required") {
    fields.Fail("tool_choice", "expected none, auto, required or the name of a tool in an object");
  }
  if (order->tools.empty()) fields.Fail("tool_choice", "there are no tools to choose from");
}

/// Makes references within a schema hold where it is put.
void Relocate(Json& schema, const std::string& path) {
  if (schema.is_object()) {
    const auto reference = schema.find("$ref");
    if (reference != schema.end() && reference->is_string() &&
        reference->get_ref<const std::string&>().starts_with('#')) {
      *reference = "#" + path + reference->get<std::string>().substr(1);
    }
  }
  if (!schema.is_structured()) return;
  for (Json& inner : schema) Relocate(inner, path);
}

/// Of the arguments. Without `strict` it promises no more than what weir understands of it.
Result<Json> ArgumentsSchema(const Json& function, bool strict) {
  Json schema = function.value("parameters", Json{{"additionalProperties", false}});
  if (!schema.contains("type")) schema["type"] = "object";
  const Result<Grammar> known = JsonSchemaGrammar(schema);
  if (known && schema["type"] == "object") return schema;
  if (!strict) return Json{{"type", "object"}};
  if (!known) return known.error();
  return BadInput("schema/type: expected object");
}

/// One call, as an object in JSON.
Result<Grammar> CallGrammar(const ToolOrder& order) {
  Json alternatives = Json::array();
  for (size_t i = 0; i < order.tools.size(); ++i) {
    const Json& function = order.tools[i]["function"];
    if (!order.name.empty() && function["name"] != order.name) continue;
    WEIR_TRY(Json arguments, ArgumentsSchema(function, order.strict[i]));
    Relocate(arguments, fmt::format("/anyOf/{}/properties/arguments", alternatives.size()));
    alternatives.push_back(Json{{"type", "object"},
                                {"properties", {{"name", {{"const", function["name"]}}}, {"arguments", arguments}}},
                                {"required", {"name", "arguments"}}});
  }
  return JsonSchemaGrammar(Json{{"anyOf", std::move(alternatives)}});
}

/// The call between tags, and, if there may be more, any number of times; from within the first tag on, or before.
Grammar Tagged(Grammar g, bool several, bool within) {
  const Grammar::Node end = g.AddNode(), close = g.AddNode(), call = g.AddNode(), body = g.AddNode(),
                      open = g.AddNode();
  g.AddText(open, "<tool_call>", body);
  g.AddText(body, "\n", call);
  g.AddCall(call, g.start(), close);
  g.AddText(close, "\n</tool_call>", end);
  g.AddEmpty(end, g.End());
  if (several) g.AddText(end, "\n", open);
  g.set_start(within ? body : open);
  return g;
}

}  // namespace

ToolOrder ReadTools(Fields& fields) {
  ToolOrder order;
  if (const Json* const list = fields.Any("tools")) {
    const bool fits = list->is_array() && list->size() <= kMaxTools;
    if (!fits) fields.Fail("tools", fmt::format("expected an array of at most {} tools", kMaxTools));
    for (const Json& tool : fits ? *list : Json::array()) {
      std::optional<ApiError> error;
      ReadTool(tool, &order, &error);
      if (error) {
        fields.Fail(*error);
        break;
      }
    }
  }
  fields.Bool("parallel_tool_calls", &order.parallel);
  ReadChoice(fields, &order);
  return order;
}

Json ReadToolCalls(const Json& calls, const std::string& where, std::optional<ApiError>* error) {
  Json list = Json::array();
  if (!calls.is_array()) {
    *error = ApiError{400, where + ": expected an array of calls", where, "invalid_value"};
    return list;
  }
  for (const Json& json : calls) {
    const std::string place = fmt::format("{}[{}]", where, list.size());
    Fields call(json, place);
    std::string id, type = "function", name, text = "{}";
    call.String("id", &id);
    call.String("type", &type);
    call.Ignore("index");  // left there by clients that send back what they were streamed
    if (type != "function") call.Fail("type", "expected function", "unsupported_value");
    std::variant<Json, ApiError> arguments;
    if (const Json* const found = call.Any("function")) {
      Fields function(*found, place + ".function");
      function.String("name", &name);
      if (!IsName(name)) function.Fail("name", "expected the name of a tool");
      function.String("arguments", &text);
      arguments = ParseBody(text.empty() ? "{}" : text);
      if (!std::holds_alternative<Json>(arguments)) function.Fail("arguments", "expected a JSON object as text");
      if (const auto wrong = function.End()) call.Fail(*wrong);
    } else {
      call.Fail("function", "missing: expected an object with a name and arguments");
    }
    if ((*error = call.End())) return list;
    list.push_back(Json{{"id", id},
                        {"type", "function"},
                        {"function", {{"name", name}, {"arguments", std::get<Json>(std::move(arguments))}}}});
  }
  return list;
}

Result<std::optional<CallConstraint>> ConstrainCalls(const ToolOrder& order, bool tagged) {
  const bool strict = std::ranges::find(order.strict, true) != order.strict.end();
  if (!order.required && !strict) return std::optional<CallConstraint>();
  if (!order.required && !tagged) {
    return BadInput("strict tools need tool_choice required with this model, whose template marks no calls");
  }
  WEIR_TRY(Grammar call, CallGrammar(order));
  if (!tagged) return std::optional(CallConstraint{std::move(call), ""});
  return std::optional(CallConstraint{Tagged(std::move(call), order.parallel, !order.required),
                                      order.required ? "" : "<tool_call>"});
}

}  // namespace weir
