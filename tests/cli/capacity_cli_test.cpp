// How many users, and who is faster, as a user asks it.
#include <gmock/gmock.h>

#include <fstream>

#include "bench/peer.h"
#include "machine/machine.h"
#include "store/store.h"
#include "weir_process.h"

namespace weir {
namespace {

using testing::HasSubstr;
using Json = nlohmann::ordered_json;

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

Json JsonOf(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return Json::parse(outcome.out, nullptr, false);
}

TEST(CapacityCli, SearchesAndResumesWithTheAnswer) {
  const TempFolder folder;
  const std::string db = " --probe-mb 16 --db " + (folder / "r.db");
  const std::string load = " --slo 'e2e_p95<1000s' --users 3 --prompt-tokens 16 --gen-tokens 20 --requests 1 --repeats 1";
  const Json json = JsonOf(Weir("bench " + kTiny + load + " --json" + db));
  ASSERT_EQ(json["capacities"].size(), 1u);
  const Json& capacity = json["capacities"][0];
  EXPECT_EQ(capacity["best"], 3);
  EXPECT_TRUE(capacity["broken"].is_null());
  EXPECT_EQ(capacity["objective"], "e2e_p95<1000s");
  EXPECT_GT(capacity["goodput_per_s"].get<double>(), 0);
  EXPECT_EQ(json["cells"].size(), 3u) << "1, 2 and 3 users";
  EXPECT_THAT(OneLine(Weir("bench " + kTiny + load + db).out),
              HasSubstr("3 users, and that was the most that was tried"));

  std::ofstream(folder / "s.toml") << "name = \"s\"\nrepeats = 1\n[[cells]]\nmodel = \"" + kTiny +
                                          "\"\nslo = \"e2e_p95<1000s\"\nusers = 2\nprompt_tokens = 16\ngen_tokens = 20\n";
  EXPECT_EQ(JsonOf(Weir("bench " + (folder / "s.toml") + " --json" + db))["capacities"][0]["best"], 2);
  const Outcome again = Weir("bench " + (folder / "s.toml") + " --resume --json" + db);
  EXPECT_THAT(again.err, HasSubstr("1 cells are there, 0 to do"));
  EXPECT_EQ(JsonOf(again)["capacities"][0]["best"], 2);
  EXPECT_THAT(Weir("bench " + (folder / "s.toml") + " --dry-run").out, HasSubstr("<=2"));

  EXPECT_EQ(Weir("bench " + kTiny + " --slo 'ttft<1s'" + db).exit_code, 2);
  EXPECT_EQ(Weir("bench --suite quick --slo 'ttft_p95<1s'" + db).exit_code, 2);
}

// Answers are long: of a few milliseconds a client that shares its processor may hear all at once, and what comes at once
// has no decode rate.
TEST(PeersCli, TheSameFileInProcessAndThroughAServerTakeTurns) {
  const TempFolder folder;
  const std::string db = " --db " + (folder / "r.db");
  const Json json = JsonOf(Weir("bench " + kTiny +
                                " --target engine --target 'peer:{weir} serve {model} --port {port} --threads {threads} "
                                "--max-users 2 --ctx 400' --target 'peer:no-such-server -m {model} --port {port}' --users 1 "
                                "--prompt-tokens 16 --gen-tokens 320 --threads 1 --repeats 3 --probe-mb 16 --json" + db));
  ASSERT_EQ(json["cells"].size(), 3u);
  EXPECT_EQ(json["cells"][0]["status"], "ok");
  EXPECT_EQ(json["cells"][1]["status"], "ok") << json["cells"][1]["reason"];
  EXPECT_EQ(json["cells"][1]["model"], json["cells"][0]["model"]) << "its rows are those of the file";
  // The same weights, each step; of keys and values the server's bound counts only what the prompt left.
  EXPECT_EQ(json["cells"][1]["limit_tok_s"].is_number(), !HasAccelerator());
  EXPECT_EQ(json["cells"][1]["roofline_share"].is_number(), !HasAccelerator());
  if (!HasAccelerator()) {
    EXPECT_LE(json["cells"][1]["step_bytes"], json["cells"][0]["step_bytes"]);
    EXPECT_GT(json["cells"][1]["step_bytes"].get<double>(), 0.9 * json["cells"][0]["step_bytes"].get<double>());
  }
  EXPECT_EQ(json["cells"][2]["status"], "failed");
  EXPECT_EQ(json["cells"][2]["limit_tok_s"], nullptr);
  EXPECT_THAT(json["cells"][2]["reason"].get<std::string>(), HasSubstr("no-such-server"));
  ASSERT_EQ(json["comparisons"].size(), 2u);
  EXPECT_EQ(json["comparisons"][0]["cells"].size(), 1u);
  EXPECT_EQ(json["comparisons"][1]["left_out"].size(), 1u);
  // The server that never answered is compared with nobody.
  ASSERT_EQ(json["answers"].size(), 1u);
  EXPECT_EQ(json["answers"][0]["base"], "engine");
  EXPECT_EQ(json["answers"][0]["same"], 8);
  EXPECT_EQ(json["answers"][0]["common_share"], 1);
  EXPECT_LT(json["answers"][0]["kl_at_least_nats"], 1e-6);
  EXPECT_GT(json["answers"][0]["kl_positions"], 100);

  Store store = Store::OpenReadOnly(folder / "r.db").value();
  EXPECT_EQ(*store.database().QueryInt("SELECT count(DISTINCT cell) FROM attempt WHERE block = 2"), 2);
  EXPECT_EQ(*store.database().QueryInt("SELECT count(DISTINCT model_file) FROM cell WHERE status = 'ok'"), 1);
  EXPECT_EQ(*store.database().QueryInt("SELECT min(prompt_tokens) = 16 AND max(prompt_tokens) = 16 FROM request q "
                                       "JOIN attempt a ON a.id = q.attempt WHERE a.repeat > 0"),
            1);

  const Outcome compared = Weir("compare 1 --by-target --figure aggregate_tok_s" + db);
  EXPECT_EQ(compared.exit_code, 0) << compared.err;
  EXPECT_THAT(OneLine(compared.out), HasSubstr("against engine: aggregate_tok_s"));
  EXPECT_THAT(OneLine(compared.out), HasSubstr("against engine: 8 of 8 the same"));
  EXPECT_EQ(JsonOf(Weir("compare 1 --by-target --figure aggregate_tok_s --json" + db))["comparisons"][1]["answers"][0]["same"], 8);
  EXPECT_EQ(JsonOf(Weir("rows --run 1 --json" + db))["answers"].size(), 1u);
  EXPECT_EQ(Weir("compare 1" + db).exit_code, 2);
  EXPECT_EQ(Weir("compare 1 1 --by-target" + db).exit_code, 2);
}

TEST(PeersCli, AServerThatRunsAlreadyHasTheLimitOfTheModelThatItIsSaidToServe) {
  const TempFolder folder;
  PeerOptions options;
  options.command = std::string(WEIR_BINARY) + " serve " + kTiny + " --port {port} --max-users 2 --ctx 400 --threads 1";
  options.log_path = folder / "log";
  const auto server = OpenPeer(options).value();
  ASSERT_TRUE(server->Load([](int64_t, int64_t) { return true; }).ok());
  const std::string bench = "bench --target " + server->facts().url +
                            " --users 1 --prompt-tokens 16 --gen-tokens 320 --repeats 3 --probe-mb 16 --json --db " + (folder / "r.db");
  const Json unknown = JsonOf(Weir(bench))["cells"][0];
  EXPECT_EQ(unknown["status"], "ok") << unknown["reason"];
  EXPECT_EQ(unknown["limit_tok_s"], nullptr) << "which file it reads is not known";
  const Json known = JsonOf(Weir(bench + " --serves " + kTiny))["cells"][0];
  EXPECT_EQ(known["status"], "ok") << known["reason"];
  EXPECT_EQ(known["limit_tok_s"].is_number(), !HasAccelerator());
  EXPECT_NE(known["model"], unknown["model"]);
  Store store = Store::OpenReadOnly(folder / "r.db").value();
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM cell WHERE model_file IS NOT NULL"), 1);
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM run WHERE instrument_token_ns > 0 AND client_token_ns > 0 AND "
                                       "client_streams = 1"),
            2);
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM cell WHERE json_extract(config, '$.engine') = 'weir' AND "
                                       "json_extract(config, '$.engine_version') LIKE '%weir%'"),
            2);
  EXPECT_EQ(Weir("bench " + kTiny + " --serves " + kTiny).exit_code, 2) << "the engine serves nobody else's model";
}

}  // namespace
}  // namespace weir
