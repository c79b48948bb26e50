// /v1/messages and /v1/responses: other words for the same chats.
#include <gtest/gtest.h>

#include "server/endpoints.h"
#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

const json kSchema = {{"type", "object"},
                      {"properties", {{"city", {{"enum", {"Oslo", "Rome"}}}}}},
                      {"required", {"city"}},
                      {"additionalProperties", false}};

struct NamedEvent {
  std::string name;
  json data;
};

/// The events of a stream, each with its name.
std::vector<NamedEvent> NamedEvents(const std::string& body) {
  std::vector<NamedEvent> events;
  size_t at = 0;
  for (size_t end; (end = body.find("\n\n", at)) != std::string::npos; at = end + 2) {
    const std::string text = body.substr(at, end - at);
    const size_t line = text.find('\n');
    EXPECT_EQ(text.substr(0, 7), "event: ") << text;
    EXPECT_EQ(text.substr(line + 1, 6), "data: ") << text;
    events.push_back({text.substr(7, line - 7), json::parse(text.substr(line + 7))});
    EXPECT_EQ(events.back().data["type"], events.back().name);
  }
  EXPECT_EQ(at, body.size());
  return events;
}

/// The prompt that a chat body comes to, or what another API makes of its own words for it.
template <class Read>
std::vector<int32_t> Prompt(Read read, const json& body, const ServedModel& model) {
  const auto order = read(Json::parse(body.dump()), model);
  const ApiError* const error = std::get_if<ApiError>(&order);
  EXPECT_FALSE(error) << error->message;
  return error ? std::vector<int32_t>() : std::get<AnswerOrder>(order).requests[0].prompt;
}

json ToolChat() {
  return json::parse(R"({"messages":[
      {"role":"system","content":"Be brief."},
      {"role":"user","content":"Weather?"},
      {"role":"assistant","content":"I look.","tool_calls":[
          {"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Oslo\"}"}}]},
      {"role":"tool","tool_call_id":"c1","content":"rain"},
      {"role":"user","content":"And Rome?"}],
    "tools":[{"type":"function","function":{"name":"get_weather","description":"d","parameters":{"type":"object"}}}]})");
}

TEST(Messages, ComeToTheSamePromptAsAChat) {
  Serving serving;
  const json body = json::parse(R"({"max_tokens":5,"system":[{"type":"text","text":"Be brief.","cache_control":{}}],
    "messages":[{"role":"user","content":"Weather?"},
      {"role":"assistant","content":[{"type":"text","text":"I look."},
          {"type":"tool_use","id":"c1","name":"get_weather","input":{"city":"Oslo"}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"rain"}]},
          {"type":"text","text":"And Rome?"}]}],
    "tools":[{"name":"get_weather","description":"d","input_schema":{"type":"object"}}]})");
  const auto prompt = Prompt(ReadAnthropic, body, serving.model());
  EXPECT_EQ(prompt, Prompt(ReadChat, ToolChat(), serving.model()));
  EXPECT_EQ(serving.Post("/v1/messages/count_tokens", body).json(), (json{{"input_tokens", prompt.size()}}));
}

TEST(Responses, ComeToTheSamePromptAsAChat) {
  Serving serving;
  const json body = json::parse(R"({"instructions":"Be brief.",
    "input":[{"role":"user","content":"Weather?"},
      {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look.","annotations":[]}]},
      {"type":"function_call","call_id":"c1","name":"get_weather","arguments":"{\"city\":\"Oslo\"}"},
      {"type":"function_call_output","call_id":"c1","output":"rain"},
      {"role":"user","content":[{"type":"input_text","text":"And Rome?"}]}],
    "tools":[{"type":"function","name":"get_weather","description":"d","parameters":{"type":"object"}}]})");
  EXPECT_EQ(Prompt(ReadResponses, body, serving.model()), Prompt(ReadChat, ToolChat(), serving.model()));
}

/// What a chat says to "Hello", for comparison.
json Said(const Serving& serving, const json& more = json::object()) {
  json body = {{"messages", {{{"role", "user"}, {"content", "Hello"}}}},
               {"max_tokens", 12}, {"temperature", 0}, {"ignore_eos", true}};
  body.update(more);
  return serving.Post("/v1/chat/completions", body).json()["choices"][0]["message"];
}

TEST(Messages, AnswerAsAChatDoes) {
  Serving serving;
  json body = {{"messages", {{{"role", "user"}, {"content", "Hello"}}}},
               {"max_tokens", 12}, {"temperature", 0}, {"ignore_eos", true}};
  const json whole = serving.Post("/v1/messages", body).json();
  EXPECT_EQ(whole["type"], "message");
  EXPECT_EQ(whole["content"], (json::array({{{"type", "text"}, {"text", Said(serving)["content"]}}})));
  EXPECT_EQ(whole["stop_reason"], "max_tokens");
  EXPECT_EQ(whole["usage"]["output_tokens"], 12);

  body["stream"] = true;
  body["thinking"] = {{"type", "adaptive"}};
  const std::vector<NamedEvent> events = NamedEvents(serving.Post("/v1/messages", body).body);
  EXPECT_EQ(events[0].name, "message_start");
  EXPECT_EQ(events[1].name, "content_block_start");
  EXPECT_EQ(events[1].data["content_block"]["type"], "thinking");
  std::string text;
  for (const NamedEvent& event : events) {
    if (event.name == "content_block_delta") text += event.data["delta"]["thinking"].get<std::string>();
  }
  EXPECT_EQ(Said(serving, {{"enable_thinking", true}})["reasoning_content"], text);
  EXPECT_EQ(events[events.size() - 3].name, "content_block_stop");
  EXPECT_EQ(events[events.size() - 2].data["delta"]["stop_reason"], "max_tokens");
  EXPECT_EQ(events[events.size() - 2].data["usage"]["output_tokens"], 12);
  EXPECT_EQ(events.back().name, "message_stop");
}

TEST(Messages, TellStopStringsFromTheEnd) {
  Serving serving;
  const std::string text = Said(serving)["content"];
  const json body = {{"messages", {{{"role", "user"}, {"content", "Hello"}}}}, {"max_tokens", 12},
                     {"temperature", 0}, {"ignore_eos", true}, {"stop_sequences", {text.substr(5, 3)}}};
  EXPECT_EQ(serving.Post("/v1/messages", body).json()["stop_reason"], "stop_sequence");
}

TEST(Messages, UseTools) {
  Serving serving;
  json body = {{"messages", {{{"role", "user"}, {"content", "Weather?"}}}},
               {"max_tokens", 200},
               {"seed", 1},
               {"tools", {{{"name", "get_weather"}, {"input_schema", kSchema}}}},
               {"tool_choice", {{"type", "tool"}, {"name", "get_weather"}, {"disable_parallel_tool_use", true}}}};
  const json whole = serving.Post("/v1/messages", body).json();
  EXPECT_EQ(whole["stop_reason"], "tool_use") << whole;
  ASSERT_EQ(whole["content"].size(), 1u);
  EXPECT_EQ(whole["content"][0]["name"], "get_weather");
  const json input = whole["content"][0]["input"];
  EXPECT_TRUE(input["city"] == "Oslo" || input["city"] == "Rome");
  body["stream"] = true;
  std::string arguments;
  for (const NamedEvent& event : NamedEvents(serving.Post("/v1/messages", body).body)) {
    if (event.name == "content_block_delta") arguments += event.data["delta"]["partial_json"].get<std::string>();
  }
  EXPECT_EQ(json::parse(arguments), input);
}

TEST(Responses, AnswerAsAChatDoes) {
  Serving serving;
  json body = {{"input", "Hello"}, {"max_output_tokens", 12}, {"temperature", 0}, {"ignore_eos", true}};
  const json whole = serving.Post("/v1/responses", body).json();
  EXPECT_EQ(whole["object"], "response");
  EXPECT_EQ(whole["status"], "incomplete");
  EXPECT_EQ(whole["incomplete_details"]["reason"], "max_output_tokens");
  ASSERT_EQ(whole["output"].size(), 1u);
  EXPECT_EQ(whole["output"][0]["content"][0]["text"], Said(serving)["content"]);
  EXPECT_EQ(whole["usage"]["output_tokens"], 12);
  EXPECT_EQ(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 0);

  body["stream"] = true;
  body["enable_thinking"] = true;
  const std::vector<NamedEvent> events = NamedEvents(serving.Post("/v1/responses", body).body);
  std::string text;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].data["sequence_number"], i);
    if (events[i].name == "response.reasoning_text.delta") text += events[i].data["delta"].get<std::string>();
  }
  EXPECT_EQ(events[0].name, "response.created");
  EXPECT_EQ(events.back().name, "response.incomplete");
  const json& output = events.back().data["response"]["output"];
  EXPECT_EQ(output[0]["type"], "reasoning");
  EXPECT_EQ(output[0]["content"][0]["text"], text);
  EXPECT_EQ(events.back().data["response"]["usage"]["output_tokens_details"]["reasoning_tokens"], 12);
  EXPECT_EQ(Said(serving, {{"enable_thinking", true}})["reasoning_content"], text);
}

TEST(Responses, GiveEachItemAnIdOfItsOwn) {
  const auto format = [] { return MakeResponsesFormat({.id = "x", .model = "m"}); };
  AnswerPart thought, said;
  thought.reasoning = said.reasoning = "a";
  said.content = "b";
  const Json whole = format()->Whole(std::vector<const AnswerPart*>{&said}, {});
  EXPECT_EQ(whole["output"][0]["id"], "rs_x_0");
  EXPECT_EQ(whole["output"][1]["id"], "msg_x_1");
  said.reasoning.clear();
  said.finished = FinishReason::kStop;
  const auto stream = format();
  std::string text = stream->Part(thought);
  text += stream->Part(said);
  std::vector<std::pair<int, std::string>> ids;  // by their place
  for (const NamedEvent& event : NamedEvents(text)) {
    const json id = event.data.contains("item") ? event.data["item"]["id"] : event.data["item_id"];
    const std::pair<int, std::string> at{event.data["output_index"], id};
    if (ids.empty() || ids.back() != at) ids.push_back(at);
  }
  EXPECT_EQ(ids, (std::vector<std::pair<int, std::string>>{{0, "rs_x_0"}, {1, "msg_x_1"}}));
}

TEST(Messages, LeaveTheChoiceToModelsThatCannotThink) {
  Serving serving;
  const ChatTemplate plain = ChatTemplate::Parse("{{ messages[0].content }}", "test").value();
  ServedModel model = serving.model();
  model.chat_template = &plain;
  for (const char* type : {"adaptive", "disabled", "enabled"}) {
    const Json body{{"max_tokens", 1},
                    {"messages", {{{"role", "user"}, {"content", "a"}}}},
                    {"thinking", {{"type", type}}}};
    EXPECT_EQ(std::holds_alternative<AnswerOrder>(ReadAnthropic(body, model)), std::string(type) != "enabled") << type;
  }
}

TEST(OtherApis, NameTheFieldThatIsWrong) {
  Serving serving;
  const struct {
    const char* path;
    const char* body;
    const char* param;
  } kCases[] = {
      {"/v1/messages", R"({"messages":[{"role":"user","content":"a"}]})", "max_tokens"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[]})", "messages"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[{"role":"system","content":"a"}]})", "messages[0].role"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[{"role":"user","content":5}]})", "messages[0].content"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[{"role":"user","content":[{"type":"image"}]}]})",
       "messages[0].content[].type"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})",
       "messages"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[{"role":"user","content":"a"}],"mcp_servers":[]})", "mcp_servers"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[{"role":"user","content":"a"}],"tools":[{"type":"bash_1"}]})",
       "tools[0].type"},
      {"/v1/messages",
       R"({"max_tokens":1,"messages":[{"role":"user","content":"a"}],"thinking":{"type":"enabled","budget_tokens":9}})",
       "thinking.budget_tokens"},
      {"/v1/responses", R"({})", "input"},
      {"/v1/responses", R"({"input":[{"type":"item_reference"}]})", "input[0].type"},
      {"/v1/responses", R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})", "input[0].content[].type"},
      {"/v1/responses", R"({"input":[{"role":"king","content":"a"}]})", "input[0].role"},
      {"/v1/responses", R"({"input":[{"role":"user"}]})", "input[0].content"},
      {"/v1/responses", R"({"instructions":"a","input":[{"type":"function_call","name":"f","arguments":"["}]})",
       "input[0].arguments"},
      {"/v1/responses", R"({"input":"a","max_output_tokens":0})", "max_output_tokens"},
      {"/v1/responses", R"({"input":"a","max_output_tokens":512})", "input"},
      {"/v1/responses", R"({"input":"a","tools":[{"type":"function","name":"f","parameters":5}]})",
       "tools[0].parameters"},
      {"/v1/responses", R"({"input":"a","previous_response_id":"x"})", "previous_response_id"},
      {"/v1/responses", R"({"input":"a","messages":[]})", "messages"},
      {"/v1/responses", R"({"input":"a","tools":[{"type":"web_search"}]})", "tools[0].type"},
      {"/v1/responses", R"({"input":"a","text":{"format":{"type":"json_schema"}}})", "text.format"},
      {"/v1/messages", R"({"max_tokens":1,"system":"a","messages":[{"role":"assistant",
        "content":[{"type":"tool_use","name":"f","input":5}]},{"role":"user","content":"a"}]})",
       "messages[0].content[].input"},
      {"/v1/messages",
       R"({"max_tokens":1,"messages":[{"role":"user","content":"a"}],"tools":[{"name":"f","input_schema":5}]})",
       "tools[0].input_schema"},
      {"/v1/messages", R"({"max_tokens":1,"messages":[{"role":"user","content":"a"}],"stop_sequences":[5]})",
       "stop_sequences"},
  };
  for (const auto& [path, body, param] : kCases) {
    const ClientAnswer answer = Ask(serving.port(), Post(path, body));
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_EQ(answer.json()["error"]["param"], param) << body << answer.body;
    const std::string message = answer.json()["error"]["message"];
    EXPECT_TRUE(message.starts_with(param) || message.find(':') == std::string::npos) << message;
    EXPECT_EQ(answer.json().value("type", ""), std::string(path) == "/v1/messages" ? "error" : "") << answer.body;
  }
}

}  // namespace
}  // namespace weir
