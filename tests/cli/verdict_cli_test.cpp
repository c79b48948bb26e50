// weir verdict as users and scripts meet it.
#include <gmock/gmock.h>

#include "weir_process.h"

namespace weir {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

constexpr const char* kNeed =
    "verdict --users 4 --min-tps 10 --max-ttft 2s --model-at-least 9b --budget 1500 --kwh 0.30";

TEST(VerdictCli, WithoutRowsItNamesTheRunThatWouldGiveThem) {
  const Outcome outcome = Weir(std::string(kNeed) + " --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = ordered_json::parse(outcome.out);
  bool wanted = false;
  for (const auto& sentence : json["sentences"]) {
    if (sentence["rule"] != "speed") continue;
    EXPECT_EQ(sentence["side"], "open");
    EXPECT_THAT(sentence["text"].get<std::string>(), HasSubstr("Not enough evidence"));
    EXPECT_THAT(sentence["wanted"].get<std::string>(), HasSubstr("weir bench synth:"));
    wanted = true;
  }
  EXPECT_TRUE(wanted);
  EXPECT_EQ(json["need"]["max_ttft_ms"], 2000);
  EXPECT_EQ(json["need"]["least_params"], 9e9);
  for (const auto& offer : json["elsewhere"]) {
    EXPECT_TRUE(offer["price_usd"].is_null() || offer["price_usd"] <= 1500) << offer;
    EXPECT_EQ(offer["speed"]["basis"], "estimated");
  }
}

TEST(VerdictCli, TextSaysWhatTurnsEachSentence) {
  const Outcome outcome =
      Weir("verdict --machine mac-mini-m4-pro-64gb --users 2 --model-at-least 27b");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("Verdict on Mac mini M4 Pro, 64 GB"));
  EXPECT_THAT(outcome.out, HasSubstr("Right choice if 2 users"));
  EXPECT_THAT(outcome.out, HasSubstr("flips above"));
  EXPECT_THAT(outcome.out, HasSubstr("(estimated)"));
  EXPECT_THAT(outcome.out, HasSubstr("rule memory"));
}

TEST(VerdictCli, RowsOfTheCellComeFirst) {
  const TempFolder folder;
  const std::string db = " --db " + (folder / "rows.db");
  const std::string tiny = TestData("weir-tiny-q8_0.gguf");
  ASSERT_EQ(
      Weir("bench " + tiny + " --users 1,2 --prompt-tokens 16 --gen-tokens 20 --probe-mb 16" + db)
          .exit_code,
      0);
  // Cells are measured in a random order.
  const auto ids = ordered_json::parse(
      Weir("sql --json 'SELECT id FROM cell WHERE users = 2'" + db).out)["rows"][0];
  const Outcome outcome = Weir("verdict --users 2 --ctx 128 --prompt 16 --json" + db);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = ordered_json::parse(outcome.out);
  bool seen = false;
  for (const auto& offer : json["here"]) {
    if (offer["model"] != tiny) continue;
    seen = true;
    EXPECT_EQ(offer["speed"]["basis"], "measured");
    EXPECT_EQ(offer["speed"]["cells"], ids);
    const double median = offer["speed"]["median_tok_s_each"];
    EXPECT_LE(offer["speed"]["tok_s_each"]["low"], median);
    EXPECT_GE(offer["speed"]["tok_s_each"]["high"], median);
    EXPECT_EQ(offer["quality"], nullptr) << "nothing was measured of it";
  }
  EXPECT_TRUE(seen);
  const auto users = std::find_if(json["sentences"].begin(), json["sentences"].end(),
                                  [](const auto& sentence) { return sentence["rule"] == "users"; });
  ASSERT_NE(users, json["sentences"].end());
  EXPECT_EQ((*users)["evidence"]["cells"], ids);
}

TEST(VerdictCli, NeedsThatNobodyHasAreWrongUsage) {
  for (const char* wrong :
       {"--users 0", "--users -1", "--users two", "--model-at-least 'nine b'", "--model-at-least 9",
        "--max-ttft 2", "--max-ttft soon", "--min-tps 0", "--min-tps nan", "--budget -5", "--kwh x",
        "--years 0", "--prompt 9000", "--machine nowhere", "--db /nowhere/rows.db"}) {
    const Outcome outcome = Weir(std::string("verdict ") + wrong);
    EXPECT_EQ(outcome.exit_code, 2) << wrong << ": " << outcome.out;
    EXPECT_FALSE(outcome.err.empty()) << wrong;
  }
}

TEST(VerdictCli, RulesAreListed) {
  const Outcome outcome = Weir("verdict --rules --json");
  ASSERT_EQ(outcome.exit_code, 0);
  const auto rules = ordered_json::parse(outcome.out);
  EXPECT_GE(rules.size(), 8u);
  for (const auto& rule : rules) EXPECT_FALSE(rule["flips"].get<std::string>().empty());
  EXPECT_THAT(Weir("verdict --rules").out, HasSubstr("tokens-per-watt-hour"));
}

}  // namespace
}  // namespace weir
