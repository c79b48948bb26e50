// weir template, as a script uses it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "weir_process.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

class TemplateCommand : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  Outcome Run(const std::string& source, const std::string& request, const std::string& flags = "") {
    return Weir("template " + Write("t.jinja", source) + " --request " + Write("r.json", request) + " " + flags);
  }
  TempFolder folder_;
};

TEST_F(TemplateCommand, PrintsTheText) {
  const std::string request = R"({"messages":[{"role":"user","content":"é <|x|>"}],"k":1})";
  const std::string source = "<|{{ messages[0].role }}|>{{ messages[0].content }}\n{{ k }}";
  EXPECT_EQ(Run(source, request).out, "<|user|>é <|x|>\n1");
  const Json document = Json::parse(Run(source, request, "--json").out);
  EXPECT_EQ(document, (Json{{"text", "<|user|>é <|x|>\n1"}}));
  const Json segments = Json::parse(Run(source, request, "--segments").out)["segments"];
  EXPECT_EQ(segments[0], (Json{{"text", "<|user|>"}, {"origin", "template"}}));
  EXPECT_EQ(segments[1], (Json{{"text", "é <|x|>"}, {"origin", "data"}}));
}

TEST_F(TemplateCommand, TheDateCanBeFixed) {
  EXPECT_EQ(Run("{{ strftime_now('%d.%m.%y') }}", "{}", "--date 2026-11-22").out, "22.11.26");
  const Outcome wrong = Run("x", "{}", "--date 2026-02-30");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("--date: expected YYYY-MM-DD, found '2026-02-30'"));
}

TEST_F(TemplateCommand, ErrorsOfABatchStandInTheirPlaces) {
  const std::string source = Write("t.jinja", "{{ a + 'x' }}");
  const std::string batch = Write("b.json", R"([{"a":"1"},{"a":1},7,{"a":"2"}])");
  const Outcome outcome = Weir("template " + source + " --batch " + batch + " --json");
  EXPECT_EQ(outcome.exit_code, 0);
  const Json results = Json::parse(outcome.out);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_EQ(results[0], (Json{{"text", "1x"}}));
  EXPECT_THAT(results[1]["error"].get<std::string>(), HasSubstr("t.jinja:1:8: "));
  EXPECT_TRUE(results[2].contains("error"));
  EXPECT_EQ(results[3], (Json{{"text", "2x"}}));
}

TEST_F(TemplateCommand, SaysWhatIsWrong) {
  const Outcome failed = Run("\n {{ x.y }}", "{}");
  EXPECT_EQ(failed.exit_code, 2);
  EXPECT_THAT(failed.err, HasSubstr("t.jinja:2:6: 'x' is undefined"));
  EXPECT_EQ(failed.out, "");
  EXPECT_THAT(Run("x", "{\"a\":").err, HasSubstr("r.json: not JSON: "));
  EXPECT_THAT(Run("x", "{\"a\":\"\xff\"}").err, HasSubstr("r.json: not JSON: "));
  EXPECT_THAT(Run("x", "[]").err, HasSubstr("must be a JSON object"));
  EXPECT_THAT(Run("x", std::string(100000, '[')).err, HasSubstr("nested more than"));
  EXPECT_EQ(Weir("template " + Write("t.jinja", "x")).exit_code, 2);
  const Outcome synthetic = Weir("template synth:qwen3.5-0.8b:Q8_0 --request " + Write("r.json", "{}"));
  EXPECT_EQ(synthetic.exit_code, 2);
  EXPECT_THAT(synthetic.err, HasSubstr("the model has no chat template"));
}

}  // namespace
}  // namespace weir
