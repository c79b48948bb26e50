// weir bench as users and scripts meet it, on the tiny model with small probes.
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "store/store.h"
#include "weir_process.h"

namespace weir {
namespace {

using testing::HasSubstr;

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");
const std::string kSmall = " --prompt-tokens 16 --gen-tokens 17 --probe-mb 16 ";

std::vector<std::string> KeysOf(const nlohmann::ordered_json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

TEST(BenchCli, JsonIsOneDocumentWithThePromisedKeys) {
  const TempFolder folder;
  const std::string db = folder / "results.db";
  const Outcome outcome =
      Weir("bench " + kTiny + kSmall + "--repeats 3 --users 1,2 --kv q8_0 --json --db " + db);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::ordered_json::parse(outcome.out);
  EXPECT_THAT(KeysOf(json), testing::ElementsAre("machine", "run", "cells", "rankings", "comparisons", "answers", "capacities"));
  EXPECT_THAT(KeysOf(json["run"]), testing::ElementsAre("id", "db", "interrupted", "error", "build",
                                                        "isa", "threads", "seed", "suite", "campaign", "instrument",
                                                        "fleet"));
  EXPECT_GT(json["run"]["instrument"]["token_ns"].get<double>(), 0);
  EXPECT_EQ(json["run"]["instrument"]["client_token_ns"], nullptr) << "no server was asked";
  EXPECT_TRUE(json["run"]["fleet"].is_null());
  for (const char* rate :
       {"read_gb_s", "read_write_gb_s", "int8_gmac_s", "f32_gmac_s", "threads"}) {
    EXPECT_GT(json["machine"][rate].get<double>(), 0) << rate;
  }
  EXPECT_TRUE(json["machine"]["isa"].is_string());
  ASSERT_EQ(json["cells"].size(), 2u);
  const auto& cell = json["cells"][1];
  EXPECT_EQ(cell["model"], kTiny);
  EXPECT_EQ(cell["quant"], "Q8_0");
  EXPECT_EQ(cell["users"], 2);
  EXPECT_EQ(cell["status"], "ok") << cell["reason"];
  EXPECT_EQ(cell["synthetic"], false);
  EXPECT_GE(cell["decode_tok_s"]["peak"], cell["decode_tok_s"]["median"]);
  EXPECT_EQ(cell["decode_tok_s"]["ci95"].size(), 2u);
  EXPECT_GT(cell["aggregate_tok_s"]["median"].get<double>(), 0);
  EXPECT_GE(cell["ttft_ms"]["p95"], cell["ttft_ms"]["median"]);
  EXPECT_GE(cell["itl_ms"]["p95"], cell["itl_ms"]["median"]);
  for (const char* key :
       {"prefill_tok_s", "step_bytes", "step_macs", "limit_tok_s", "roofline_share"}) {
    EXPECT_GT(cell[key].get<double>(), 0) << key;
  }
  EXPECT_EQ(cell["logits_hash"].get<std::string>().size(), 16u);
  EXPECT_THAT(cell["flags"].get<std::vector<std::string>>(),
              testing::IsSupersetOf({"probe_buffer_small", "kv_q8_0"}));
  EXPECT_EQ(std::filesystem::path(json["run"]["db"].get<std::string>()), db);
}

TEST(BenchCli, TheTableNamesTheRows) {
  const TempFolder folder;
  const Outcome outcome =
      Weir("bench " + kTiny + kSmall + "--repeats 1 --users 1 --db " + (folder / "results.db"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const std::string& text : {std::string("weir-tiny-q8_0"), std::string("TTFT"),
                                  std::string("share of limit"), folder / "results.db, run 1"}) {
    EXPECT_THAT(outcome.out, HasSubstr(text));
  }
}

TEST(BenchCli, ExplainTellsWhereTheTimeGoes) {
  const TempFolder folder;
  const Outcome outcome = Weir("bench " + kTiny + kSmall + "--repeats 1 --users 2 --explain --json --db " +
                               (folder / "results.db"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::ordered_json::parse(outcome.out);
  for (const char* kind : {"decode", "prefill"}) {
    const auto& profile = json["cells"][0]["explain"][kind];
    double ms = 0;
    for (const auto& part : profile["parts"]) ms += part["ms"].get<double>();
    EXPECT_GT(ms, 0) << kind;
    EXPECT_NEAR(ms, profile["step"]["ms"].get<double>(), 1e-3) << kind;
    EXPECT_GT(profile["step"]["limit_ms"].get<double>(), 0) << kind;
  }
  EXPECT_EQ(json["cells"][0]["explain"]["decode"]["rows_per_step"], 2);
}

TEST(BenchCli, AModelThatDoesNotFitIsARefusedRow) {
  const Outcome outcome =
      Weir("bench synth:Qwen3.5-27B:f16 --users 256 --prompt-tokens 100000 --gen-tokens 17 --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = nlohmann::ordered_json::parse(outcome.out);
  const auto& cell = json["cells"][0];
  EXPECT_EQ(cell["model"], "synth:Qwen3.5-27B:f16");
  EXPECT_EQ(cell["quant"], "F16");
  EXPECT_EQ(cell["status"], "refused");
  EXPECT_FALSE(cell["reason"].is_null());
  EXPECT_TRUE(cell["decode_tok_s"]["median"].is_null());
  EXPECT_TRUE(json["machine"]["read_gb_s"].is_null());
}

TEST(BenchCli, WhatCannotBeMeantIsOneErrorBeforeAnythingRuns) {
  const TempFolder folder;
  const auto check = [](const std::string& arguments, int exit_code) {
    const Outcome outcome = Weir("bench --json " + arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << arguments << "\n" << outcome.err;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_NE(outcome.err, "") << arguments;
  };
  for (const char* flags :
       {" --users 0", " --users ''", " --users 1,1", " --users 1,x", " --users 4-2", " --users 2-",
        " --users 1-2,2", " --prompt-tokens 0",
        " --gen-tokens -1", " --repeats 0", " --requests 0", " --probe-mb 1", " --threads 0",
        " --prompt-tokens 1000000", " --burst 4", " --arrivals closed --rate 2",
        " --arrivals poisson --rate 2 --burst 4", " --max-repeats 5", " --model-name x", " --tokenizer x"}) {
    check(kTiny + flags, 2);
  }
  check("/no/such/model.gguf", 2);
  check(folder / "", 2);
  check(kTiny + " " + kTiny, 2);
  check(kTiny + " --db " + (folder / ""), 2);
  check(kTiny + " --db " + (folder / "no/such/results.db"), 2);
  check(kTiny + " --db " + kTiny, 2);
  check(kTiny + " --db /proc/results.db", 1);  // nobody may write there, not even root
}

TEST(BenchCli, AServerThatDoesNotAnswerIsNotTooLarge) {
  const TempFolder folder;
  const std::string bench = "bench --target http://127.0.0.1:1 --users 1,2 --json --db " + (folder / "results.db");
  const Outcome outcome = Weir(bench);
  EXPECT_EQ(outcome.exit_code, 1);
  const auto cells = nlohmann::ordered_json::parse(outcome.out)["cells"];
  ASSERT_EQ(cells.size(), 2u);
  for (const auto& cell : cells) {
    EXPECT_EQ(cell["status"], "failed");
    EXPECT_THAT(cell["reason"].get<std::string>(), HasSubstr("127.0.0.1:1"));
  }
  const Outcome planned = Weir("bench --target http://127.0.0.1:1 --users 1,2 --dry-run");
  EXPECT_EQ(planned.exit_code, 1);
  EXPECT_THAT(planned.out, HasSubstr("cannot run: "));
  EXPECT_THAT(planned.out, testing::Not(HasSubstr("too much")));
}

TEST(BenchCli, ARateAloneIsOneOfRandomArrivals) {
  const TempFolder folder;
  const std::string db = " --db " + (folder / "results.db");
  const Outcome outcome = Weir("bench " + kTiny + kSmall + "--users 1 --requests 2 --repeats 1 --rate 1000 --json" + db);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(Weir("sql 'SELECT config FROM cell' --csv" + db).out, HasSubstr("poisson"));
}

TEST(BenchCli, PromptsOfAFileHaveTheirOwnLengths) {
  const TempFolder folder;
  const std::string db = " --db " + (folder / "results.db"), file = folder / "prompts.jsonl";
  std::string words;
  for (int i = 0; i < 60; ++i) words += "word ";
  std::ofstream(file) << "{\"prompt\":\"Why?\"}\n{\"prompt\":\"" << words << "\"}\n";
  const Outcome outcome =
      Weir("bench " + kTiny + kSmall + "--users 2 --requests 1 --repeats 1 --json --prompts " + file + db);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto cells = nlohmann::ordered_json::parse(outcome.out)["cells"];
  EXPECT_EQ(cells[0]["status"], "ok") << cells[0]["reason"];
  const Outcome rows = Weir("sql --csv 'SELECT c.prompt_tokens > 33, c.prompt_tokens = (SELECT max(prompt_tokens) "
                            "FROM request), (SELECT min(prompt_tokens) < 16 FROM request) FROM cell c'" + db);
  EXPECT_THAT(rows.out, HasSubstr("\n1,1,1"));
  EXPECT_EQ(Weir("bench " + kTiny + " --prompts " + (folder / "none.jsonl") + db).exit_code, 2);
}

int64_t CountTokens(const std::string& db) {
  Result<Store> store = Store::OpenReadOnly(db);
  if (!store) return 0;  // not there yet
  const Result<int64_t> n = store->database().QueryInt("SELECT count(*) FROM token_time");
  return n ? *n : 0;
}

/// Starts a bench that would take an hour, and returns once it has stored some tokens.
pid_t StartLongBench(const std::string& db, const std::string& out) {
  const pid_t child = fork();
  if (child == 0) {
    const std::string command = "exec " WEIR_BINARY " bench " + kTiny + kSmall +
                                "--users 1 --repeats 1000 --json --db " + db + " >" + out +
                                " 2>/dev/null </dev/null";
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 600 && CountTokens(db) < 100; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return child;
}

TEST(BenchCli, CtrlCKeepsTheRowsAndExitsWith130) {
  const TempFolder folder;
  const std::string db = folder / "results.db", out = folder / "out";
  const pid_t child = StartLongBench(db, out);
  ASSERT_EQ(kill(child, SIGINT), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  const auto json = nlohmann::ordered_json::parse(ReadText(out));
  EXPECT_EQ(json["run"]["interrupted"], true);
  ASSERT_EQ(json["cells"].size(), 1u);
  EXPECT_EQ(json["cells"][0]["status"], "interrupted");
  EXPECT_GE(json["cells"][0]["decode_tok_s"]["median"].get<double>(), 0) << "of whole repeats";
  EXPECT_GE(CountTokens(db), 100);
}

TEST(BenchCli, AKilledBenchLeavesAUsableDatabase) {
  const TempFolder folder;
  const std::string db = folder / "results.db";
  const pid_t child = StartLongBench(db, folder / "out");
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_GE(CountTokens(db), 100);
  Result<Store> store = Store::Open(db);
  ASSERT_TRUE(store.ok()) << store.error().message;
  EXPECT_EQ(store->Results(1)->at(0).status, CellStatus::kInterrupted);
  EXPECT_GE(store->Results(1)->at(0).decode_samples.size(), 1u);
}

}  // namespace
}  // namespace weir
