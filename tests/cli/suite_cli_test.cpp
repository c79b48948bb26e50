// Campaigns as their user meets them: suites, resuming after kill -9, looking into the rows, taking them elsewhere.
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "machine/counters.h"
#include "pseudo_terminal.h"
#include "store/store.h"
#include "weir_process.h"

namespace weir {
namespace {

using testing::HasSubstr;

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

std::string SuiteOf(const std::string& users, const std::string& more = "") {
  return "name = \"tiny\"\nrepeats = 2\n" + more + "[[cells]]\nmodel = \"" + kTiny + "\"\nusers = [" + users +
         "]\nprompt_tokens = 16\ngen_tokens = 20\n";
}

nlohmann::ordered_json JsonOf(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return nlohmann::ordered_json::parse(outcome.out, nullptr, false);
}

TEST(SuiteCli, DryRunShowsCellsAndMakesNoDatabase) {
  const TempFolder folder;
  std::ofstream(folder / "s.toml") << SuiteOf("1, 2");
  const std::string db = folder / "r.db";
  const auto json = JsonOf(Weir("bench " + (folder / "s.toml") + " --dry-run --json --db " + db));
  EXPECT_EQ(json["suite"], "tiny");
  ASSERT_EQ(json["cells"].size(), 2u);
  EXPECT_GT(json["cells"][1]["memory_bytes"].get<int64_t>(), 0);
  EXPECT_GT(json["cells"][1]["seconds"].get<double>(), 0);
  EXPECT_FALSE(std::filesystem::exists(db));
  const Outcome table = Weir("bench --suite quick --dry-run");
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_THAT(table.out, HasSubstr("2 cells, about"));
}

TEST(SuiteCli, DryRunTellsCellsApartWithinEightyColumns) {
  const TempFolder folder;
  std::ofstream(folder / "s.toml") << SuiteOf("1") << "depth_tokens = [0, 64]\nrate = [1, 2]\n"
                                   << "target = [\"engine\", \"null\"]\n";
  const std::string bench = "bench " + (folder / "s.toml") + " --dry-run";
  const auto cells = JsonOf(Weir(bench + " --json"))["cells"];
  ASSERT_EQ(cells.size(), 8u);
  EXPECT_GT(cells[2]["seconds"].get<double>(), cells[3]["seconds"].get<double>()) << "requests come at half the rate";
  const std::string text = Weir(bench).out;
  std::istringstream table(text);
  std::string line;
  while (std::getline(table, line)) EXPECT_LE(line.size(), 80u) << line;
  EXPECT_THAT(OneLine(text), testing::StartsWith("users depth prompt gen repeats seconds memory model"));
  for (const char* words : {" engine, 1/s", " engine, 2/s", " null, 1/s", " null, 2/s"}) {
    EXPECT_THAT(OneLine(text), HasSubstr(words));
  }
  EXPECT_THAT(text, testing::Not(HasSubstr(folder / "")));
}

TEST(SuiteCli, ReplaysRecordedTrafficThatIsBesideTheSuite) {
  const TempFolder folder;
  std::ofstream(folder / "monday.jsonl") << "{\"at_s\":1,\"prompt_tokens\":5,\"gen_tokens\":3}\n"
                                            "{\"at_s\":1.1,\"prompt_tokens\":9,\"gen_tokens\":2}\n";
  std::ofstream(folder / "s.toml") << "repeats = 1\n[[cells]]\nmodel = \"" << kTiny << "\"\ntrace = \"monday.jsonl\"\n";
  const std::string bench = "bench --suite " + (folder / "s.toml") + " --probe-mb 16 --db " + (folder / "r.db");
  const auto planned = JsonOf(Weir(bench + " --dry-run --json"))["cells"];
  ASSERT_EQ(planned.size(), 1u);
  EXPECT_EQ(planned[0]["trace"], folder / "monday.jsonl");
  EXPECT_EQ(planned[0]["trace_requests"], 2);
  EXPECT_EQ(planned[0]["prompt_tokens"], 9);
  EXPECT_THAT(OneLine(Weir(bench + " --dry-run").out), HasSubstr("2 requests within 0.1 s of monday.jsonl"));

  ASSERT_EQ(JsonOf(Weir(bench + " --json"))["cells"].size(), 1u);
  const std::string sql = "sql --json 'SELECT prompt_tokens, answer_tokens FROM request q JOIN attempt a "
                          "ON a.id = q.attempt WHERE a.repeat = 1 ORDER BY scheduled_ns' --db " + (folder / "r.db");
  EXPECT_EQ(JsonOf(Weir(sql))["rows"].dump(), "[[5,3],[9,2]]");
  EXPECT_THAT(Weir(bench + " --resume").err, HasSubstr("1 cells are there, 0 to do"));

  const Outcome both = Weir("bench " + kTiny + " --trace " + (folder / "monday.jsonl") + " --rate 2");
  EXPECT_EQ(both.exit_code, 2) << "a rate that would be ignored";
  EXPECT_THAT(both.err, HasSubstr("--rate"));
}

TEST(SuiteCli, MistakesAreUsageErrorsWithTheirLine) {
  const TempFolder folder;
  std::ofstream(folder / "s.toml") << SuiteOf("1") << "usres = 3\n";
  const Outcome outcome = Weir("bench --suite " + (folder / "s.toml"));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("s.toml:8: unknown key usres"));
  EXPECT_THAT(outcome.err, HasSubstr("did you mean users?"));
  EXPECT_EQ(Weir("bench --suite qick").exit_code, 2);
  EXPECT_EQ(Weir("bench " + kTiny + " --resume").exit_code, 2);
  EXPECT_EQ(Weir("bench " + kTiny + " --precision much").exit_code, 2);
}

TEST(SuiteCli, AFlagThatASuiteWouldIgnoreIsAnError) {
  const TempFolder folder;
  std::ofstream(folder / "s.toml") << SuiteOf("1");
  const std::string suite = folder / "s.toml";
  for (const char* flags : {"--users 2", "--gen-tokens 3", "--requests 2", "--chat", "--target null", "--depth 8"}) {
    const Outcome outcome = Weir("bench " + suite + " --dry-run " + flags);
    EXPECT_EQ(outcome.exit_code, 2) << flags;
    const std::string name = std::string(flags).substr(0, std::string(flags).find(' '));
    EXPECT_THAT(outcome.err, HasSubstr(name + ": a suite says that itself"));
  }
  EXPECT_EQ(Weir("bench " + kTiny + " --suite " + suite + " --dry-run").exit_code, 2);
  EXPECT_EQ(Weir("bench " + suite + " --dry-run --max-repeats 9").exit_code, 2);
  EXPECT_EQ(Weir("bench " + suite + " --dry-run --max-repeats 9 --precision 3%").exit_code, 0);
}

/// Starts a command, kills it with signal 9 as soon as `n_cells` cells of the database are ok, and waits for its end.
void KillAfter(const std::string& arguments, const std::string& db, int n_cells) {
  const pid_t child = fork();
  if (child == 0) {
    const std::string command = std::string("exec " WEIR_BINARY " ") + arguments + " >/dev/null 2>&1";
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  for (int i = 0; i < 6000; ++i) {
    usleep(10000);
    if (waitpid(child, nullptr, WNOHANG) == child) return;
    Result<Store> store = std::filesystem::exists(db) ? Store::OpenReadOnly(db) : Result<Store>(Failed("none"));
    if (!store) continue;
    const auto n = store->database().QueryInt("SELECT count(*) FROM cell WHERE status = 'ok'");
    if (n && *n >= n_cells) break;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(SuiteCli, ACampaignThatIsKilledAgainAndAgainGoesOn) {
  if (!OomKills()) GTEST_SKIP() << "this system does not say whom it kills for want of memory";
  const TempFolder folder;
  std::ofstream(folder / "s.toml") << SuiteOf("1, 2");
  const std::string db = folder / "r.db", bench = "bench " + (folder / "s.toml") + " --probe-mb 16 --resume --db " + db;
  for (int n = 0; n < 3; ++n) KillAfter(bench, db, 0);
  const auto json = JsonOf(Weir(bench + " --json"));
  ASSERT_EQ(json["cells"].size(), 2u);
  for (const auto& cell : json["cells"]) EXPECT_EQ(cell["status"], "ok") << cell["reason"];
}

TEST(SuiteCli, AKilledCampaignGoesOnAtTheCellAlsoWithAnEditedSuite) {
  const TempFolder folder;
  const std::string suite = folder / "s.toml", db = folder / "r.db";
  const std::string bench = "bench " + suite + " --probe-mb 16 --db " + db;
  // Cells of one model end in their last block; two models make sure that one is done and the other is not.
  const std::string second = "[[cells]]\nmodel = \"synth:qwen3.5-0.8b:UD-IQ2_XXS\"\nusers = 1\nprompt_tokens = 16\ngen_tokens = 40\n";
  std::ofstream(suite) << SuiteOf("1") << second;
  KillAfter(bench, db, 1);
  Store store = Store::Open(db).value();
  ASSERT_EQ(*store.database().QueryInt("SELECT count(*) FROM cell WHERE status = 'ok'"), 1);
  std::ofstream(suite) << SuiteOf("1, 2");  // the slow model is out, another number of users is in
  const Outcome outcome = Weir(bench + " --resume --json");
  const auto json = JsonOf(outcome);
  EXPECT_THAT(outcome.err, HasSubstr("1 cells are there, 1 to do"));
  int n_ok = 0;
  for (const auto& cell : json["cells"]) n_ok += cell["status"] == "ok";
  EXPECT_EQ(n_ok, 2) << "all cells of the campaign, those of the killed run too";
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM cell WHERE users = 1 AND status = 'ok'"), 1)
      << "what was done is not done again";
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM campaign"), 1);
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
  EXPECT_THAT(Weir(bench + " --resume").err, HasSubstr("2 cells are there, 0 to do"));
}

TEST(SuiteCli, ResumeStartsFreshWhereNothingIs) {
  const TempFolder folder;
  std::ofstream(folder / "s.toml") << SuiteOf("1");
  const auto json = JsonOf(Weir("bench " + (folder / "s.toml") + " --probe-mb 16 --resume --json --db " + (folder / "r.db")));
  EXPECT_EQ(json["cells"].size(), 1u);
  EXPECT_EQ(json["run"]["suite"], "tiny");
}

TEST(SuiteCli, TheNameOfACampaignCannotCommandATerminal) {
  const TempFolder folder;
  std::ofstream(folder / "s.toml") << "name = \"h\\u001b[31mred\"\nrepeats = 1\n[[cells]]\nmodel = \"" + kTiny +
                                          "\"\nprompt_tokens = 16\ngen_tokens = 20\n";
  const std::string bench = "bench " + (folder / "s.toml") + " --probe-mb 16 --resume --db " + (folder / "r.db");
  ASSERT_EQ(Weir(bench).exit_code, 0);
  const Outcome again = Weir(bench);
  EXPECT_THAT(again.err, HasSubstr("campaign h\\x1b[31mred"));
  EXPECT_THAT(again.err + again.out, testing::Not(HasSubstr("\x1b")));
}

TEST(RowsCli, RowsSqlExportAndImport) {
  const TempFolder folder;
  const std::string db = " --db " + (folder / "r.db");
  ASSERT_EQ(Weir("bench " + kTiny + " --prompt-tokens 16 --gen-tokens 20 --repeats 1 --users 1,2 --probe-mb 16" + db).exit_code, 0);
  EXPECT_THAT(Weir("rows" + db).out, HasSubstr("weir-tiny-q8_0"));
  EXPECT_EQ(JsonOf(Weir("rows --json --last 1" + db))["cells"].size(), 1u);
  EXPECT_EQ(JsonOf(Weir("rows --json --status failed" + db))["cells"].size(), 0u);
  EXPECT_EQ(JsonOf(Weir("rows --json --model Q8_0" + db))["cells"].size(), 2u);
  const Outcome csv = Weir("rows --csv" + db);
  EXPECT_EQ(std::count(csv.out.begin(), csv.out.end(), '\n'), 3);

  const auto sql = JsonOf(Weir("sql --json 'SELECT users, NULL AS absent, 1.5 AS x FROM cell ORDER BY users'" + db));
  EXPECT_EQ(sql["columns"], nlohmann::ordered_json({"users", "absent", "x"}));
  EXPECT_EQ(sql["rows"], nlohmann::ordered_json::parse("[[1,null,1.5],[2,null,1.5]]"));
  EXPECT_THAT(Weir("sql 'SELECT sha256, bytes FROM model_file'" + db).out, HasSubstr("5424576"));
  EXPECT_EQ(Weir("sql 'DELETE FROM cell'" + db).exit_code, 2);
  EXPECT_EQ(Weir("sql 'SELECT no_such_column'" + db).exit_code, 2);
  const Outcome two = Weir("sql 'SELECT 1; SELECT 2'" + db);
  EXPECT_EQ(two.exit_code, 2) << "the second would be ignored";
  EXPECT_THAT(two.err, HasSubstr("expected one SQL statement"));
  EXPECT_EQ(JsonOf(Weir("sql --json 'SELECT count(*) FROM cell; -- ; how many'" + db))["rows"][0][0], 2);

  ASSERT_EQ(Weir("export ppb --to " + (folder / "ppb.csv") + db).exit_code, 0);
  ASSERT_EQ(Weir("export parquet --to " + (folder / "rows.parquet") + db).exit_code, 0);
  EXPECT_EQ(ReadText(folder / "rows.parquet"), Weir("export parquet" + db).out);
  const Outcome llama = Weir("export llama-bench" + db);
  EXPECT_THAT(llama.out, HasSubstr("INSERT INTO llama_bench"));
  EXPECT_THAT(llama.err, HasSubstr("1 of 2 cells"));
  EXPECT_EQ(std::count(csv.out.begin(), csv.out.end(), '\n'), 3);
  EXPECT_THAT(Weir("import " + (folder / "ppb.csv") + db).out, HasSubstr("2 rows of poor-pauls-benchmark"));
  EXPECT_THAT(Weir("import " + (folder / "ppb.csv") + db).out,
              testing::AllOf(HasSubstr("0 rows of"), HasSubstr("2 more were there already")));
  const auto rows = JsonOf(Weir("rows --json" + db))["cells"];
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[3]["foreign_tool"], "poor-pauls-benchmark");
  EXPECT_EQ(rows[0]["foreign_tool"], nullptr);
  EXPECT_EQ(Weir("rows --db " + (folder / "none.db")).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "none.db"));
}

TEST(RowsCli, ATerminalIsNotShownParquet) {
  PseudoTerminal terminal("export parquet --db " + TestData("results-v3.db"));
  EXPECT_EQ(terminal.Exit(), 2);
  EXPECT_THAT(terminal.rest(), HasSubstr("name a file with --to"));
  EXPECT_THAT(terminal.rest(), testing::Not(HasSubstr("PAR1")));
}

}  // namespace
}  // namespace weir
