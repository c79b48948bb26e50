// --db with the address of a server, as users and scripts meet it.
#include "cli/weir_process.h"
#include "fleet_fixture.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class FleetCli : public FleetTest {
 protected:
  std::string Db() const { return " --db '" + url_ + "'"; }
  /// A run of the target that answers at once.
  Outcome Bench(const std::string& more) {
    return WeirIn(folder_, "bench --target null --users 1 --prompt-tokens 8 --gen-tokens 17 --repeats 2 --probe-mb 16 " + more);
  }
  /// The only file from which rows are sent.
  std::string Spool() const {
    std::string found;
    for (const auto& file : std::filesystem::directory_iterator(folder_ / "data/weir/fleet")) {
      if (file.path().extension() == ".db") found = file.path();
    }
    return found;
  }
};

TEST_F(FleetCli, BenchMeasuresHereAndSendsThere) {
  const Outcome bench = Bench("--json" + Db());
  ASSERT_EQ(bench.exit_code, 0) << bench.err;
  const Json document = Json::parse(bench.out);
  EXPECT_EQ(document["run"]["db"], Spool());
  EXPECT_EQ(document["run"]["fleet"]["runs_sent"], 1);
  EXPECT_TRUE(document["run"]["fleet"]["error"].is_null());
  EXPECT_THAT(bench.err, HasSubstr("1 run with 1 cell sent to postgresql://weir@/"));
  ASSERT_EQ(Bench(Db()).exit_code, 0);
  EXPECT_EQ(Count("run"), 2);

  // Every command that reads a file reads a server, and says the same.
  for (const std::string command : {"rows --run 1 --csv", "sql 'SELECT * FROM summary ORDER BY cell, figure' --json", "export jsonl"}) {
    const Outcome there = WeirIn(folder_, command + Db()), here = WeirIn(folder_, command + " --db " + Spool());
    EXPECT_EQ(there.exit_code, 0) << there.err;
    EXPECT_EQ(there.out, here.out) << command;
  }
  const Outcome rows = WeirIn(folder_, "rows --json" + Db());
  EXPECT_EQ(Json::parse(rows.out)["cells"].size(), 2u);
  EXPECT_EQ(WeirIn(folder_, fmt::format("compare '{}#1' '{}#2'", url_, url_)).exit_code, 0);
  EXPECT_EQ(WeirIn(folder_, "compare 1 2 --json" + Db()).exit_code, 0);
  EXPECT_THAT(WeirIn(folder_, "report --md -" + Db()).out, HasSubstr("null"));
  EXPECT_EQ(WeirIn(folder_, "verdict --json" + Db()).exit_code, 0);
  EXPECT_THAT(WeirIn(folder_, "sql 'DELETE FROM cell'" + Db()).err, HasSubstr("only reads"));
}

TEST_F(FleetCli, RowsThatCouldNotBeSentAreKeptAndSentLater) {
  ASSERT_TRUE(CheckFleet(url_).ok());
  Ask("CREATE TABLE stop (); CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END'; "
      "CREATE TRIGGER no BEFORE INSERT ON attempt EXECUTE FUNCTION no(); SELECT 1");
  const Outcome bench = Bench("--json" + Db());
  EXPECT_EQ(bench.exit_code, 1);
  EXPECT_THAT(bench.err, AllOf(HasSubstr("not today"), HasSubstr("weir push " + Spool())));
  const Json document = Json::parse(bench.out);
  EXPECT_EQ(document["cells"][0]["status"], "ok");
  EXPECT_THAT(document["run"]["fleet"]["error"].get<std::string>(), HasSubstr("not today"));
  EXPECT_EQ(Count("run"), 0);
  Ask("DROP TRIGGER no ON attempt; SELECT 1");
  const Outcome push = WeirIn(folder_, "push --json " + Spool() + " '" + url_ + "'");
  ASSERT_EQ(push.exit_code, 0) << push.err;
  EXPECT_EQ(Json::parse(push.out)["runs_sent"], 1);
  EXPECT_THAT(WeirIn(folder_, "push " + Spool() + " '" + url_ + "'").out, HasSubstr("0 runs with 0 cells sent"));
  // docs/postgresql.md says that a run is taken out like this.
  Ask("DELETE FROM cell WHERE run IN (SELECT id FROM run); DELETE FROM run; SELECT 1");
  EXPECT_EQ(Count("rates") + Count("request") + Count("summary"), 0);
}

TEST_F(FleetCli, AServerThatIsAwayIsSaidBeforeAnythingIsMeasured) {
  const std::string away = " --db 'postgresql://ann:hunter2@127.0.0.1:1/d'";
  const std::vector<std::string> commands = {"bench --target null" + away, "rows" + away, "sql 'SELECT 1'" + away, "report" + away, "fit synth:qwen3.5-0.8b:Q8_0" + away,
                                    "import " + TestData("results-v1.db") + away, "push " + TestData("results-v1.db") + " 'postgresql://ann:hunter2@127.0.0.1:1/d'",
                                    "compare 'postgresql://ann:hunter2@127.0.0.1:1/d#1@Q8_0' 1"};
  for (const std::string& command : commands) {
    const Outcome outcome = WeirIn(folder_, command);
    EXPECT_THAT(outcome.exit_code, testing::AnyOf(1, 2)) << command;
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("127.0.0.1:1"), Not(HasSubstr("hunter2")))) << command;
    EXPECT_THAT(outcome.out, Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(Bench("--db 'postgresql://ann:hunter2@127.0.0.1:1/d'").err, HasSubstr("weir push FILE"));
  EXPECT_EQ(WeirIn(folder_, "push a.db b.db").exit_code, 2);
  EXPECT_EQ(WeirIn(folder_, "push nowhere.db '" + url_ + "'").exit_code, 2);
}

}  // namespace
}  // namespace weir
