#include "bench/suite.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "bench/estimate.h"
#include "temp_folder.h"

namespace weir {
namespace {

using testing::HasSubstr;

Result<Suite> Parse(const std::string& text) { return ParseSuite(text, "some.toml", {"q8_0", 3}); }

TEST(Suite, EveryCombinationIsACell) {
  const Result<Suite> suite = Parse(R"(
name = "mine"
repeats = 4
precision_percent = 2.5
timeout_s = 60
strict = true
[[cells]]
model = ["a.gguf", "b.gguf"]
users = [1, "4-6"]
gen_tokens = 16
[[cells]]
target = "http://localhost:1"
tokenizer = "a.gguf"
serves = "b.gguf"
rate = [0.5, 2]
depth_tokens = 100
natural = true
)");
  ASSERT_TRUE(suite.ok()) << suite.error().message;
  EXPECT_EQ(suite->name, "mine");
  EXPECT_EQ(suite->options.repeats, 4);
  EXPECT_EQ(suite->options.precision, 0.025);
  EXPECT_EQ(suite->options.timeout_ns, 60'000'000'000);
  EXPECT_TRUE(suite->options.strict);
  ASSERT_EQ(suite->cells.size(), 2u * 4 + 2);
  EXPECT_EQ(suite->cells[3].model, "a.gguf");
  EXPECT_EQ(suite->cells[3].kv, "q8_0") << "the default";
  EXPECT_EQ(suite->cells[3].threads, 3);
  EXPECT_EQ(suite->cells[3].load.users, 6);
  EXPECT_EQ(suite->cells[3].load.gen_tokens, 16);
  EXPECT_EQ(suite->cells[4].model, "b.gguf");
  EXPECT_EQ(suite->cells[9].target, "http://localhost:1");
  EXPECT_EQ(suite->cells[9].serves, "b.gguf");
  EXPECT_EQ(suite->cells[9].load.arrivals, Arrivals::kPoisson);
  EXPECT_EQ(suite->cells[9].load.rate, 2);
  EXPECT_EQ(suite->cells[9].load.depth_tokens, 100);
  EXPECT_FALSE(suite->cells[9].load.fixed_length);
  std::set<std::string> keys;
  for (const CellSpec& cell : suite->cells) EXPECT_TRUE(keys.insert(KeyOf(cell)).second) << KeyOf(cell);
}

TEST(Suite, RequestsComeAtRandomEvenlyOrTogetherAndUsersOneAfterTheOther) {
  const std::string cell = "[[cells]]\nmodel = \"a\"\n";
  const Result<Suite> suite = Parse(cell + "rate = 2\n" + cell + "rate = 2\narrivals = \"constant\"\n" +
                                    cell + "rate = [2, 3]\narrivals = \"burst\"\nburst = 4\n" + cell + "ramp_s = 1.5\n");
  ASSERT_TRUE(suite.ok()) << suite.error().message;
  ASSERT_EQ(suite->cells.size(), 5u);
  EXPECT_EQ(suite->cells[0].load.arrivals, Arrivals::kPoisson);
  EXPECT_EQ(suite->cells[1].load.arrivals, Arrivals::kConstant);
  EXPECT_EQ(suite->cells[3].load.arrivals, Arrivals::kBurst);
  EXPECT_EQ(suite->cells[3].load.burst, 4);
  EXPECT_EQ(suite->cells[3].load.rate, 3);
  EXPECT_EQ(suite->cells[4].load.arrivals, Arrivals::kClosed);
  EXPECT_EQ(suite->cells[4].load.ramp_s, 1.5);
}

std::string Traced(int prompt_tokens) {
  return fmt::format("{{\"at_s\":5,\"prompt_tokens\":{},\"gen_tokens\":2}}\n"
                     "{{\"at_s\":8,\"prompt_tokens\":3,\"gen_tokens\":4}}\n",
                     prompt_tokens);
}

TEST(Suite, ATraceIsLookedForBesideItsFileAndSaysHowLongRequestsAre) {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "moved");
  const auto parse = [](const std::string& file) {
    const std::string cell = "[[cells]]\nmodel = \"a\"\ntrace = \"t.jsonl\"\n";
    return ParseSuite(cell + cell + "users = [1, 2]\n", file, {});
  };
  std::ofstream(folder / "t.jsonl") << Traced(9);
  const Result<Suite> suite = parse(folder / "s.toml");
  ASSERT_TRUE(suite.ok()) << suite.error().message;
  ASSERT_EQ(suite->cells.size(), 3u);
  const Workload& load = suite->cells[0].load;
  EXPECT_EQ(load.arrivals, Arrivals::kTrace);
  EXPECT_EQ(load.trace, folder / "t.jsonl");
  EXPECT_EQ(load.prompt_tokens, 9);
  EXPECT_EQ(load.gen_tokens, 4);
  EXPECT_EQ(load.users, kTraceUsers);
  EXPECT_EQ(load.traced.n_requests, 2);
  EXPECT_EQ(RoughSeconds({}, load), 3) << "it lasts as long as it lasted, however fast the target is";
  EXPECT_EQ(suite->cells[2].load.users, 2);
  ASSERT_TRUE(CheckLoad(load).ok());

  std::ofstream(folder / "moved/t.jsonl") << Traced(9);
  EXPECT_EQ(KeyOf(parse(folder / "moved/s.toml")->cells[0]), KeyOf(suite->cells[0])) << "rows can be compared";
  std::ofstream(folder / "moved/t.jsonl") << Traced(8) << Traced(9);
  EXPECT_NE(KeyOf(parse(folder / "moved/s.toml")->cells[0]), KeyOf(suite->cells[0])) << "another trace of that name";
}

TEST(RoughSeconds, GrowsWithAllThatTakesTime) {
  ModelRow model;
  model.n_params = 1'000'000'000;
  model.file_tensor_bytes = 500'000'000;
  Workload plain{2, 3, 64, 32, 1};
  const double seconds = RoughSeconds(model, plain);
  const auto with = [&](auto&& change) {
    Workload load = plain;
    change(load);
    return RoughSeconds(model, load);
  };
  const double deep = with([](Workload& load) { load.depth_tokens = 1024; });
  EXPECT_GT(deep, seconds);
  EXPECT_GT(with([](Workload& load) { load.depth_tokens = 4096; }), 3 * deep);
  EXPECT_GT(with([](Workload& load) { load.turns = 3; }), seconds) << "what was said before is sent again";
  EXPECT_GT(with([](Workload& load) { load.warm_up_rounds = 1; }), seconds);
  EXPECT_DOUBLE_EQ(with([](Workload& load) { load.think_s = 10; }), seconds + 20);
  const auto open = [](Workload& load) {
    load.arrivals = Arrivals::kPoisson;
    load.rate = 0.01;
  };
  EXPECT_DOUBLE_EQ(with(open), 500) << "six requests";
}

TEST(Suite, MistakesAboutATraceAreSaidWithTheirLine) {
  const TempFolder folder;
  std::ofstream(folder / "t.jsonl") << Traced(9);
  std::ofstream(folder / "bad.jsonl") << Traced(9) << "{}\n";
  const std::pair<std::string, std::string> cases[] = {
      {"trace = \"none.jsonl\"\n", "s.toml:3: trace: " + (folder / "none.jsonl") + ": No such file"},
      {"trace = \"bad.jsonl\"\n", "s.toml:3: trace: " + (folder / "bad.jsonl") + ":3: expected a JSON object"},
      {"trace = \".\"\n", "s.toml:3: trace:"},
      {"trace = 3\n", "s.toml:3: trace: expected a text"},
      {"trace = [\"t.jsonl\"]\n", "s.toml:3: trace: expected a text"},
      {"trace = \"t.jsonl\"\nusers = 0\n", "s.toml:4: users: expected"},
      {"trace = \"t.jsonl\"\nrate = 2\n", "s.toml:4: rate: not beside trace"},
      {"rate = 2\ntrace = \"t.jsonl\"\n", "s.toml:3: rate: not beside trace"},
      {"trace = \"t.jsonl\"\nrate = 2\narrivals = \"constant\"\n", "s.toml:4: rate: not beside trace"},
      {"trace = \"t.jsonl\"\nprompt_tokens = [9]\n", "s.toml:4: prompt_tokens: not beside trace"},
      {"trace = \"t.jsonl\"\ngen_tokens = 4\n", "s.toml:4: gen_tokens: not beside trace"},
      {"trace = \"t.jsonl\"\nrequests = 4\n", "s.toml:4: requests: not beside trace"},
      {"trace = \"t.jsonl\"\nturns = 4\n", "s.toml:4: turns: not beside trace"},
      {"trace = \"t.jsonl\"\nslo = \"ttft_p95<1s\"\n", "s.toml:4: slo: a trace has one rate"},
  };
  for (const auto& [text, message] : cases) {
    const Result<Suite> suite = ParseSuite("[[cells]]\nmodel = \"a\"\n" + text, folder / "s.toml", {});
    ASSERT_FALSE(suite.ok()) << text;
    EXPECT_EQ(suite.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(suite.error().message, HasSubstr(message)) << text;
  }
}

TEST(Suite, ACellDescribedTwiceIsThereOnce) {
  const Result<Suite> suite = Parse("[[cells]]\nmodel = \"a\"\nusers = [1, 2, 1]\n[[cells]]\nmodel = \"a\"\nusers = 2\n");
  ASSERT_TRUE(suite.ok()) << suite.error().message;
  EXPECT_EQ(suite->cells.size(), 2u);
  EXPECT_EQ(suite->name, "some") << "that of the file";
}

TEST(Suite, ASearchHasAnObjectiveAndOneLargestNumberOfUsers) {
  const Result<Suite> suite = Parse("interleave = true\n[[cells]]\nmodel = \"a\"\nslo = \"ttft_p95<1s\"\n"
                                    "[[cells]]\nmodel = \"a\"\nslo = \"ttft_p95<1s\"\nusers = 8\nwarm_up_rounds = 0\n"
                                    "[[cells]]\nmodel = \"a\"\nslo = \"ttft_p95<1s\"\nrate = 0.5\nrequests = 30\n");
  ASSERT_TRUE(suite.ok()) << suite.error().message;
  EXPECT_TRUE(suite->options.interleave);
  ASSERT_EQ(suite->cells.size(), 3u);
  EXPECT_EQ(suite->cells[0].slo, "ttft_p95<1s");
  EXPECT_EQ(suite->cells[0].load.users, kMostSearchedUsers);
  EXPECT_EQ(suite->cells[0].load.warm_up_rounds, 1) << "a search is of users who are there, not of a crowd at the door";
  EXPECT_EQ(suite->cells[1].load.users, 8);
  EXPECT_EQ(suite->cells[1].load.warm_up_rounds, 0);
  EXPECT_EQ(suite->cells[2].load.arrivals, Arrivals::kPoisson);
  CellSpec plain = suite->cells[1];
  plain.slo.clear();
  EXPECT_NE(KeyOf(plain), KeyOf(suite->cells[1]));
}

TEST(Suite, MistakesAreSaidWithTheirLine) {
  const std::string cells = "[[cells]]\nmodel = \"a\"\n";
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {cells + "user = 3\n", "some.toml:3: unknown key user", "did you mean users?"},
      {"repeat = 3\n" + cells, "some.toml:1: unknown key repeat", "did you mean repeats?"},
      {"zzzzzzzz = 3\n" + cells, "unknown key zzzzzzzz", "known are name"},
      {cells + "users = 0\n", "some.toml:3: users: expected whole numbers from 1 to 256", ""},
      {cells + "users = [1,\n 2.5]\n", "some.toml:4: users", ""},
      {cells + "users = \"8-1\"\n", "some.toml:3: users", ""},
      {cells + "users = []\n", "some.toml:3: users: the list is empty", ""},
      {cells + "kv = \"f17\"\n", "some.toml:3: kv: there is no f17", "did you mean f16?"},
      {cells + "target = \"ftp://x\"\n", "some.toml:3: target", "http://"},
      {cells + "serves = \"b\"\n", "some.toml:3: serves", ""},
      {cells + "seed = -1\n", "some.toml:3: seed", ""},
      {cells + "rate = 0\n", "some.toml:3: rate", ""},
      {cells + "rate = 1\nthink_s = 2\n", "some.toml:1: think time", ""},
      {cells + "rate = 1\nramp_s = 2\n", "some.toml:1: think time, turns, ramp", ""},
      {cells + "ramp_s = -1\n", "some.toml:3: ramp_s: expected seconds", ""},
      {cells + "arrivals = \"constant\"\n", "some.toml:3: arrivals: expected a rate", ""},
      {cells + "rate = 1\narrivals = \"often\"\n", "some.toml:4: arrivals: expected poisson, constant or burst", ""},
      {cells + "rate = 1\narrivals = 3\n", "some.toml:4: arrivals: expected poisson, constant or burst", ""},
      {cells + "rate = 1\nburst = 2\n", "some.toml:4: burst: of arrivals", ""},
      {cells + "rate = 1\narrivals = \"constant\"\nburst = 2\n", "some.toml:5: burst: of arrivals", ""},
      {cells + "model = \"b\"\n", "some.toml:3:", ""},
      {"[[cells]]\nusers = 1\n", "some.toml:1: a [[cells]] without model", ""},
      {"name = 3\n" + cells, "some.toml:1: name: expected a text", ""},
      {"precision_percent = 0\n" + cells, "some.toml:1: precision_percent", ""},
      {cells + "slo = \"ttft<1s\"\n", "some.toml:3: objective ttft<1s", "ttft_p95<1s"},
      {cells + "slo = \"ttft_p95<1s\"\nusers = [1, 2]\n", "some.toml:4: users: with slo one number", ""},
      {"strict = 1\n" + cells, "some.toml:1: strict: expected true or false", ""},
      {"name = \"x\"\n", "expected one [[cells]] or more", "docs/suites.md"},
      {"cells = 3\n", "some.toml:1: expected one [[cells]]", ""},
      {"", "expected one [[cells]]", ""},
      {"name = \"x\n", "some.toml:", ""},
      {cells + "users = \"1-256\"\nprompt_tokens = \"1-1000\"\n", "more than 10000 cells", ""},
      {std::string("\0\xff\xfe", 3), "some.toml:1:", ""},
      {std::string(5000, '['), "some.toml:1:", ""},
      {"\u017a" + cells, "some.toml:1:", ""},
      {"\u2f00" + cells, "some.toml:1:", ""},
      {"\ufcff" + cells, "some.toml:1:", ""},
  };
  for (const auto& [text, message, hint] : cases) {
    const Result<Suite> suite = Parse(text);
    ASSERT_FALSE(suite.ok()) << text;
    EXPECT_EQ(suite.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(suite.error().message, HasSubstr(message)) << text;
    EXPECT_THAT(suite.error().hint, HasSubstr(hint)) << text;
  }
}

TEST(Suite, MayHoldAnyCharacterWhereTextStands) {
  const Result<Suite> suite = Parse("name = \"\u017a \u2f00 \ufcff \u2601\ufe0f\"  # \u017a \u2f00 \ufcff \u2601\ufe0f\n"
                                    "description = \"\"\"\\\n  \u017a\"\"\"\n[[cells]]\nmodel = \"a\"\n");
  ASSERT_TRUE(suite.ok()) << suite.error().message;
  EXPECT_EQ(suite->name, "\u017a \u2f00 \ufcff \u2601\ufe0f");
}

TEST(Suite, ThoseThatAreShippedAreRight) {
  for (const ShippedSuite& shipped : ShippedSuites()) {
    const Result<SuiteText> text = FindSuite(std::string(shipped.name));
    ASSERT_TRUE(text.ok()) << text.error().message;
    const Result<Suite> suite = ParseSuite(text->text, text->file, {});
    ASSERT_TRUE(suite.ok()) << suite.error().message;
    EXPECT_EQ(suite->name, shipped.name);
    EXPECT_GE(suite->cells.size(), 2u);
    EXPECT_TRUE(CheckOptions(suite->options).ok());
  }
}

TEST(FindSuite, TakesFilesFirstAndSuggests) {
  const TempFolder folder;
  std::ofstream(folder / "quick") << "mine";
  EXPECT_EQ(FindSuite(folder / "quick")->text, "mine");
  const Result<SuiteText> wrong = FindSuite("qick");
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error().hint, HasSubstr("did you mean quick?"));
  EXPECT_FALSE(FindSuite(folder / "").ok()) << "a folder";
}

}  // namespace
}  // namespace weir
