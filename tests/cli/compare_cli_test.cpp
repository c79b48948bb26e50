// weir compare as users and scripts meet it.
#include <gmock/gmock.h>

#include "weir_process.h"

namespace weir {
namespace {

using testing::HasSubstr;

TEST(CompareCli, TwoRunsOfOneDatabase) {
  const TempFolder folder;
  const std::string db = folder / "rows.db", tiny = TestData("weir-tiny-q8_0.gguf");
  const std::string bench = "bench " + tiny + " --prompt-tokens 16 --gen-tokens 17 --probe-mb 16 --repeats 2 --db " + db;
  ASSERT_EQ(Weir(bench + " --users 1,2").exit_code, 0);
  ASSERT_EQ(Weir(bench + " --users 1").exit_code, 0);
  const Outcome outcome = Weir("compare " + db + "#1 " + db + "#2 --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::ordered_json::parse(outcome.out)["comparisons"][0];
  ASSERT_EQ(json["cells"].size(), 1u);
  EXPECT_EQ(json["cells"][0]["outcome"], "unproven");
  EXPECT_NEAR(json["cells"][0]["ratio"], json["geometric_mean"], 1e-9);
  for (const auto& rate : json["cells"][0]["read_gb_s"]) EXPECT_GT(rate.get<double>(), 0);
  ASSERT_EQ(json["cells"][0]["flags"].size(), 2u);
  for (const auto& flags : json["cells"][0]["flags"]) EXPECT_THAT(flags.dump(), HasSubstr("probe_buffer_small"));
  ASSERT_EQ(json["left_out"].size(), 1u);
  EXPECT_EQ(json["left_out"][0]["users"], 2);
  EXPECT_THAT(outcome.err, HasSubstr("--repeats 5"));
  EXPECT_EQ(Weir("compare 1 2 --fail-if-slower 100% --db " + db).exit_code, 0);
  const Outcome text = Weir("compare 1 2 --db " + db);
  EXPECT_THAT(text.out, HasSubstr("left out"));
  EXPECT_THAT(text.out, HasSubstr("GB/s, flagged"));
}

TEST(CompareCli, AGateThatComparesNothingDoesNotPass) {
  const TempFolder folder;
  const std::string db = folder / "rows.db", tiny = TestData("weir-tiny-q8_0.gguf");
  const std::string bench = "bench " + tiny + " --gen-tokens 17 --probe-mb 16 --repeats 1 --users 1 --db " + db;
  ASSERT_EQ(Weir(bench + " --prompt-tokens 16").exit_code, 0);
  ASSERT_EQ(Weir(bench + " --prompt-tokens 32").exit_code, 0);
  const Outcome outcome = Weir("compare 1 2 --fail-if-slower 5% --db " + db);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(OneLine(outcome.out), HasSubstr("prompt=16 against prompt=32"));
}

TEST(CompareCli, WrongSidesAreNamed) {
  EXPECT_EQ(Weir("compare 1").exit_code, 2);
  EXPECT_EQ(Weir("compare '#x' 2").exit_code, 2);
  EXPECT_EQ(Weir("compare 1 2 --fail-if-slower much").exit_code, 2);
  EXPECT_EQ(Weir("compare /nowhere.db 2").exit_code, 2);
}

}  // namespace
}  // namespace weir
