#include "model/chat/tool_call_parser.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

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

TEST(ToolCallParser, LosesNothingOfRandomText) {
  const std::string_view parts[] = {"<tool_call>", "</tool_call>", "<function=", "<parameter=", ">", "</parameter>",
                                    "</function>", "{\"name\":", "\"a\"", "}", "[TOOL_CALLS]", "[ARGS]", " ", "\n", "x"};
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 2000; ++round) {
    std::string answer;
    for (int n = random() % 12; n > 0; --n) answer += parts[random() % std::size(parts)];
    const std::string shown = Parse(answer, 1 + random() % 9);
    EXPECT_TRUE(!shown.ends_with('|') || shown == answer + "|") << answer;
  }
}

}  // namespace
}  // namespace weir
