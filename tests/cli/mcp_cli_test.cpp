// weir mcp: what it answers to whom, and to what no client should send.
#include <gmock/gmock.h>

#include <fstream>

#include "weir_process.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

/// The answers to these lines, one JSON document each: anything else on stdout would not parse.
std::vector<ordered_json> Talk(const std::string& lines, const std::string& flags = "") {
  const TempFolder folder;
  std::ofstream(folder / "lines", std::ios::binary) << lines;
  const std::string command = "XDG_DATA_HOME=" + (folder / "data") + " " WEIR_BINARY " mcp " +
                              flags + " <" + (folder / "lines") + " >" + (folder / "answers") +
                              " 2>" + (folder / "errors");
  EXPECT_EQ(std::system(command.c_str()), 0) << ReadText(folder / "errors");
  std::vector<ordered_json> answers;
  std::istringstream text(ReadText(folder / "answers"));
  for (std::string line; std::getline(text, line);) answers.push_back(ordered_json::parse(line));
  return answers;
}

std::string Call(int id, const std::string& tool, const ordered_json& arguments) {
  return ordered_json{{"jsonrpc", "2.0"},
                      {"id", id},
                      {"method", "tools/call"},
                      {"params", {{"name", tool}, {"arguments", arguments}}}}
             .dump() +
         "\n";
}

TEST(McpCli, GreetsAndListsItsTools) {
  const auto answers = Talk(
      R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}})"
      "\n"
      R"({"jsonrpc":"2.0","method":"notifications/initialized"})"
      "\n"
      R"({"jsonrpc":"2.0","id":"a","method":"ping"})"
      "\n\n"
      R"({"jsonrpc":"2.0","id":2,"method":"tools/list"})"
      "\n");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["result"]["protocolVersion"], "2025-06-18");
  EXPECT_EQ(answers[1],
            (ordered_json{{"jsonrpc", "2.0"}, {"id", "a"}, {"result", ordered_json::object()}}));
  std::vector<std::string> names;
  for (const auto& tool : answers[2]["result"]["tools"]) names.push_back(tool["name"]);
  EXPECT_THAT(names, testing::ElementsAre("query_rows", "fit", "verdict", "compare", "audit", "machines"));
}

TEST(McpCli, HostileLinesAreAnsweredByErrors) {
  const struct {
    std::string line;
    int code;
  } cases[] = {
      {"not json", -32700},
      {"{\"jsonrpc\":\"2.0\",\"id\":1", -32700},
      {"\"\xff\xfe\"", -32700},
      {std::string(1000, '[') + std::string(1000, ']'), -32700},
      {"[]", -32600},
      {"3", -32600},
      {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600},
      {R"({"jsonrpc":"1.0","id":1,"method":"ping"})", -32600},
      {R"({"jsonrpc":"2.0","id":null,"method":"ping"})", -32600},
      {R"({"jsonrpc":"2.0","id":{"a":1},"method":"ping"})", -32600},
      {R"({"jsonrpc":"2.0","id":1,"method":7})", -32600},
      {R"({"jsonrpc":"2.0","id":1})", -32600},
      {R"({"jsonrpc":"2.0","id":1,"method":"resources/list"})", -32601},
      {R"({"jsonrpc":"2.0","id":1,"method":"tools/call"})", -32602},
      {R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1]})", -32602},
      {R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"rm"}})", -32602},
      {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" + std::string(3 << 20, 'x') + "\"}", -32600},
  };
  std::string lines;
  for (const auto& hostile : cases) lines += hostile.line + "\n";
  lines += R"({"jsonrpc":"2.0","id":9,"method":"ping"})"
           "\n";                                            // it is still there
  lines += R"({"jsonrpc":"2.0","id":10,"method":"ping"})";  // not ended: no message
  const auto answers = Talk(lines);
  ASSERT_EQ(answers.size(), std::size(cases) + 1);
  for (size_t i = 0; i < std::size(cases); ++i) {
    EXPECT_EQ(answers[i]["error"]["code"], cases[i].code)
        << cases[i].line.substr(0, 80) << " " << answers[i];
  }
  EXPECT_EQ(answers.back()["id"], 9);
  EXPECT_TRUE(Talk(R"({"jsonrpc":"2.0","method":"no/such"})"
                   "\n"
                   R"({"jsonrpc":"2.0","id":1,"result":{}})"
                   "\n")
                  .empty());
}

TEST(McpCli, RowsAreReadAndNothingElse) {
  const std::string db = "--db " + TestData("results-v2.db");
  const char* forbidden[] = {
      "DELETE FROM cell",
      "ATTACH '/etc/passwd' AS x",
      "PRAGMA query_only = OFF",
      "PRAGMA table_info(cell)",
      "SELECT load_extension('x')",
      "CREATE TEMP TABLE t (a)",
      "INSERT INTO flag VALUES (1, 'a', 'b')",
      "VACUUM INTO '/tmp/copy'",
      "SELECT",
      "",
      "SELECT randomblob(100000000)",
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"};
  std::string lines;
  for (const char* sql : forbidden) lines += Call(1, "query_rows", {{"sql", sql}});
  lines += Call(1, "query_rows", {{"sql", "SELECT hex(zeroblob(600000)), 1"}});
  lines += Call(2, "query_rows", {{"sql", "SELECT type, name FROM sqlite_schema"}, {"limit", 1}});
  lines += Call(3, "query_rows",
                {{"sql", "SELECT figure, median FROM summary WHERE figure = 'decode_tok_s'"}});
  const auto answers = Talk(lines, db);
  ASSERT_EQ(answers.size(), std::size(forbidden) + 3);
  for (size_t i = 0; i < std::size(forbidden); ++i)
    EXPECT_EQ(answers[i]["result"]["isError"], true) << forbidden[i] << answers[i];
  const auto& large = answers[std::size(forbidden)]["result"]["structuredContent"];
  EXPECT_TRUE(large["rows"].empty());
  EXPECT_EQ(large["truncated"], true);
  const auto& rows = answers[std::size(forbidden) + 1]["result"];
  EXPECT_EQ(rows["isError"], false);
  EXPECT_EQ(rows["structuredContent"]["columns"], ordered_json::array({"type", "name"}));
  EXPECT_EQ(rows["structuredContent"]["rows"].size(), 1u);
  EXPECT_EQ(rows["structuredContent"]["truncated"], true);
  EXPECT_EQ(ordered_json::parse(rows["content"][0]["text"].get<std::string>()),
            rows["structuredContent"]);
  EXPECT_GT(answers.back()["result"]["structuredContent"]["rows"][0][1].get<double>(), 0);
}

TEST(McpCli, WrongArgumentsAreNamed) {
  const auto answers =
      Talk(Call(1, "verdict", {{"users", 0}}) + Call(2, "verdict", {{"model_at_least", "nine b"}}) +
           Call(3, "verdict", {{"colour", "red"}}) + Call(4, "fit", {{"model", 7}}) +
           Call(5, "machines", ordered_json::array()) +
           Call(6, "fit", {{"model", "no-such-model"}, {"quant", "Q8_0"}}) +
           Call(7, "verdict", {{"users", 1e300}}) + Call(8, "query_rows", {{"sql", "SELECT 1"}}) +
           Call(9, "audit", {{"csv", "machine,colour"}}) + Call(10, "compare", {{"base", 0}, {"other", 1}}) +
           Call(11, "compare", {{"base", 1}, {"other", 2}, {"figure", "colour"}}) +
           Call(12, "compare", {{"base", 1}, {"other", 2}, {"across_quants", "yes"}}));
  const char* expected[] = {"users",         "model_at_least", "colour",     "model",  "object", "no-such-model",
                            "users",         "weir bench",     "colour",     "base",   "figure", "across_quants"};
  ASSERT_EQ(answers.size(), std::size(expected));
  for (size_t i = 0; i < std::size(expected); ++i) {
    EXPECT_EQ(answers[i]["result"]["isError"], true);
    EXPECT_THAT(answers[i]["result"]["content"][0]["text"].get<std::string>(),
                HasSubstr(expected[i]));
  }
}

}  // namespace
}  // namespace weir
