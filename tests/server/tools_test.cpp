// Tools: offered, called, answered.
#include <gtest/gtest.h>

#include "server/endpoints.h"
#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

const json kWeather = {{"type", "function"},
                       {"function",
                        {{"name", "get_weather"},
                         {"description", "Weather of a place"},
                         {"parameters",
                          {{"type", "object"},
                           {"properties", {{"city", {{"$ref", "#/$defs/city"}}}, {"days", {{"type", "integer"}}}}},
                           {"required", {"city", "days"}},
                           {"additionalProperties", false},
                           {"$defs", {{"city", {{"enum", {"Oslo", "Rome"}}}}}}}}}}};
const json kTime = {{"type", "function"}, {"function", {{"name", "get_time"}}}};

json Body(const json& tools, const json& choice) {
  return {{"messages", {{{"role", "user"}, {"content", "Weather?"}}}},
          {"max_tokens", 150},
          {"temperature", 1},
          {"seed", 4},
          {"tools", tools},
          {"tool_choice", choice}};
}

/// The calls of a stream, put together as clients do.
json Joined(const std::vector<json>& events) {
  json calls = json::array();
  for (const json& event : events) {
    for (const json& delta : event["choices"][0]["delta"].value("tool_calls", json::array())) {
      const size_t index = delta["index"];
      if (index == calls.size()) calls.push_back({{"name", ""}, {"arguments", ""}});
      EXPECT_LT(index, calls.size());
      for (const char* part : {"name", "arguments"}) {
        calls[index][part] =
            calls[index][part].get<std::string>() + delta["function"].value(part, std::string());
      }
    }
  }
  return calls;
}

TEST(Tools, AreCalledWhereTheyMustBe) {
  Serving serving;
  for (const json& choice : {json("required"), json{{"type", "function"}, {"function", {{"name", "get_weather"}}}}}) {
    json body = Body({kTime, kWeather}, choice);
    body["parallel_tool_calls"] = false;
    const ClientAnswer answer = serving.Post("/v1/chat/completions", body);
    ASSERT_EQ(answer.status, 200) << answer.body;
    const json got = answer.json()["choices"][0];
    EXPECT_EQ(got["finish_reason"], "tool_calls") << got;
    EXPECT_TRUE(got["message"]["content"].is_null());
    ASSERT_EQ(got["message"]["tool_calls"].size(), 1u);
    const json& call = got["message"]["tool_calls"][0];
    EXPECT_EQ(call["type"], "function");
    EXPECT_EQ(call["id"].get<std::string>().size(), 9u);
    const json arguments = json::parse(call["function"]["arguments"].get<std::string>());
    if (choice.is_object() || call["function"]["name"] == "get_weather") {
      EXPECT_EQ(call["function"]["name"], "get_weather");
      EXPECT_TRUE(arguments["city"] == "Oslo" || arguments["city"] == "Rome");
      EXPECT_TRUE(arguments["days"].is_number_integer());
      EXPECT_EQ(arguments.size(), 2u);
    } else {
      EXPECT_EQ(call["function"]["name"], "get_time");
      EXPECT_EQ(arguments, json::object());
    }

    body["stream"] = true;
    const std::vector<json> events = Events(serving.Post("/v1/chat/completions", body).body);
    const json joined = Joined(events);
    ASSERT_EQ(joined.size(), 1u);
    EXPECT_EQ(joined[0]["name"], call["function"]["name"]);
    EXPECT_EQ(joined[0]["arguments"], call["function"]["arguments"]);
    EXPECT_EQ(events.back()["choices"][0]["finish_reason"], "tool_calls");
    for (const json& event : events) EXPECT_EQ(event["choices"][0]["delta"].value("content", ""), "");
  }
}

TEST(Tools, AreNotCalledWhereTheyMustNotBe) {
  Serving serving;
  json body = Body(json::array({kWeather}), "none");
  body["max_tokens"] = 4;
  const json choice = serving.Post("/v1/chat/completions", body).json();
  body.erase("tools");
  body.erase("tool_choice");
  EXPECT_EQ(serving.Post("/v1/chat/completions", body).json()["usage"]["prompt_tokens"],
            choice["usage"]["prompt_tokens"]);
  EXPECT_FALSE(choice["choices"][0]["message"].contains("tool_calls"));
}

/// The prompt that a body comes to, as text.
std::string Prompt(const Serving& serving, const json& body) {
  const auto order = ReadChat(Json::parse(body.dump()), serving.model());
  if (const ApiError* const error = std::get_if<ApiError>(&order)) return error->message;
  std::string text;
  for (const int32_t id : std::get<AnswerOrder>(order).requests[0].prompt) {
    text += TinyModel().tokenizer->Piece(id);
  }
  return text;
}

TEST(Tools, GoThroughTheTemplateAndSoDoCallsAndResults) {
  Serving serving;
  json body = Body(json::array({kTime}), "auto");
  body["messages"].push_back(
      {{"role", "assistant"},
       {"content", nullptr},
       {"tool_calls",
        {{{"id", "abc"},
          {"type", "function"},
          {"function", {{"name", "get_time"}, {"arguments", R"({"zone":"UTC","n":[1, 2]})"}}}}}}});
  body["messages"].push_back({{"role", "tool"}, {"tool_call_id", "abc"}, {"content", "12:00"}});
  EXPECT_EQ(Prompt(serving, body),
            "<|im_start|>system\nCall tools between <tool_call> and </tool_call>:\n"
            "{\"type\": \"function\", \"function\": {\"name\": \"get_time\"}}\n<|im_end|>\n"
            "<|im_start|>user\nWeather?<|im_end|>\n"
            "<|im_start|>assistant\n<tool_call>\n<function=get_time>\n<parameter=zone>\nUTC\n</parameter>\n"
            "<parameter=n>\n[1, 2]\n</parameter>\n</function>\n</tool_call><|im_end|>\n"
            "<|im_start|>tool\n12:00<|im_end|>\n<|im_start|>assistant\n");
}

/// A server whose model says what it is told to.
class Saying {
 public:
  explicit Saying(std::string text, bool parallel = true)
      : text_(std::move(text)), parallel_(parallel), engine_(TinyModel().Start(Serving::DefaultEngine())) {
    auto server = HttpServer::Listen(
        {}, [](const HttpRequest&) { return std::nullopt; },
        [this](HttpRequest request, std::shared_ptr<Responder> responder) {
          workers_.Run([this, stream = request.path == "/stream", responder] { Answer(stream, *responder); });
        });
    server_ = std::move(server).value();
  }
  ~Saying() { server_->Stop(); }

  json Whole() const { return Ask(server_->port(), Post("/", "{}")).json()["choices"][0]; }
  std::vector<json> Stream() const { return Events(Ask(server_->port(), Post("/stream", "{}")).body); }

 private:
  void Answer(bool stream, Responder& responder) {
    AnswerParams params;
    params.stream = stream;
    AnswerOrder order = MakeOrder(AnswerKind::kChat, params);
    Grammar grammar;
    const Grammar::Node start = grammar.AddNode();
    grammar.AddText(start, text_, grammar.End());
    grammar.set_start(start);
    Request request = weir::Ask({1, 2, 3}, 500);
    request.ignore_eos = false;
    request.constraint =
        std::make_shared<Constraint>(grammar, std::make_shared<TokenIndex>(*TinyModel().tokenizer));
    order.requests.push_back(request);
    order.tools = std::make_shared<const Json>(Json::parse(json{kWeather, kTime}.dump()));
    order.parallel_calls = parallel_;
    const auto answering = std::make_shared<Answering>(std::move(order), "tiny", *TinyModel().tokenizer, metrics_);
    ASSERT_FALSE(answering->Submit(*engine_));
    answering->Deliver(responder, workers_);
  }

  const std::string text_;
  const bool parallel_;
  const std::unique_ptr<Engine> engine_;
  Metrics metrics_;
  std::unique_ptr<HttpServer> server_;
  Workers workers_;
};

constexpr const char* kTwoCalls =
    "I look.\n\n<tool_call>\n<function=get_weather>\n<parameter=city>\n{\"Oslo\"}\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>\n"
    "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {\"a\": [1]}}\n</tool_call>";

TEST(Tools, AreFoundInWhatTheModelSays) {
  const Saying saying(kTwoCalls);
  const json whole = saying.Whole();
  EXPECT_EQ(whole["finish_reason"], "tool_calls");
  EXPECT_EQ(whole["message"]["content"], "I look.");
  const json& calls = whole["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]["function"]["name"], "get_weather");
  EXPECT_EQ(json::parse(calls[0]["function"]["arguments"].get<std::string>()),
            json::parse(R"({"city": "{\"Oslo\"}", "days": 3})"));
  EXPECT_EQ(calls[1]["function"]["name"], "get_time");
  EXPECT_EQ(calls[1]["function"]["arguments"], R"({"a":[1]})");
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);

  const std::vector<json> events = saying.Stream();
  const json joined = Joined(events);
  ASSERT_EQ(joined.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    for (const char* part : {"name", "arguments"}) EXPECT_EQ(joined[i][part], calls[i]["function"][part]);
  }
  std::string content;
  for (const json& event : events) content += event["choices"][0]["delta"].value("content", "");
  EXPECT_EQ(content, "I look.");
  EXPECT_EQ(events.back()["choices"][0]["finish_reason"], "tool_calls");
}

TEST(Tools, AreCalledOnceWhereOneCallIsWanted) {
  const Saying saying(kTwoCalls, /*parallel=*/false);
  EXPECT_EQ(saying.Whole()["message"]["tool_calls"].size(), 1u);
  EXPECT_EQ(Joined(saying.Stream()).size(), 1u);
}

TEST(Tools, ThatAreNotCalledLeaveTheTextAsItIs) {
  const std::string text = "Use <tool_call> and {\"name\": \"get_time\"}, or <tool_call>\nnothing</tool_call>.";
  const json whole = Saying(text).Whole();
  EXPECT_EQ(whole["message"]["content"], text);
  EXPECT_EQ(whole["finish_reason"], "stop");
}

TEST(Tools, ThatAreStrictGetWhatTheirSchemaAllows) {
  Serving serving;
  json strict = kWeather;
  strict["function"]["strict"] = true;
  const auto order = ReadChat(Json::parse(Body(json::array({strict}), "auto").dump()), serving.model());
  ASSERT_TRUE(std::holds_alternative<AnswerOrder>(order));
  const Request& request = std::get<AnswerOrder>(order).requests[0];
  EXPECT_EQ(request.constrained_after, "<tool_call>");
  ASSERT_TRUE(request.constraint);
  ConstrainedText call(request.constraint);
  const std::string said = "\n{\"name\":\"get_weather\",\"arguments\":{\"city\":\"Rome\",\"days\":1}}\n</tool_call>";
  for (const int32_t id : TinyModel().tokenizer->Encode(said, false)) {
    ASSERT_TRUE(call.Allowed()[static_cast<size_t>(id) / 64] >> (id % 64) & 1) << TinyModel().tokenizer->Piece(id);
    call.Take(id);
  }
  EXPECT_TRUE(call.complete());

  strict["function"]["parameters"]["properties"]["days"]["minimum"] = 1;
  EXPECT_EQ(serving.Post("/v1/chat/completions", Body(json::array({strict}), "auto")).json()["error"]["param"], "tools");
  strict["function"]["strict"] = false;
  EXPECT_EQ(serving.Post("/v1/chat/completions", Body(json::array({strict}), "required")).status, 200);
}

TEST(Tools, NameTheFieldThatIsWrong) {
  Serving serving;
  const std::string tool = R"({"type":"function","function":{"name":"f"}})";
  const std::string call = R"("messages":[{"role":"assistant","tool_calls":[{"function":)";
  const std::string user = R"("messages":[{"role":"user","content":"a"}],)";
  const struct {
    std::string fields;
    const char* param;
    const char* code;
  } kCases[] = {
      {user + R"("tools":{})", "tools", "invalid_value"},
      {user + R"("tools":[1])", "tools[0]", "invalid_type"},
      {user + R"("tools":[{"type":"web_search"}])", "tools[0].type", "unsupported_value"},
      {user + R"("tools":[{"type":"function"}])", "tools[0].function", "invalid_value"},
      {user + R"("tools":[)" + tool + R"(,{"function":{"name":"a b"}}])", "tools[1].function.name", "invalid_value"},
      {user + R"("tools":[{"function":{"name":"f","parameters":[]}}])", "tools[0].function.parameters",
       "invalid_value"},
      {user + R"("tools":[{"function":{"name":"f","x":1}}])", "tools[0].function.x", "unknown_parameter"},
      {user + R"("tools":[)" + tool + R"(],"tool_choice":"maybe")", "tool_choice", "invalid_value"},
      {user + R"("tools":[)" + tool + R"(],"tool_choice":{"type":"function","function":{"name":"g"}})",
       "tool_choice.function", "invalid_value"},
      {user + R"("tools":[)" + tool + R"(],"tool_choice":{"type":"allowed_tools"})", "tool_choice.type",
       "unsupported_value"},
      {user + R"("tool_choice":"required")", "tool_choice", "invalid_value"},
      {user + R"("parallel_tool_calls":1)", "parallel_tool_calls", "invalid_value"},
      {user + R"("tools":[)" + tool + R"(],"response_format":{"type":"json_object"})", "response_format",
       "unsupported_parameter"},
      {R"("messages":[{"role":"user","content":"a","tool_calls":[{"function":{"name":"f"}}]}])",
       "messages[0].tool_calls", "invalid_value"},
      {R"("messages":[{"role":"assistant","tool_calls":1}])", "messages[0].tool_calls", "invalid_value"},
      {call + R"(1}]}])", "messages[0].tool_calls[0].function", "invalid_type"},
      {call + R"({"name":"f","arguments":"{"}}]}])", "messages[0].tool_calls[0].function.arguments",
       "invalid_value"},
      {call + R"({"name":"f","arguments":{}}}]}])", "messages[0].tool_calls[0].function.arguments",
       "invalid_value"},
      {call + R"({"name":"f","arguments":")" + std::string(200, '[') + R"("}}]}])",
       "messages[0].tool_calls[0].function.arguments", "invalid_value"},
  };
  for (const auto& [fields, param, code] : kCases) {
    const ClientAnswer answer = Ask(serving.port(), Post("/v1/chat/completions", "{" + fields + "}"));
    EXPECT_EQ(answer.status, 400) << fields << answer.body;
    EXPECT_EQ(answer.json()["error"]["param"], param) << fields << answer.body;
    EXPECT_EQ(answer.json()["error"]["code"], code) << fields << answer.body;
  }
}

}  // namespace
}  // namespace weir
