#include "model/chat/tool_call_parser.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "model/chat/chat_template.h"
#include "test_data.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

Json Tools() {
  return Json::parse(R"([{"type":"function","function":{"name":"weather","parameters":{"type":"object",
      "properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}}])");
}

/// "content|name(arguments)..", with the answer in one piece.
std::string Show(const ToolPiece& piece) {
  std::string text = piece.content + "|";
  for (const ToolCall& call : piece.calls) text += call.name + "(" + call.arguments + ")";
  return text;
}

std::string Parse(std::string_view answer, size_t piece_bytes = 1000) {
  ToolCallParser parser(Tools());
  ToolPiece all;
  const auto add = [&all](ToolPiece piece) {
    all.content += piece.content;
    all.calls.insert(all.calls.end(), piece.calls.begin(), piece.calls.end());
  };
  for (size_t at = 0; at < answer.size(); at += piece_bytes) add(parser.Push(answer.substr(at, piece_bytes)));
  add(parser.Flush());
  return Show(all);
}

const std::pair<const char*, const char*> kCases[] = {
    {"Hello.", "Hello.|"},
    {"Hello \n", "Hello \n|"},
    {"1 < 2 <tool", "1 < 2 <tool|"},
    {"I look.\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bonn\"}}\n</tool_call>",
     "I look.|weather({\"city\":\"Bonn\"})"},
    {"<tool_call>{\"name\":\"a\",\"arguments\":\"{\\\"x\\\":1}\"}</tool_call>\n<tool_call>{\"name\":\"b\"}</tool_call>",
     "|a({\"x\":1})b({})"},
    {"<tool_call>\n<function=weather>\n<parameter=city>\n12\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
     "</function>\n</tool_call>",
     "|weather({\"city\":\"12\",\"days\":3})"},
    {"<tool_call>\n<function=f>\n<parameter=code>\nif a < b:\n  print(\"x\")\n</parameter>\n<parameter=list>\n[1, 2]\n"
     "</parameter>\n</function>\n</tool_call>",
     "|f({\"code\":\"if a < b:\\n  print(\\\"x\\\")\",\"list\":[1,2]})"},
    {"<tool_call>\n<function=f>\n</function>\n</tool_call> done\n", " done|f({})"},
    {"<tool_call>{\"name\":\"a\"}</tool_call>\n", "|a({})"},
    {"<tool_call>nonsense</tool_call>", "<tool_call>nonsense</tool_call>|"},
    {"<tool_call><tool_call>{\"name\":\"a\"}</tool_call>", "<tool_call>|a({})"},
    {"<tool_call>{\"name\":\"a\",\"arguments\":[1]}</tool_call>", "<tool_call>{\"name\":\"a\",\"arguments\":[1]}</tool_call>|"},
    {"<tool_call>{\"name\":\"weather\",\"arguments\":{}}", "|weather({})"},  // cut at the end of the turn
    {"<tool_call>{\"name\":\"wea", "<tool_call>{\"name\":\"wea|"},
    {"{\"name\": \"weather\", \"parameters\": {\"city\": \"Bonn\"}}", "|weather({\"city\":\"Bonn\"})"},
    {"<|python_tag|>{\"name\": \"weather\", \"parameters\": {}}", "|weather({})"},
    {"{\"name\": \"Anna\", \"age\": 3}", "{\"name\": \"Anna\", \"age\": 3}|"},
    {"[TOOL_CALLS][{\"name\":\"a\",\"arguments\":{}},{\"name\":\"b\",\"arguments\":{\"x\":[]}}]", "|a({})b({\"x\":[]})"},
    {"[TOOL_CALLS]a[ARGS]{\"x\":1}[TOOL_CALLS]b[ARGS]{}", "|a({\"x\":1})b({})"},
    {"[TOOL_CALLS]a[ARGS]", "[TOOL_CALLS]a[ARGS]|"},
    {"[1, 2]", "[1, 2]|"},
    // GLM
    {"Let me see.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>12</arg_value>\n<arg_key>days</arg_key>\n"
     "<arg_value>3</arg_value>\n</tool_call>",
     "Let me see.|weather({\"city\":\"12\",\"days\":3})"},
    {"<tool_call>f<arg_key>a</arg_key><arg_value>[1, {\"b\": \"c\"}]</arg_value><arg_key>t</arg_key>"
     "<arg_value> x\ny </arg_value></tool_call><tool_call>weather</tool_call>",
     "|f({\"a\":[1,{\"b\":\"c\"}],\"t\":\" x\\ny \"})weather({})"},
    {"<tool_call>time</tool_call>", "<tool_call>time</tool_call>|"},  // no such tool: it could be any word
    {"<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>",  // cut: more may have come
     "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>|"},
    {"<tool_call>weather", "<tool_call>weather|"},
    {"<tool_call>f<arg_key>a</arg_key></tool_call>", "<tool_call>f<arg_key>a</arg_key></tool_call>|"},
    {"<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value>b</tool_call>",
     "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value>b</tool_call>|"},
    {"<tool_call>two words<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
     "<tool_call>two words<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>|"},
    // Gemma 4
    {"Sure.<|tool_call>call:weather{city:<|\"|>Bonn, \"{old}\" [town]: x<|\"|>,days:3}<tool_call|>",
     "Sure.|weather({\"city\":\"Bonn, \\\"{old}\\\" [town]: x\",\"days\":3})"},
    {"<|tool_call>call:f{a:[1.5,true,<|\"|>b<|\"|>],o:{k:null,<|\"|>l m<|\"|>:None}}<tool_call|>"
     "<|tool_call>call:g{}<tool_call|>",
     "|f({\"a\":[1.5,true,\"b\"],\"o\":{\"k\":null,\"l m\":null}})g({})"},
    {"<|tool_call>call:g{}", "|g({})"},  // cut behind its end
    {"<|tool_call>call:f{a:<|\"|>b<tool_call|>", "<|tool_call>call:f{a:<|\"|>b<tool_call|>|"},
    {"<|tool_call>call:f{a:{b:1}", "<|tool_call>call:f{a:{b:1}|"},
    {"<|tool_call>call:f{a:two words}<tool_call|>", "<|tool_call>call:f{a:two words}<tool_call|>|"},
    {"<|tool_call>call:f{\"a\":1}<tool_call|>", "<|tool_call>call:f{\"a\":1}<tool_call|>|"},
    {"<|tool_call>call:{}<tool_call|>", "<|tool_call>call:{}<tool_call|>|"},
    {"<|tool_call>call:f[1]<tool_call|>", "<|tool_call>call:f[1]<tool_call|>|"},
    {"<|tool_call>{\"name\":\"a\"}<tool_call|>", "<|tool_call>{\"name\":\"a\"}<tool_call|>|"},
    // FunctionGemma
    {"<start_function_call>call:weather{city:<escape>Bonn<escape>,days:3}<end_function_call>",
     "|weather({\"city\":\"Bonn\",\"days\":3})"},
    {"<start_function_call>call:weather{city:<|\"|>Bonn<|\"|>}<end_function_call>",
     "<start_function_call>call:weather{city:<|\"|>Bonn<|\"|>}<end_function_call>|"},
    // Granite
    {"<|tool_call|>[{\"name\": \"a\", \"arguments\": {\"x\": 1}}, {\"name\": \"b\", \"arguments\": {}}]\n",
     "|a({\"x\":1})b({})"},
    {"I look.\n<|tool_call|> [{\"name\": \"a\"}]", "I look.|a({})"},
    {"<tool_call>[{\"name\": \"a\"}]", "|a({})"},
    {"<tool_call>[{\"name\": \"a\"},{\"name\": \"b\"}]</tool_call>.", ".|a({})b({})"},
    {"<|tool_call|>[{\"name\": \"a\"}, {\"name\":", "<|tool_call|>[{\"name\": \"a\"}, {\"name\":|"},
    {"<|tool_call|>[{\"name\": \"a\"}, 1]", "<|tool_call|>[{\"name\": \"a\"}, 1]|"},
    {"<|tool_call|>[]", "<|tool_call|>[]|"},
    {"1 <|tool_call", "1 <|tool_call|"},
};

TEST(ToolCallParser, ReadsTheNotationsOfTemplates) {
  for (const auto& [answer, expected] : kCases) EXPECT_EQ(Parse(answer), expected) << answer;
}

TEST(ToolCallParser, DoesNotDependOnHowTheTextIsCut) {
  for (const auto& [answer, expected] : kCases) {
    const std::string whole = Parse(answer);
    for (size_t piece_bytes : {1, 2, 3, 5, 7}) EXPECT_EQ(Parse(answer, piece_bytes), whole) << answer;
  }
}

TEST(ToolCallParser, TextIsShownAsSoonAsItIsCertain) {
  ToolCallParser parser(Tools());
  EXPECT_EQ(Show(parser.Push("I will look")), "I will look|");
  EXPECT_EQ(Show(parser.Push(" it up. ")), " it up.|");
  EXPECT_EQ(Show(parser.Push("<to")), "|");
  EXPECT_EQ(Show(parser.Push("p>")), " <top>|");
  EXPECT_EQ(Show(parser.Push("<tool_call>{\"name\":\"a\"}</tool_call>")), "|a({})");
}

TEST(ToolCallParser, WithoutToolsJsonIsAnAnswer) {
  ToolCallParser parser(Json::array());
  EXPECT_EQ(Show(parser.Push("{\"a\":")), "{\"a\":|");
}

// What a template writes of an earlier call is what its model has learned to write.
TEST(ToolCallParser, CallsAreReadAsKnownTemplatesWriteThem) {
  const std::string folder = SharedData("golden/chat/templates/");
  WEIR_SKIP_WITHOUT(folder + "GLM-4.6.jinja");
  const Json arguments = Json::parse(R"({"city": "Bonn, \"{old}\"\n<b>", "days": 3, "list": [1.5, "a", {"k": true}]})");
  const Json call = {{"type", "function"}, {"function", {{"name", "weather"}, {"arguments", arguments}}}};
  const Json messages = {{{"role", "user"}, {"content", "Weather?"}},
                         {{"role", "assistant"}, {"content", "I look."}, {"tool_calls", Json::array({call})}}};
  for (const char* file : {"GLM-4.6", "google-gemma-4-31B-it", "Qwen3.5-4B", "Qwen3-Coder", "Qwen-Qwen3-0.6B",
                           "Qwen-Qwen2.5-7B-Instruct"}) {
    const auto known = ChatTemplate::Parse(ReadText(folder + file + ".jinja"), file);
    ASSERT_TRUE(known.ok()) << known.error().message;
    const auto text = known->Render({{"messages", messages}, {"tools", Tools()}}, {});
    ASSERT_TRUE(text.ok()) << text.error().message;
    std::string answer;
    for (const TextSegment& segment : *text) answer += segment.text;
    ToolCallParser parser(Tools());
    const ToolPiece piece = parser.Push(answer.substr(answer.find("Weather?")));
    ASSERT_EQ(piece.calls.size(), 1u) << file << "\n" << answer;
    EXPECT_EQ(piece.calls[0].name, "weather") << file;
    EXPECT_EQ(Json::parse(piece.calls[0].arguments), arguments) << file;
  }
}

TEST(ToolCallParser, WhatIsNestedTooDeeplyIsText) {
  const std::string open(100'000, '['), close(100'000, ']');
  const std::pair<std::string, std::string> around[] = {
      {"<tool_call>{\"name\":\"a\",\"arguments\":{\"x\":", "}}</tool_call>"},
      {"<|tool_call>call:a{x:", "}<tool_call|>"}};
  for (const auto& [before, behind] : around) {
    EXPECT_EQ(Parse(before + "[[1]]" + behind), "|a({\"x\":[[1]]})");
    const std::string answer = before + open + close + behind;
    EXPECT_EQ(Parse(answer, answer.size()), answer + "|") << before;
  }
}

TEST(ToolCallParser, WhatNeverEndsIsTextAndNotKept) {
  for (const std::string tag : {"<tool_call>", "<|tool_call>", "<|tool_call|>"}) {
    ToolCallParser parser(Tools());
    EXPECT_EQ(parser.Push(tag + std::string(1000, 'x')).content, "");
    const std::string shown = parser.Push(std::string(2 << 20, 'x')).content;
    EXPECT_EQ(shown.size(), tag.size() + 1000 + (2 << 20)) << tag;
  }
}

TEST(ToolCallParser, ControlTokensOfEveryNotationArePushed) {
  for (const char* tag : {"<tool_call>", "</tool_call>", "<arg_key>", "</arg_value>", "<|tool_call>", "<tool_call|>",
                          "<|\"|>", "<start_function_call>", "<escape>", "<|tool_call|>", "[ARGS]"}) {
    EXPECT_TRUE(ToolCallParser::IsTagText(tag)) << tag;
  }
  EXPECT_FALSE(ToolCallParser::IsTagText(""));
  EXPECT_FALSE(ToolCallParser::IsTagText("<|im_end|>"));
}

TEST(ToolCallParser, LosesNothingOfRandomText) {
  const std::string_view parts[] = {
      "<tool_call>", "</tool_call>", "<function=", "<parameter=", ">", "</parameter>", "</function>", "{\"name\":",
      "\"a\"", "}", "[TOOL_CALLS]", "[ARGS]", " ", "\n", "x", "<|tool_call>", "<tool_call|>", "call:", "a", "{",
      "<|\"|>", ":", ",", "<start_function_call>", "<escape>", "<end_function_call>", "<arg_key>", "</arg_key>",
      "<arg_value>", "</arg_value>", "<|tool_call|>"};
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 5000; ++round) {
    std::string answer;
    for (int n = random() % 16; n > 0; --n) answer += parts[random() % std::size(parts)];
    const std::string shown = Parse(answer, 1 + random() % 9);
    EXPECT_TRUE(!shown.ends_with('|') || shown == answer + "|") << answer;
  }
}

}  // namespace
}  // namespace weir
