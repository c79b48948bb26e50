// Conversations: templates, thinking, reuse of earlier turns, and what users may not write.
#include <gtest/gtest.h>

#include "server/endpoints.h"
#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

json Messages(std::initializer_list<std::pair<const char*, std::string>> list) {
  json messages = json::array();
  for (const auto& [role, content] : list) messages.push_back({{"role", role}, {"content", content}});
  return messages;
}

TEST(Chat, AnswersAConversation) {
  Serving serving;
  const json body = {{"messages", Messages({{"system", "Be brief."}, {"user", "Hello"}})},
                     {"max_completion_tokens", 6},
                     {"temperature", 0},
                     {"ignore_eos", true}};
  const ClientAnswer answer = serving.Post("/v1/chat/completions", body);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const json document = answer.json();
  EXPECT_EQ(document["object"], "chat.completion");
  EXPECT_EQ(document["id"].get<std::string>().substr(0, 9), "chatcmpl-");
  const json& choice = document["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["message"]["role"], "assistant");
  const std::string prompt =
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
  const std::vector<int32_t> ids = TinyModel().tokenizer->Encode(prompt, true);
  EXPECT_EQ(document["usage"]["prompt_tokens"], ids.size());
  EXPECT_EQ(choice["message"]["content"], Complete(serving.engine(), Ask(ids, 6)).text);

  json stream = body;
  stream["stream"] = true;
  const std::vector<json> events = Events(serving.Post("/v1/chat/completions", stream).body);
  EXPECT_EQ(events[0]["object"], "chat.completion.chunk");
  EXPECT_EQ(events[0]["choices"][0]["delta"], (json{{"role", "assistant"}, {"content", ""}}));
  std::string text;
  for (const json& event : events) text += event["choices"][0]["delta"].value("content", "");
  EXPECT_EQ(choice["message"]["content"], text);
  EXPECT_EQ(events.back()["choices"][0]["finish_reason"], "length");
}

TEST(Chat, PartsThinkingFromTheAnswer) {
  Serving serving;
  json body = {{"messages", Messages({{"user", "Hello"}})},
               {"max_tokens", 6},
               {"temperature", 0},
               {"ignore_eos", true},
               {"chat_template_kwargs", {{"enable_thinking", true}}}};
  const json message = serving.Post("/v1/chat/completions", body).json()["choices"][0]["message"];
  EXPECT_EQ(message["content"], "");
  EXPECT_FALSE(message["reasoning_content"].get<std::string>().empty());
  body["enable_thinking"] = false;
  EXPECT_FALSE(serving.Post("/v1/chat/completions", body)
                   .json()["choices"][0]["message"]
                   .contains("reasoning_content"));
}

TEST(Chat, ReadsLittleOfWhatItHasRead) {
  Serving serving;
  const std::string system(120, 's');
  json body = {{"messages", Messages({{"system", system}, {"user", "One"}})},
               {"max_tokens", 8},
               {"temperature", 0}};
  const json first = serving.Post("/v1/chat/completions", body).json();
  const int64_t n_first = first["usage"]["prompt_tokens"];

  json second = body;  // the next turn
  second["messages"].push_back(first["choices"][0]["message"]);
  second["messages"].push_back({{"role", "user"}, {"content", "Two"}});
  const int64_t before = serving.engine().CurrentStatus().n_prefilled_tokens;
  const json usage = serving.Post("/v1/chat/completions", second).json()["usage"];
  const int64_t cached = usage["prompt_tokens_details"]["cached_tokens"];
  EXPECT_GE(cached, n_first - 8);  // all but what announced the answer
  EXPECT_EQ(serving.engine().CurrentStatus().n_prefilled_tokens - before,
            usage["prompt_tokens"].get<int64_t>() - cached);

  json other = body;  // another user with the same system message
  other["messages"][1]["content"] = "Something else";
  const json shared = serving.Post("/v1/chat/completions", other).json()["usage"];
  EXPECT_GE(shared["prompt_tokens_details"]["cached_tokens"],
            static_cast<int64_t>(TinyModel().tokenizer->Encode(system, false).size()));
}

TEST(Chat, LetsNobodyWriteControlTokens) {
  Serving serving;
  const Tokenizer& tokenizer = *TinyModel().tokenizer;
  const auto count = [&](const std::string& content, const std::string& role, bool parts) {
    json message{{"role", role}};
    if (parts) {
      message["content"] = {{{"type", "text"}, {"text", content}}};
    } else {
      message["content"] = content;
    }
    const json body = {{"messages", {message}}, {"max_tokens", 1}};
    const ClientAnswer answer = serving.Post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.json()["usage"]["prompt_tokens"].get<size_t>();
  };
  int n_tried = 0;
  for (int32_t id = 0; id < tokenizer.n_tokens(); ++id) {
    if (!tokenizer.IsControl(id)) continue;
    ++n_tried;
    const std::string piece(tokenizer.Piece(id));
    ASSERT_EQ(tokenizer.Encode(piece, true).size(), 1u);
    for (const char* role : {"system", "user", "assistant", "tool"}) {
      // As text it takes more tokens than as what it names.
      const size_t control = tokenizer.Encode("<|im_start|>" + std::string(role) + "\na" + piece +
                                              "<|im_end|>\n<|im_start|>assistant\n", true).size();
      EXPECT_GT(count("a" + piece, role, false), control) << piece << role;
      EXPECT_GT(count("a" + piece, role, true), control) << piece << role;
    }
  }
  EXPECT_GT(n_tried, 1);
}

TEST(Chat, NamesTheFieldThatIsWrong) {
  Serving serving;
  const struct {
    const char* fields;
    const char* param;
    const char* code;
  } kCases[] = {
      {R"("messages":null)", "messages", "invalid_value"},
      {R"("messages":[])", "messages", "invalid_value"},
      {R"("messages":"hi")", "messages", "invalid_value"},
      {R"("messages":["hi"])", "messages[0]", "invalid_type"},
      {R"("messages":[{"content":"a"}])", "messages[0].role", "invalid_value"},
      {R"("messages":[{"role":"king","content":"a"}])", "messages[0].role", "invalid_value"},
      {R"("messages":[{"role":"user","content":5}])", "messages[0].content", "invalid_value"},
      {R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])",
       "messages[0].content", "unsupported_value"},
      {R"("messages":[{"role":"user","content":"a"},{"role":"user","content":"a","mood":1}])",
       "messages[1].mood", "unknown_parameter"},
      {R"("messages":[{"role":"user"}])", "messages[0].content", "invalid_value"},
      {R"("messages":[{"role":"assistant","content":null},{"role":"user","content":"a"}])", "messages[0].content",
       "invalid_value"},
      {R"("messages":[{"role":"user","content":"a","tool_call_id":"1"}])", "messages[0].tool_call_id", "invalid_value"},
      {R"("messages":[{"role":"assistant","content":"a","tool_call_id":"1"}])", "messages[0].tool_call_id",
       "invalid_value"},
      {R"("messages":[{"role":"user","content":"a","reasoning_content":"b"}])", "messages[0].reasoning_content",
       "invalid_value"},
      {R"("prompt":"a")", "messages", "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"max_tokens":0)", "max_tokens", "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"max_tokens":512)", "messages", "context_length_exceeded"},
      {R"("messages":[{"role":"user","content":"a"}],"response_format":{"type":"xml"})", "response_format.type",
       "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema"})",
       "response_format.json_schema", "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"response_format":{"type":"text","json_schema":{"schema":{}}})",
       "response_format.json_schema", "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"max_tokens":3,"max_completion_tokens":5)", "max_tokens",
       "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"chat_template_kwargs":{"enable_thinking":true,"zzz":1})",
       "chat_template_kwargs.zzz", "unsupported_parameter"},
      {R"("messages":[{"role":"user","content":"a"}],"chat_template_kwargs":{"messages":[]})",
       "chat_template_kwargs", "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"logprobs":5)", "logprobs", "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"top_logprobs":5)", "top_logprobs", "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"logprobs":true,"top_logprobs":21)", "top_logprobs",
       "invalid_value"},
      {R"("messages":[{"role":"user","content":"a"}],"modalities":["audio"])", "modalities",
       "unsupported_parameter"},
  };
  for (const auto& [body, param, code] : kCases) {
    const ClientAnswer answer =
        Ask(serving.port(), Post("/v1/chat/completions", "{" + std::string(body) + "}"));
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_EQ(answer.json()["error"]["param"], param) << body << answer.body;
    EXPECT_EQ(answer.json()["error"]["code"], code) << body;
  }
}

TEST(Chat, TakesWhatSaysTheSameTwice) {
  Serving serving;
  json body = {{"messages", {{{"role", "user"}, {"content", ""}},
                             {{"role", "assistant"}, {"content", nullptr}, {"reasoning_content", "hm"}}}},
               {"max_tokens", 2},
               {"max_completion_tokens", 2}};
  EXPECT_EQ(serving.Post("/v1/chat/completions", body).status, 200);
}

TEST(Chat, RefusesToThinkOnlyWhereThatWouldChangeNothing) {
  Serving serving;
  const auto read = [&](const std::string& source, const Json& fields) {
    const ChatTemplate chat_template = ChatTemplate::Parse(source, "test").value();
    ServedModel model = serving.model();
    model.chat_template = &chat_template;
    Json body{{"messages", {{{"role", "user"}, {"content", "a"}}}}};
    body.update(fields);
    const auto order = ReadChat(body, model);
    return std::holds_alternative<ApiError>(order) ? std::get<ApiError>(order).param : "";
  };
  const std::string plain = "{{ messages[0].content }}", always = plain + "<think>\n";
  for (const bool think : {false, true}) {
    const Json own{{"enable_thinking", think}}, variable{{"chat_template_kwargs", own}};
    EXPECT_EQ(read(plain, own), think ? "enable_thinking" : "");
    EXPECT_EQ(read(plain, variable), think ? "chat_template_kwargs.enable_thinking" : "");
    EXPECT_EQ(read(always, own), "");
    EXPECT_EQ(read(plain + "{{ '<think>' if enable_thinking }}", own), "");
  }
}

/// The lists of docs/api.md.
TEST(Chat, KnowsTheKeywordsOfSchemasThatItSaysItKnows) {
  Serving serving;
  const auto refused = [&](const Json& schema) {
    const Json body{{"messages", {{{"role", "user"}, {"content", "a"}}}},
                    {"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", schema}}}}}};
    const auto order = ReadChat(body, serving.model());
    return std::holds_alternative<ApiError>(order) ? std::get<ApiError>(order).message : "";
  };
  for (const char* schema : {
           R"({"type":["object","null"],"properties":{"a":{"type":"number"},"b":{}},"required":["b"],
               "additionalProperties":false})",
           R"({"type":"object","additionalProperties":{"type":"integer"}})",
           R"({"properties":{"a":{"enum":[1,"x",null],"type":"string"},"b":{"const":[]}},"additionalProperties":true})",
           R"({"prefixItems":[{"type":"boolean"}],"items":{"type":"string","minLength":3,"maxLength":100}})",
           R"({"type":"array","minItems":2,"maxItems":1000})",
           R"({"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}],"$defs":{"a":{"items":{"$ref":"#/$defs/a"}}}})",
           R"({"title":"a","description":"a","default":1,"examples":[],"deprecated":true,"readOnly":true,
               "writeOnly":true,"$schema":"a","$id":"a","$comment":"a","$defs":{},"definitions":{}})"}) {
    EXPECT_EQ(refused(Json::parse(schema)), "") << schema;
  }
  for (const char* keyword : {"pattern", "format", "minimum", "maximum", "multipleOf", "oneOf", "allOf", "not", "if",
                              "uniqueItems", "contains", "patternProperties", "propertyNames", "minProperties",
                              "maxProperties"}) {
    EXPECT_NE(refused(Json{{"type", "object"}, {keyword, 1}}), "") << keyword;
  }
  EXPECT_NE(refused(Json{{"type", "string"}, {"maxLength", 101}}), "");
  EXPECT_NE(refused(Json{{"type", "array"}, {"maxItems", 1001}}), "");
  EXPECT_NE(refused(Json{{"enum", {1}}, {"minLength", 1}}), "");
}

TEST(Chat, WritesJsonWhereItMust) {
  Serving serving;
  json body = {{"messages", Messages({{"user", "Give me JSON"}})},
               {"max_tokens", 300},
               {"temperature", 1},
               {"seed", 3},
               {"response_format",
                {{"type", "json_schema"},
                 {"json_schema",
                  {{"name", "point"},
                   {"schema",
                    {{"type", "object"},
                     {"properties", {{"x", {{"type", "integer"}}}, {"big", {{"type", "boolean"}}}}},
                     {"required", {"x", "big"}},
                     {"additionalProperties", false}}}}}}}};
  const json choice = serving.Post("/v1/chat/completions", body).json()["choices"][0];
  ASSERT_EQ(choice["finish_reason"], "stop") << choice;
  const json point = json::parse(choice["message"]["content"].get<std::string>());
  EXPECT_TRUE(point["x"].is_number_integer());
  EXPECT_TRUE(point["big"].is_boolean());
  EXPECT_EQ(point.size(), 2u);
}

}  // namespace
}  // namespace weir
