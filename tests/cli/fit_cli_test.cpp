// weir fit and weir audit as users and scripts meet them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>

#include "weir_process.h"

namespace weir {
namespace {

using testing::HasSubstr;
using nlohmann::ordered_json;

ordered_json Fit(const std::string& arguments) {
  const Outcome outcome = Weir("fit " + arguments + " --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return ordered_json::parse(outcome.out);
}

TEST(FitCli, JsonHasThePromisedKeysAndTheAnswerOfTheArticle) {
  const ordered_json json = Fit("Qwen3.5-27B Q8_0 --machine mac-mini-m4-pro-64gb");
  EXPECT_EQ(json["fits"], true);
  EXPECT_EQ(json["comfort"], "comfortable");
  const int64_t parts = json["weights_bytes"].get<int64_t>() + json["kv_bytes"].get<int64_t>() +
                        json["state_bytes"].get<int64_t>() + json["workspace_bytes"].get<int64_t>() +
                        json["runtime_bytes"].get<int64_t>();
  EXPECT_EQ(json["total_bytes"], parts);
  EXPECT_EQ(json["headroom_bytes"], json["machine"]["available_bytes"].get<int64_t>() - parts);
  EXPECT_LT(json["predicted_tok_s"]["low"], json["predicted_tok_s"]["high"]);
  EXPECT_LT(json["predicted_ttft_ms"]["low"], json["predicted_ttft_ms"]["high"]);
  EXPECT_EQ(json["machine"]["sources"]["bandwidth_gb_s"], "Apple, Mac mini technical specifications, 2024-10");
}

TEST(FitCli, NoIsAnAnswer) {
  const ordered_json json = Fit("qwen3.5-27b Q8_0 --machine rtx-5060-ti-16gb");
  EXPECT_EQ(json["fits"], false);
  EXPECT_EQ(json["comfort"], "no");
  EXPECT_LT(json["headroom_bytes"].get<int64_t>(), 0);
  EXPECT_EQ(json["most_users"], 0);
  const Outcome text = Weir("fit qwen3.5-27b Q8_0 --machine rtx-5060-ti-16gb");
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.out, HasSubstr("does not fit"));
  EXPECT_THAT(text.out, HasSubstr("too much"));
}

TEST(FitCli, ThereIsNoSpeedWithAContextThatDoesNotFit) {
  const ordered_json json = Fit("qwen3.5-27b Q5_K_M --machine rtx-3090-24gb");
  const ordered_json &first = json["predictions"].front(), &last = json["predictions"].back();
  EXPECT_GT(first["predicted_tok_s"]["low"], 0);
  ASSERT_LT(json["longest_context"].back()["context_tokens"], json["depth_tokens"]);
  for (const char* figure : {"predicted_tok_s", "limit_tok_s", "predicted_ttft_ms"}) {
    EXPECT_TRUE(last[figure].is_null()) << figure;
  }
}

TEST(FitCli, RowsOfThisMachineNarrowTheRange) {
  const TempFolder folder;
  const std::string db = " --db " + (folder / "rows.db");
  const std::string tiny = TestData("weir-tiny-q8_0.gguf");
  ASSERT_EQ(Weir("bench " + tiny + " --users 1,2 --prompt-tokens 16 --gen-tokens 17 --probe-mb 16" + db).exit_code, 0);
  const ordered_json json = Fit(tiny + " --depth 20" + db);
  EXPECT_EQ(json["machine"]["name"], "this machine");
  const double width = json["predicted_tok_s"]["high"].get<double>() / json["predicted_tok_s"]["low"].get<double>();
  // Two rows may disagree too much to teach anything: then it says so and names the row of this very cell.
  if (json["predictions"][0]["basis"] == "rows") {
    EXPECT_LE(width, 1.5);
    EXPECT_FALSE(json["predictions"][0]["cells"].empty());
  } else {
    EXPECT_NEAR(width, 2.5, 1e-6);
    EXPECT_THAT(json["notes"][0].get<std::string>(), HasSubstr("has what this model reached with 1 user"));
  }
}

TEST(FitCli, WrongNamesAreAnsweredWithWhatThereIs) {
  const Outcome machine = Weir("fit qwen3.5-9b Q8_0 --machine mac");
  EXPECT_EQ(machine.exit_code, 2);
  EXPECT_THAT(machine.err, HasSubstr("mac-mini-m4-pro-64gb"));
  const Outcome model = Weir("fit gpt-9 Q8_0 --machine rtx-5090-32gb");
  EXPECT_EQ(model.exit_code, 2);
  EXPECT_THAT(model.err, HasSubstr("qwen3.5-27b"));
  const Outcome depth = Weir("fit qwen3.5-9b Q8_0 --machine rtx-5090-32gb --depth 9999999");
  EXPECT_EQ(depth.exit_code, 2);
  EXPECT_THAT(depth.err, HasSubstr("has 262144 tokens of context at most"));
  EXPECT_EQ(Weir("fit").exit_code, 2);
  EXPECT_THAT(Weir("fit qwen3.5-9b Q8_0 --db /nowhere.db").err, HasSubstr("there is none yet"));
  EXPECT_THAT(Weir("verdict --db /nowhere.db").err, HasSubstr("there is none yet"));
  EXPECT_THAT(Weir("compare --help").out, HasSubstr("A B...\n"));
  EXPECT_THAT(Weir("mcp --help").out, HasSubstr("compare"));
  const TempFolder folder;
  std::ofstream(folder / "torn.toml") << "title = \"A ca";
  const Outcome torn = Weir("fit --list --machines " + (folder / ""));
  EXPECT_THAT(torn.out, HasSubstr("dgx-spark-128gb"));
  EXPECT_THAT(torn.err, HasSubstr("left out: "));
  EXPECT_THAT(Weir("fit --list").out, HasSubstr("dgx-spark-128gb"));
}

TEST(AuditCli, TheArticle) {
  const Outcome json = Weir("audit " + ArticleData("mac-mini-m4-pro.toml") + " --json");
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const auto document = ordered_json::parse(json.out);
  EXPECT_EQ(document["rows"][4]["verdict"], "exceeds_claim");
  EXPECT_EQ(document["rows"][0]["flags"][0], "peak_without_median");
  EXPECT_EQ(document["ratios"][0]["supported"], true);
  EXPECT_EQ(document["ratios"][1]["supported"], false);
  EXPECT_THAT(Weir("audit " + ArticleData("mac-mini-m4-pro.toml")).out, HasSubstr("UNSUPPORTED"));
  EXPECT_EQ(Weir("audit /nowhere.toml").exit_code, 2);
}

#ifndef __SANITIZE_ADDRESS__  // which needs memory of its own
struct Configuration {
  const char* model;
  int users, prompt_tokens;
};

class FitMemory : public testing::TestWithParam<Configuration> {};

// The kernel's own word on the most memory that the process held, against the prediction.
TEST_P(FitMemory, PeakIsAsPredicted) {
  const auto& [model, users, prompt_tokens] = GetParam();
  const TempFolder folder;
  const Outcome bench = Weir(fmt::format(
      "bench {} --users {} --prompt-tokens {} --gen-tokens 20 --requests 1 --repeats 1 --probe-mb 16 --json --db {}",
      model, users, prompt_tokens, folder / "rows.db"));
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const auto peak = ordered_json::parse(bench.out)["cells"][0]["peak_memory_bytes"];
  if (peak.is_null()) GTEST_SKIP() << "this kernel does not let a process reset its peak";
  const ordered_json fit = Fit(fmt::format("{} --users {} --ctx {} --machine epyc-9554-ddr5-384gb", model, users,
                                           prompt_tokens + 20));
  EXPECT_NEAR(peak.get<double>() / fit["total_bytes"].get<double>(), 1, 0.03)
      << "peak " << peak << ", predicted " << fit["total_bytes"];
}

INSTANTIATE_TEST_SUITE_P(FiveConfigurations, FitMemory,
                         testing::Values(Configuration{"synth:qwen3.5-0.8b:Q4_K_M", 1, 64},
                                         Configuration{"synth:qwen3.5-0.8b:Q8_0", 8, 64},
                                         Configuration{"synth:qwen3.5-0.8b:UD-IQ2_XXS", 32, 32},
                                         Configuration{"synth:qwen3-0.6b:Q8_0", 2, 512},
                                         Configuration{"synth:llama-3.2-1b:Q4_K_M", 1, 256}));
#endif

}  // namespace
}  // namespace weir
