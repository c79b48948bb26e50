// The command line as users and scripts meet it: exit codes, one JSON document on stdout, errors on stderr.
#include <algorithm>
#include <set>

#include "weir_process.h"

namespace weir {
namespace {

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

TEST(Cli, VersionNamesCommitCompilerAndIsas) {
  const Outcome outcome = Weir("--version");
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* word : {"weir 0.", "commit", "plain"}) {
    EXPECT_NE(outcome.out.find(word), std::string::npos) << outcome.out;
  }
}

TEST(Cli, WrongUsageExitsWith2) {
  for (const char* arguments : {"", "no-such-command", "inspect", "logits x.gguf", "run --nonsense",
                                "bench --users 0", "bench --users two", "bench --repeats -1"}) {
    const Outcome outcome = Weir(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_NE(outcome.err, "") << arguments;
  }
}

TEST(Cli, BadModelsAreOneClearErrorWithExitCode2) {
  const TempFolder folder;
  std::ofstream(folder / "empty.gguf");
  const std::string truncated = folder / "truncated.gguf";
  std::ofstream(truncated, std::ios::binary) << ReadText(kTiny).substr(0, 100000);
  for (const std::string& model :
       {std::string("/no/such/file.gguf"), folder / "", folder / "empty.gguf", truncated,
        std::string("synth:qwen9-1b:Q8_0"), std::string("synth:qwen3.5-0.8b:Q9")}) {
    for (const std::string command : {"inspect", "logits --prompt-ids 1", "tokenize"}) {
      if (command == "tokenize" && model.starts_with("synth")) continue;
      const Outcome outcome = Weir(command + " " + model);
      EXPECT_EQ(outcome.exit_code, 2) << command << " " << model;
      EXPECT_EQ(outcome.out, "");
      EXPECT_NE(outcome.err.find("error:"), std::string::npos) << outcome.err;
    }
  }
}

/// weir-tiny with `from` replaced by `to`, both of one length, as a file.
std::string Patched(const TempFolder& folder, const std::string& from, const std::string& to) {
  std::string bytes = ReadText(kTiny);
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos);
  bytes.replace(at, from.size(), to);
  std::ofstream(folder / "patched.gguf", std::ios::binary) << bytes;
  return folder / "patched.gguf";
}

void ExpectError(const std::string& arguments, int exit_code, const std::vector<std::string>& words) {
  const Outcome outcome = Weir(arguments);
  EXPECT_EQ(outcome.exit_code, exit_code) << arguments << outcome.err;
  EXPECT_EQ(outcome.out, "") << arguments;
  for (const std::string& word : words) {
    EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err;
  }
}

TEST(Cli, ErrorsInsideAFileNameTheFile) {
  const TempFolder folder;
  ExpectError("logits --prompt-ids 1 " + Patched(folder, "block_count", "block_coumt"), 2,
              {"patched.gguf", "qwen35.block_count"});
  ExpectError("tokenize " + Patched(folder, "ggml.merges", "ggml.mergez") + " hi", 2,
              {"patched.gguf", "tokenizer.ggml.merges"});
}

// Its ids would point past the end of the embedding.
TEST(Cli, AVocabularyLargerThanTheModelIsRefused) {
  const TempFolder folder;
  const std::string name = "token_embd.weight", n_dims("\2\0\0\0", 4);
  const std::string width("\0\1\0\0\0\0\0\0", 8);
  const std::string path = Patched(folder, name + n_dims + width + std::string("\0\x08", 2),
                                   name + n_dims + width + std::string("\0\x04", 2));
  ExpectError("run --no-limit --prompt hi " + path, 2, {"patched.gguf", "1024", "2048"});
  ExpectError("perplexity --file " + path + " " + path, 2, {"tokenizer.ggml.tokens"});
}

TEST(Cli, WeightsThatAreNoNumbersAreAnError) {
  const TempFolder folder;
  std::string bytes = ReadText(kTiny);
  bytes.replace(bytes.size() - 34, 34, 34, '\xff');  // the last block of ffn_down: its scale is NaN
  const std::string path = folder / "nan.gguf";
  std::ofstream(path, std::ios::binary) << bytes;
  ExpectError("logits --prompt-ids 1 " + path, 1, {"not finite"});
  ExpectError("perplexity --window 16 --windows 1 --file " + path + " " + path, 1, {"not finite"});
  ExpectError("run --no-limit --json --prompt hi " + path, 1, {"not numbers"});
}

TEST(Cli, RunChecksTheContextBeforeItLoads) {
  ExpectError("run --no-template --prompt hi --max-tokens 4096 " + kTiny, 2,
              {"--max-tokens", "4096", "lower"});
  ExpectError("run --prompt '' " + kTiny, 2, {"--prompt"});
}

TEST(Cli, OutputThatCannotBeWrittenIsAnError) {
  for (const std::string& command : {"inspect " + kTiny, "tokenize " + kTiny + " hi",
                                     std::string("--version")}) {
    for (const char* target : {" >/dev/full", " >&-"}) {
      ExpectError(command + target, 1, {"error:", "writ"});
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Cli, WithoutMemoryOneError) {
  const TempFolder folder;
  for (const int kilobytes : {40'000, 60'000}) {  // the shared libraries take 34 MB
    const std::string script = folder / "script";
    std::ofstream(script) << "ulimit -v " << kilobytes << "; exec " WEIR_BINARY " \"$@\"";
    const std::string command = "--version >/dev/null; sh " + script;
    const Outcome outcome =
        Weir(command + " run synth:qwen3.5-0.8b:Q8_0 --threads 64 --no-limit --prompt hi");
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    EXPECT_NE(outcome.err.find("error:"), std::string::npos) << outcome.err;
  }
}
#endif

TEST(Cli, AForcedIsaMustExist) {
  setenv("WEIR_ISA", "mmx", 1);
  const Outcome outcome = Weir("logits " + kTiny + " --prompt-ids 1");
  unsetenv("WEIR_ISA");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("plain"), std::string::npos) << outcome.err;
}

TEST(Cli, LogitsPrintsTheContractsDocument) {
  const Outcome outcome =
      Weir("logits " + kTiny + " --prompt-ids 372,727,451 --at 0,last,4 --generate 3 --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["prompt"], nlohmann::json({372, 727, 451}));
  EXPECT_EQ(json["greedy"].size(), 3);
  ASSERT_EQ(json["positions"].size(), 3);
  EXPECT_EQ(json["positions"][1]["pos"], 5);
  EXPECT_EQ(json["positions"][2]["argmax"], json["greedy"][2]);  // position 4 predicts the third
  EXPECT_EQ(json["positions"][0]["logits"].size(), 2048);
}

TEST(Cli, KeysAndValuesAreKeptInWhatIsAskedFor) {
  const std::string command = "logits " + kTiny + " --prompt-ids 372,727,451 --json";
  std::set<std::string> different;
  for (const char* kv : {" --kv f16", " --kv bf16", " --kv q8_0", " --kv f32"}) {
    const Outcome outcome = Weir(command + kv);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    different.insert(outcome.out);
  }
  EXPECT_EQ(different.size(), 4u);
  EXPECT_TRUE(different.contains(Weir(command).out));
  EXPECT_EQ(Weir(command + " --kv q4_0").exit_code, 2);
}

TEST(Cli, LogitsRefusesWhatItCannotAnswer) {
  for (const char* arguments :
       {" --prompt-ids 1,x", " --prompt-ids 1,", " --prompt-ids 1 --at 0,,0",
        " --prompt-ids 2048", " --prompt-ids -1", " --prompt-ids 1 --at 1",
        " --prompt-ids 1 --at foo", " --prompt-ids ''", " --prompt-ids 1 --generate 1000000"}) {
    const Outcome outcome = Weir("logits " + kTiny + arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_NE(outcome.err.find("error:"), std::string::npos) << arguments << outcome.err;
  }
}

TEST(Cli, TokenizeTakesArgumentsFilesAndBatches) {
  const auto ids = nlohmann::json::parse(
      Weir("tokenize " + kTiny + " 'The old man looked at the sea and said' --json").out)["ids"];
  EXPECT_EQ(ids, nlohmann::json({372, 727, 451, 842, 363, 262, 1311, 278, 384}));
  const TempFolder folder;
  std::ofstream(folder / "batch.json") << R"(["The old", "", "<|im_end|>"])";
  const auto batch = nlohmann::json::parse(
      Weir("tokenize " + kTiny + " --json --specials --batch " + (folder / "batch.json")).out);
  ASSERT_EQ(batch.size(), 3);
  EXPECT_EQ(batch[0], nlohmann::json({372, 727}));
  EXPECT_EQ(batch[1].size(), 0);
  EXPECT_EQ(batch[2].size(), 1);
}

TEST(Cli, TokenizeGivesTheGoldenIdsInOneBatch) {
  const nlohmann::json golden = ReadJson(TestData("tokenizers/vectors.json"));
  const TempFolder folder;
  std::ofstream(folder / "strings.json") << golden["strings"];
  const std::string batch = " --json --batch " + (folder / "strings.json");
  for (const auto& [name, path] : {std::pair<std::string, std::string>("weir-tiny", kTiny),
                                   {"gpt-2", SharedData("golden/tokenizers/gpt-2.gguf")},
                                   {"llama-spm", SharedData("golden/tokenizers/llama-spm.gguf")}}) {
    if (!std::filesystem::exists(path)) continue;
    const Outcome plain = Weir("tokenize " + path + batch);
    EXPECT_EQ(nlohmann::json::parse(plain.out), golden["ids"][name]) << name << plain.err;
    if (!golden["ids_with_specials"].contains(name)) continue;
    const Outcome specials = Weir("tokenize --specials " + path + batch);
    EXPECT_EQ(nlohmann::json::parse(specials.out), golden["ids_with_specials"][name]) << name;
  }
}

TEST(Cli, TokenizeRepairsTextAndRefusesJsonThatIsNotUtf8) {
  const TempFolder folder;
  const std::string file = folder / "text";
  std::ofstream(file) << "caf\xE9 \xE2\x82 \xFF!";
  const Outcome repaired = Weir("tokenize --json " + kTiny + " --file " + file);
  EXPECT_EQ(repaired.exit_code, 0);
  EXPECT_NE(repaired.err.find(file + ": not UTF-8 at byte 3"), std::string::npos) << repaired.err;
  EXPECT_EQ(std::ranges::count(repaired.err, '\n'), 1) << repaired.err;
  const Outcome whole = Weir("tokenize --json " + kTiny + " 'caf\uFFFD \uFFFD \uFFFD!'");
  EXPECT_EQ(whole.err, "");
  EXPECT_EQ(repaired.out, whole.out);

  const auto refuse = [&](const std::string& json, const std::string& expected) {
    std::ofstream(file) << json;
    const Outcome outcome = Weir("tokenize " + kTiny + " --batch " + file);
    EXPECT_EQ(outcome.exit_code, 2) << json;
    EXPECT_EQ(outcome.out, "") << json;
    EXPECT_NE(outcome.err.find(expected), std::string::npos) << json << outcome.err;
  };
  refuse("[\"ab\xE9\"]", "expected JSON in UTF-8, found other bytes at byte 4");
  refuse("[\"\\ud800\"]", "expected JSON, found something else at byte");
  refuse("[\"a\", 1]", "entry 1 is not a string");
  refuse("{\"a\": 1}", "expected a JSON array of strings");
  refuse(std::string(200, '['), "nested more than 64 deep");
  refuse("", "expected JSON");
}

TEST(Cli, PerplexityAgainstAReferenceIsStoredAsARow) {
  const TempFolder folder;
  const std::string text = folder / "text", db = folder / "rows.db";
  std::ofstream(text) << ReadText(TestData("weir-tiny-q8_0.json")).substr(0, 4000);
  const std::string scored = " --window 64 --windows 2 --score-from 32 --file " + text;
  const Outcome alone = Weir("perplexity " + kTiny + scored + " --json --db " + db);
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  const Outcome both = Weir("perplexity " + kTiny + scored + " --against " + kTiny +
                            " --against-dtype f32 --json --db " + db);
  ASSERT_EQ(both.exit_code, 0) << both.err;
  const auto one = nlohmann::json::parse(alone.out), two = nlohmann::json::parse(both.out);
  EXPECT_EQ(one["tokens"], 64);
  EXPECT_EQ(one["nll"], two["nll"]);
  EXPECT_EQ(one["run"], 1);
  EXPECT_EQ(two["run"], 2);
  EXPECT_FALSE(one.contains("kl_nats"));
  EXPECT_GT(two["kl_nats"]["mean"], 0);
  EXPECT_LT(two["kl_nats"]["mean"], 0.1);
  EXPECT_TRUE(two["ppl_ratio_se"].is_number());
  EXPECT_TRUE(std::filesystem::exists(db));

  const Outcome unstored = Weir("perplexity " + kTiny + scored + " --json --no-db");
  EXPECT_TRUE(nlohmann::json::parse(unstored.out)["run"].is_null());
  for (const std::string& wrong :
       {" --score-from 512 --file " + text, scored + " --against-dtype f32",
        scored + " --against " + TestData("golden/qwen2-q8_0.gguf"), scored + " --against nothing.gguf",
        " --window 100000 --file " + text}) {
    const Outcome outcome = Weir("perplexity --no-db " + kTiny + wrong);
    EXPECT_EQ(outcome.exit_code, 2) << wrong << outcome.err;
    EXPECT_EQ(outcome.out, "") << wrong;
  }
  EXPECT_NE(Weir("perplexity --no-db " + kTiny + scored + " --against " +
                 TestData("golden/qwen2-q8_0.gguf"))
                .err.find("expected the same vocabulary"),
            std::string::npos);
}

TEST(Cli, RunContinuesATextAsTheReferenceDoes) {
  const auto answer = ReadJson(TestData("weir-tiny-q8_0.json"))["texts"][0];
  const Outcome outcome = Weir("run " + kTiny + " --no-template --dtype f32 --no-limit --json "
                               "--max-tokens 48 --prompt '" +
                               answer["text"].get<std::string>() + "'");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["text"], answer["greedy_text"]);
  EXPECT_EQ(json["finish_reason"], "length");
  EXPECT_EQ(json["logits_hash"].get<std::string>().size(), 16);
  EXPECT_TRUE(json["roofline_share"].is_null());
}

TEST(Cli, RunStreamsTextToStdoutAndTheSummaryToStderr) {
  const Outcome outcome =
      Weir("run " + kTiny + " --no-template --no-limit --max-tokens 8 --prompt 'The old man'");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(outcome.out.starts_with("The old man")) << outcome.out;
  EXPECT_GT(outcome.out.size(), std::string("The old man").size());
  EXPECT_NE(outcome.err.find("tok/s"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace weir
