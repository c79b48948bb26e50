#include "store/store.h"

#include <gmock/gmock.h>

#include <fstream>

#include "store/schema.h"
#include "store_fixture.h"

namespace weir {
namespace {

using testing::HasSubstr;

TEST_F(StoreTest, ReopensWhatItWrote) {
  int64_t run = 0;
  {
    Store store = OpenOrDie(Path());
    run = *store.BeginRun(SomeRun());
    const int64_t cell =
        *store.BeginCell(run, *store.AddModel(SomeModel()), {4, 8, 32, 2, 3, 12345});
    ASSERT_TRUE(
        store.EndCell(cell, CellStatus::kRefused, "too big", {{"noisy", "spread 12 %"}}).ok());
  }
  Store store = OpenOrDie(Path());
  const std::vector<CellResult> cells = *store.Results(run);
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].model.quant, "Q8_0");
  EXPECT_EQ(cells[0].row.users, 4);
  EXPECT_EQ(cells[0].row.planned_bytes, 12345);
  EXPECT_EQ(cells[0].status, CellStatus::kRefused);
  EXPECT_EQ(cells[0].reason, "too big");
  EXPECT_TRUE(cells[0].figures.empty());
  ASSERT_EQ(cells[0].flags.size(), 1u);
  EXPECT_EQ(cells[0].flags[0].detail, "spread 12 %");
}

TEST_F(StoreTest, SameMachineBuildAndModelAreOneRow) {
  Store store = OpenOrDie(Path());
  for (int i = 0; i < 2; ++i) AddCell(store, 1);
  for (const char* table : {"machine", "build", "model"}) {
    EXPECT_EQ(*store.database().QueryInt(fmt::format("SELECT count(*) FROM {}", table)), 1)
        << table;
  }
  EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM run"), 2);
}

TEST_F(StoreTest, SchemaIsStrictVersionedAndChecked) {
  Store store = OpenOrDie(Path());
  Database& database = store.database();
  EXPECT_EQ(*database.QueryInt("PRAGMA user_version"), kSchemaVersion);
  EXPECT_EQ(*database.QueryInt("SELECT version FROM schema_version"), kSchemaVersion);
  EXPECT_EQ(*database.QueryInt("SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND "
                               "schema = 'main' AND NOT strict AND name NOT LIKE 'sqlite%'"),
            0);
  const int64_t cell = AddCell(store, 1);
  EXPECT_FALSE(database.Execute("UPDATE cell SET users = 'two' WHERE id = ?", cell).ok());
  EXPECT_FALSE(database.Execute("UPDATE cell SET status = 'fine' WHERE id = ?", cell).ok());
  EXPECT_FALSE(database.Execute("UPDATE cell SET model = 999 WHERE id = ?", cell).ok());
}

TEST_F(StoreTest, ViewsAgreeWithTheConstantOnShortWindows) {
  Store store = OpenOrDie(Path());
  const std::string literal = fmt::format("%>= {},%", kMinDecodeSteps);
  for (const char* view : {"decode_window", "aggregate_window"}) {
    EXPECT_EQ(*store.database().QueryInt(fmt::format(
                  "SELECT count(*) FROM sqlite_schema WHERE name = '{}' AND sql LIKE '{}'", view,
                  literal)),
              1)
        << view;
  }
}

TEST_F(StoreTest, WhatACrashLeavesIsMarkedInterrupted) {
  int64_t cell = 0;
  {
    Store store = OpenOrDie(Path());
    cell = AddCell(store, 1);
    ASSERT_TRUE(store.BeginAttempt(cell, 1, std::nullopt).ok());
  }
  Store store = OpenOrDie(Path());
  EXPECT_EQ(store.ResultOfCell(cell)->status, CellStatus::kInterrupted);
  EXPECT_EQ(*store.database().QueryInt("SELECT status = 'interrupted' FROM attempt"), 1);
  EXPECT_EQ(*store.database().QueryInt("SELECT ended_at IS NULL FROM run"), 1);
}

TEST_F(StoreTest, ACampaignDiedAtTheCellThatWasInFlightOnly) {
  Store store = OpenOrDie(Path());
  RunRow run_row = SomeRun();
  run_row.campaign = *store.AddCampaign("c", "");
  const int64_t run = *store.BeginRun(run_row), model = *store.AddModel(SomeModel());
  const auto begin = [&](const std::string& key) {
    CellRow row{1, 8, 32, 2, 3, std::nullopt};
    row.key = key;
    return *store.BeginCell(run, model, row);
  };
  WholeAttempt whole;
  whole.status = AttemptStatus::kOk;
  const int64_t waits = begin("waits"), measured = begin("measured"), stopped = begin("stopped");
  AddAttempt(store, waits, 0, whole);
  AddAttempt(store, measured, 0, whole);
  (void)store.BeginAttempt(stopped, 0, {});
  ASSERT_TRUE(store.EndCell(stopped, CellStatus::kInterrupted, "Ctrl-C", {}).ok());
  (void)store.BeginAttempt(measured, 1, {});
  begin("started");
  ASSERT_TRUE(store.RemoveCells({begin("removed")}).ok());
  const Result<std::vector<CellState>> states = store.CampaignStates(*run_row.campaign, {});
  ASSERT_TRUE(states.ok());
  std::map<std::string, int> deaths;
  for (const CellState& state : *states) deaths[state.key] = state.n_deaths;
  EXPECT_EQ(deaths, (std::map<std::string, int>{{"measured", 1}, {"started", 1}, {"stopped", 0}, {"waits", 0}}));
}

TEST_F(StoreTest, WhoeverKillsACampaignOnlyTheMachineMakesACellDeadly) {
  Store store = OpenOrDie(Path());
  RunRow run_row = SomeRun();
  run_row.campaign = *store.AddCampaign("c", "");
  const auto die = [&](std::optional<int64_t> oom_kills) {
    run_row.oom_kills = oom_kills;
    CellRow row{1, 8, 32, 2, 3, std::nullopt};
    row.key = "cell";
    (void)*store.BeginCell(*store.BeginRun(run_row), *store.AddModel(SomeModel()), row);
  };
  const auto state = [&](std::optional<int64_t> oom_kills) {
    return store.CampaignStates(*run_row.campaign, oom_kills)->at(0);
  };
  die(5);
  EXPECT_EQ(state(5).n_ends, 1);
  EXPECT_EQ(state(5).n_deaths, 0) << "somebody's kill -9";
  EXPECT_EQ(state(6).n_deaths, 1) << "the kernel's";
  EXPECT_EQ(state({}).n_deaths, 1) << "who knows";
  die(6);
  EXPECT_EQ(state(6).n_deaths, 1) << "the first, as the second run tells";
  EXPECT_EQ(state(7).n_deaths, 2);
  // The machine has started again since: its clocks stand otherwise to each other.
  ASSERT_TRUE(store.database().Run("UPDATE run SET started_ns = started_ns + 1000000000000").ok());
  EXPECT_EQ(state(6).n_deaths, 2);
  EXPECT_EQ(state(6).n_ends, 2);
}

TEST_F(StoreTest, AStatementThatWasUsedBeforeIsLikeANewOne) {
  Database database = Database::InMemory("some.db").value();
  ASSERT_TRUE(database.Run("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)").ok());
  const char* const sql = "SELECT x, ? FROM t ORDER BY x";
  {
    Statement half = database.Prepare(sql).value(), other = database.Prepare(sql).value();
    half.Bind(7);
    other.Bind(8);
    ASSERT_TRUE(*half.Step() && *half.Step() && *other.Step());
    EXPECT_EQ(half.Int(0), 2);
    EXPECT_EQ(half.Int(1), 7);
    EXPECT_EQ(other.Int(0), 1) << "two of the same text know nothing of each other";
    EXPECT_EQ(other.Int(1), 8);
  }
  ASSERT_TRUE(database.Run("INSERT INTO t VALUES (0)").ok());
  Statement again = database.Prepare(sql).value();
  ASSERT_TRUE(*again.Step());
  EXPECT_EQ(again.Int(0), 0) << "from the beginning";
  EXPECT_TRUE(again.IsNull(1)) << "nothing is bound";
  // More texts than are kept, and one that is found no more.
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(*database.QueryInt(fmt::format("SELECT x + {} FROM t WHERE x = 3", i)), i + 3);
  }
  EXPECT_EQ(*database.QueryInt("SELECT x + 0 FROM t WHERE x = 3"), 3);
  ASSERT_TRUE(database.Run("ALTER TABLE t RENAME COLUMN x TO y").ok());
  EXPECT_FALSE(database.QueryInt("SELECT x + 0 FROM t WHERE x = 3").ok()) << "the schema is today's";
}

TEST_F(StoreTest, AStatementMayOutliveItsDatabase) {
  std::optional<Statement> left;
  {
    Database database = Database::Open(Path(), OpenMode::kCreate).value();
    ASSERT_TRUE(database.Run("CREATE TABLE t (x); INSERT INTO t VALUES (5)").ok());
    left = database.Prepare("SELECT x FROM t").value();
    database = Database::InMemory("another").value();
  }
  ASSERT_TRUE(*left->Step());
  EXPECT_EQ(left->Int(0), 5);
}

TEST_F(StoreTest, AStatementThatIsDoneWithHoldsNoLock) {
  Database reader = Database::Open(Path(), OpenMode::kCreate).value();
  ASSERT_TRUE(reader.Run("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)").ok());
  ASSERT_TRUE(*reader.Prepare("SELECT x FROM t")->Step());
  Database writer = Database::Open(Path(), OpenMode::kCreate).value();
  const Status written = writer.Run("PRAGMA busy_timeout = 0; INSERT INTO t VALUES (3)");
  EXPECT_TRUE(written.ok()) << written.error().message;
}

TEST_F(StoreTest, WhatWasPreparedBeforeIsConfinedToo) {
  Database database = Database::InMemory("some.db").value();
  ASSERT_TRUE(database.QueryInt("PRAGMA page_size").ok());
  database.Confine(1'000'000);
  EXPECT_FALSE(database.QueryInt("PRAGMA page_size").ok());
  EXPECT_EQ(*database.QueryInt("SELECT 1 + 1"), 2);
}

TEST_F(StoreTest, ADirectoryIsRefused) {
  const Result<Store> store = Store::Open(folder_.string());
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(store.error().message, HasSubstr("is a directory"));
  EXPECT_THAT(store.error().hint, HasSubstr("--db"));
}

TEST_F(StoreTest, AMissingFolderIsSaid) {
  const Result<Store> store = Store::Open(Path("no/such/results.db"));
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(store.error().message, HasSubstr("folder does not exist"));
}

TEST_F(StoreTest, AnotherFileIsLeftAsItIs) {
  const std::string text(5000, 'x');
  std::ofstream(Path()) << text;
  const Result<Store> store = Store::Open(Path());
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(store.error().message, HasSubstr("is not an SQLite database"));
  EXPECT_EQ(std::filesystem::file_size(Path()), text.size());
}

TEST_F(StoreTest, AnotherProgramsDatabaseIsLeftAsItIs) {
  {
    Result<Database> other = Database::Open(Path(), OpenMode::kCreate);
    ASSERT_TRUE(other->Run("CREATE TABLE music (title TEXT)").ok());
  }
  const Result<Store> store = Store::Open(Path());
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(store.error().message, HasSubstr("belongs to another program"));
  Result<Database> other = Database::Open(Path(), OpenMode::kReadOnly);
  EXPECT_EQ(*other->QueryInt("SELECT count(*) FROM sqlite_schema"), 1);
}

TEST_F(StoreTest, ANewerSchemaIsRefused) {
  {
    Store store = OpenOrDie(Path());
    ASSERT_TRUE(
        store.database().Run(fmt::format("PRAGMA user_version = {}", kSchemaVersion + 1)).ok());
  }
  for (const Result<Store>& store : {Store::Open(Path()), Store::OpenReadOnly(Path())}) {
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(store.error().code, ErrorCode::kBadInput);
    EXPECT_THAT(store.error().message, HasSubstr("newer weir"));
    EXPECT_THAT(store.error().hint, HasSubstr("update weir"));
  }
}

TEST_F(StoreTest, WritingToAReadOnlyDatabaseIsSaid) {
  { OpenOrDie(Path()); }
  Result<Store> store = Store::OpenReadOnly(Path());
  ASSERT_TRUE(store.ok()) << store.error().message;
  const Result<int64_t> run = store->BeginRun(SomeRun());
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(run.error().message, HasSubstr("cannot be written to"));
  EXPECT_THAT(run.error().hint, HasSubstr("--db"));
}

TEST_F(StoreTest, AFullDiskIsSaidAndLosesOnlyWhatWasNotCommitted) {
  Store store = OpenOrDie(Path());
  const int64_t cell = AddCell(store, 1);
  AttemptWriter writer = store.BeginAttempt(cell, 1, std::nullopt).value();
  writer.AddRequest({});
  ASSERT_TRUE(writer.Flush().ok());
  // max_page_count is how SQLite itself lets a disk be full.
  ASSERT_TRUE(store.database().Run("PRAGMA max_page_count = 1").ok());
  Status status;
  for (int i = 0; status.ok() && i < 10000; ++i) {
    writer.AddRequest({});
    status = writer.Flush();
  }
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("no space left"));
  EXPECT_EQ(store.ResultOfCell(cell)->status, CellStatus::kInterrupted);
  EXPECT_EQ(*store.database().QueryInt("SELECT status = 'interrupted' FROM attempt"), 1);
  EXPECT_GE(*OpenOrDie(Path()).database().QueryInt("SELECT count(*) FROM request"), 1);
}

TEST_F(StoreTest, AnAttemptIsWrittenAsItWas) {
  Store store = OpenOrDie(Path());
  const int64_t cell = AddCell(store, 1);
  AttemptWriter writer = store.BeginAttempt(cell, 1, std::nullopt).value();
  RequestRow request{1, 2, true, 30, 31, 8, 9};
  request.sent_ns = 32;
  request.headers_ns = 33;
  request.first_chunk_ns = 34;
  request.first_reasoning_ns = 40;
  request.first_content_ns = 44;
  request.ended_ns = 45;
  request.cached_tokens = 3;
  request.counted_by = CountedBy::kUsage;
  request.token_ns = {40, 44};
  request.finish = FinishReason::kError;
  request.error = "lost";
  writer.AddRequest(request);
  writer.AddRequest({});
  ASSERT_TRUE(writer.Flush().ok());
  ASSERT_TRUE(writer.AddSteps({{50, 60, 1, 2, {3, 4, 5, 6, 7}}}).ok());
  AttemptRow row{AttemptStatus::kFailed, "lost", 4096, "00ff", {}};
  row.answers_hash = "11aa";
  row.disturbance = DisturbanceRow{0.25, std::nullopt, 2, {}, {}, 0.5};
  row.energy = {{"package", "rapl", 1.5, 0.5, 7}};
  row.samples = {{55, "load", 1.25}};
  ASSERT_TRUE(writer.Finish(row).ok());
  for (const char* condition :
       {"FROM request WHERE attempt = 1 AND user = 1 AND round = 2 AND gated AND scheduled_ns = 30 "
        "AND submitted_ns = 31 AND ended_ns = 45 AND prompt_tokens = 8 AND max_tokens = 9 AND "
        "finish = 'error' AND error = 'lost' AND NOT warm_up AND sent_ns = 32 AND headers_ns = 33 AND "
        "first_chunk_ns = 34 AND first_reasoning_ns = 40 AND first_content_ns = 44 AND "
        "cached_tokens = 3 AND answer_tokens = 2 AND counted_by = 'usage' AND "
        "token_offsets_ns = '[10,14]'",
        "FROM request WHERE ended_ns IS NULL AND finish IS NULL AND token_offsets_ns = '[]'",
        "FROM token_time WHERE request = 1 AND ordinal = 1 AND time_ns = 44",
        "FROM step WHERE attempt = 1 AND ordinal = 0 AND begin_ns = 50 AND end_ns = 60 AND "
        "decode_rows = 1 AND prefill_rows = 2 AND weight_bytes = 3 AND kv_bytes = 4 AND "
        "state_bytes = 5 AND int8_macs = 6 AND f32_macs = 7",
        "FROM disturbance WHERE steal_share = 0.25 AND other_share IS NULL AND throttles = 2",
        "FROM energy WHERE boundary = 'package' AND source = 'rapl' AND joules = 1.5 AND idle_w = 7",
        "FROM sample WHERE time_ns = 55 AND name = 'load' AND value = 1.25",
        "FROM attempt WHERE status = 'failed' AND reason = 'lost' AND peak_memory_bytes = 4096 AND "
        "logits_hash = '00ff' AND answers_hash = '11aa' AND rejected IS NULL AND rates_before IS NULL"}) {
    EXPECT_EQ(*store.database().QueryInt(std::string("SELECT count(*) ") + condition), 1)
        << condition;
  }
}

TEST_F(StoreTest, ALockedDatabaseIsSaid) {
  Store first = OpenOrDie(Path());
  Result<Transaction> held = Transaction::Begin(first.database());
  ASSERT_TRUE(held.ok());
  const Result<Store> second = Store::Open(Path());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.error().message, HasSubstr("locked by another program"));
  EXPECT_THAT(second.error().hint, HasSubstr("wait"));
}

}  // namespace
}  // namespace weir
