// Rows on their way to a real server and back.
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "fleet_fixture.h"
#include "store/fleet_schema.h"
#include "store/schema.h"
#include "test_data.h"

namespace weir {
namespace {

using testing::HasSubstr;

/// All rows of a table but for ids and what refers to them, in an order of their own.
std::multiset<std::string> Rows(Database& database, const TableShape& table) {
  std::multiset<std::string> rows;
  Result<Statement> query = database.Prepare("SELECT * FROM " + table.name);
  EXPECT_TRUE(query->ForEach([&](const Statement& row) {
    std::string text;
    for (int i = 0; i < row.n_columns(); ++i) {
      const ColumnShape& column = table.columns[static_cast<size_t>(i)];
      if (column.name == "id" || !column.references.empty()) continue;
      const DbValue value = row.Value(i);
      text += column.name + "=";
      if (const auto* real = std::get_if<double>(&value)) text += fmt::format("{:a} ", *real);
      else text += fmt::format("{}{} ", row.IsNull(i) ? "NULL" : "", row.Text(i));
    }
    rows.insert(text);
  }).ok());
  return rows;
}

/// By cell, in the order of cells, with all bits.
std::vector<std::string> Figures(Database& database) {
  std::vector<std::string> lines;
  Result<Statement> query = database.Prepare("SELECT dense_rank() OVER (ORDER BY cell), figure, n, median, p95, p99, least, greatest "
                                             "FROM summary ORDER BY cell, figure");
  EXPECT_TRUE(query->ForEach([&](const Statement& row) {
    std::string line = row.Text(0) + " " + row.Text(1) + " " + row.Text(2);
    for (int i = 3; i < 8; ++i) line += row.IsNull(i) ? " NULL" : fmt::format(" {:a}", row.Real(i));
    lines.push_back(line);
  }).ok());
  return lines;
}

Database FetchOrDie(const std::string& url, const FleetSelection& selection = {}) {
  Result<Database> fetched = FetchFleet(url, selection);
  EXPECT_TRUE(fetched.ok()) << fetched.error().message;
  return std::move(fetched).value();
}

/// The server has the tables and columns of a file, and the same promises about their rows.
void ExpectTablesOfToday(const std::string& url) {
  Result<Database> database = Database::InMemory("x");
  ASSERT_TRUE(PrepareSchema(*database).ok());
  const std::vector<TableShape> shapes = *ReadShapes(*database);
  Result<Postgres> server = Postgres::Connect(*ParseFleetUrl(url));
  ASSERT_TRUE(server->Begin(Postgres::Access::kRead).ok());
  std::map<std::string, std::vector<std::string>> here, there;
  for (const TableShape& table : shapes) {
    Result<Statement> query = database->Prepare("SELECT name, type, \"notnull\" OR pk > 0, pk > 0, dflt_value IS NOT NULL FROM pragma_table_info(?) ORDER BY cid");
    query->Bind(table.name);
    ASSERT_TRUE(query->ForEach([&](const Statement& row) {
      const std::string type = row.Text(1) == "INTEGER" ? "int8" : row.Text(1) == "REAL" ? "float8" : "text";
      here[table.name].push_back(fmt::format("{} {} {} {} {}", row.Text(0), type, row.Int(2), row.Int(3), row.Int(4)));
    }).ok());
    const auto& found = there[table.name];
    ASSERT_TRUE(server->Query(fmt::format("SELECT a.attname, t.typname, a.attnotnull::int, "
                                          "coalesce((SELECT a.attnum = ANY (c.conkey) FROM pg_constraint c WHERE c.conrelid = a.attrelid AND c.contype = 'p'), false)::int, "
                                          "(a.atthasdef)::int FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
                                          "WHERE a.attrelid = '{}'::regclass AND a.attnum > 0 ORDER BY a.attnum", table.name),
                              [&](Postgres::Row row) {
      there[table.name].push_back(fmt::format("{} {} {} {} {}", *row[0], *row[1], *row[2], *row[3], *row[4]));
      return Status();
    }).ok());
    EXPECT_EQ(here[table.name], found) << table.name;
    // Keys to other tables, and what else is promised of the rows.
    const auto count = [&](const char* kinds) { return *server->QueryInt(fmt::format("SELECT count(*) FROM pg_constraint WHERE conrelid = '{}'::regclass AND contype IN ({})", table.name, kinds)); };
    EXPECT_EQ(count("'f'"), *database->QueryInt(fmt::format("SELECT count(*) FROM pragma_foreign_key_list('{}')", table.name))) << table.name;
    EXPECT_EQ(count("'u'"), *database->QueryInt(fmt::format("SELECT count(*) FROM pragma_index_list('{}') WHERE origin = 'u'", table.name))) << table.name;
    const int64_t checks = *database->QueryInt(fmt::format("SELECT (length(sql) - length(replace(sql, 'CHECK (', ''))) / 7 FROM sqlite_schema WHERE name = '{}'", table.name));
    EXPECT_EQ(count("'c'"), checks) << table.name;
  }
  EXPECT_EQ(*server->QueryInt("SELECT max(version) FROM schema_version"), kSchemaVersion);
  // The server's summary has the columns of the view.
  std::string view, table;
  Result<Statement> query = database->Prepare("SELECT name FROM pragma_table_info('summary') ORDER BY cid");
  ASSERT_TRUE(query->ForEach([&](const Statement& row) { view += row.Text(0) + " "; }).ok());
  ASSERT_TRUE(server->Query("SELECT attname FROM pg_attribute WHERE attrelid = 'summary'::regclass AND attnum > 0 ORDER BY attnum", [&](Postgres::Row row) {
    table += std::string(*row[0]) + " ";
    return Status();
  }).ok());
  EXPECT_EQ(table, view);
}

TEST_F(FleetTest, TheServerHasTheSameTablesAndColumns) {
  ASSERT_TRUE(CheckFleet(url_).ok());
  ExpectTablesOfToday(url_);
  EXPECT_TRUE(CheckFleet(url_).ok());  // what is there is left alone
}

TEST_F(FleetTest, AServerOfAnEarlierVersionIsBroughtUpToDate) {
  ASSERT_TRUE(CheckFleet(url_).ok());
  Ask("DROP TABLE least_step; SELECT 1");
  Ask("ALTER TABLE run DROP COLUMN instrument_token_ns, DROP COLUMN client_token_ns, DROP COLUMN client_streams, DROP COLUMN oom_kills; SELECT 1");
  Ask("UPDATE schema_version SET version = 5; SELECT 1");
  EXPECT_THAT(FetchFleet(url_, {}).error().message, HasSubstr("an older weir"));
  ASSERT_TRUE(CheckFleet(url_).ok());
  ExpectTablesOfToday(url_);
  EXPECT_TRUE(FetchFleet(url_, {}).ok());
  Ask("UPDATE schema_version SET version = 4; SELECT 1");
  EXPECT_THAT(CheckFleet(url_).error().message, HasSubstr("an older weir")) << "there were no servers then";
}

TEST_F(FleetTest, RowsAndFiguresComeBackAsTheyWere) {
  const std::string file = folder_ / "rows.db";
  WriteFile(file);
  {
    Store store = OpenOrDie(file);
    const int64_t run = *store.BeginRun(SomeRun());
    const int64_t model = *store.AddModel({"other.gguf", "", "", true, 1, 2, 3, "def"});
    ASSERT_TRUE(store.AddQuality(run, {"text", "sha", 512, 256, 3, 700}, {model, "int8", "f16", {2.5, 0.1}, {12.25, {}}},
                                 DistanceFromReference{{1, "f32", "f16", {2.4, {}}, {11, {}}}, {1.1, {}}, {0.01, {}}, {0.9, {}}, 0, 1, 2}).ok());
    CellRow row{1, 1, 1, 1, 1, {}};
    row.least_step = StepCost{1, 2, 3, 4, 5};
    const int64_t cell = *store.BeginCell(run, model, row);
    ASSERT_TRUE(store.AddForeignFigure(cell, "decode_tok_s", 0.1 + 0.2).ok());
    ASSERT_TRUE(store.EndCell(cell, CellStatus::kRefused, "it's 'too' big\\n \"x\"; --", {}).ok());
  }
  const FleetPush push = PushOrDie(file);
  EXPECT_EQ(push.n_runs, 2);
  EXPECT_EQ(push.n_cells, 2);
  Database fetched = FetchOrDie(url_);
  Store store = OpenOrDie(file);
  const std::vector<TableShape> shapes = *ReadShapes(fetched);
  for (const TableShape& table : shapes) {
    if (table.name == "schema_version") continue;
    EXPECT_EQ(Rows(fetched, table), Rows(store.database(), table)) << table.name;
    EXPECT_NE(*fetched.QueryInt("SELECT count(*) FROM " + table.name), table.name == "campaign" ? 1 : 0) << table.name;
  }
  EXPECT_EQ(*fetched.QueryInt("SELECT count(*) FROM pragma_foreign_key_check"), 0);
  const std::vector<std::string> figures = Figures(store.database());
  EXPECT_GE(figures.size(), 15u);
  EXPECT_EQ(Figures(fetched), figures);
  EXPECT_FALSE(fetched.Execute("DELETE FROM cell").ok());
  // What the server itself says is the same, to the last bit.
  std::vector<std::string> there;
  Result<Postgres> server = Postgres::Connect(*ParseFleetUrl(url_));
  ASSERT_TRUE(server->Begin(Postgres::Access::kRead).ok());
  ASSERT_TRUE(server->Query("SELECT dense_rank() OVER (ORDER BY cell), figure, n, median, p95, p99, least, greatest FROM summary ORDER BY cell, figure COLLATE \"C\"",
                            [&](Postgres::Row row) {
    std::string line = fmt::format("{} {} {}", *row[0], *row[1], *row[2]);
    for (size_t i = 3; i < 8; ++i) line += row[i] ? fmt::format(" {:a}", std::stod(std::string(*row[i]))) : " NULL";
    there.push_back(line);
    return Status();
  }).ok());
  EXPECT_EQ(there, figures);
}

TEST_F(FleetTest, FilesOfEarlierVersionsAreSentAsIfTheyWereOfToday) {
  for (const int version : {1, 2, 3, 4}) {
    const std::string file = TestData(fmt::format("results-v{}.db", version));
    PushOrDie(file);
    EXPECT_EQ(PushOrDie(file).n_runs, 0) << version;
  }
  Database fetched = FetchOrDie(url_);
  Result<Store> file = Store::OpenReadOnly(TestData("results-v3.db"));
  const std::vector<std::string> figures = Figures(file->database());
  EXPECT_GE(figures.size(), 8u);
  const std::vector<std::string> all = Figures(fetched);
  EXPECT_EQ(std::vector(all.end() - std::ssize(figures), all.end()).size(), figures.size());
  EXPECT_EQ(Count("cell"), *fetched.QueryInt("SELECT count(*) FROM cell"));
}

TEST_F(FleetTest, SendingTwiceAddsNothing) {
  const std::string file = folder_ / "rows.db";
  WriteFile(file);
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  const int64_t ids = Ask("SELECT sum(id) FROM request");
  const FleetPush again = PushOrDie(file);
  EXPECT_EQ(again.n_runs, 0);
  EXPECT_EQ(again.n_there, 1);
  EXPECT_EQ(Ask("SELECT sum(id) FROM request"), ids);
  EXPECT_EQ(Count("summary"), Count("(SELECT DISTINCT cell, figure FROM summary) AS s"));
}

TEST_F(FleetTest, FilesOfSeveralMachinesShareWhatIsTheSame) {
  for (const char* name : {"a.db", "b.db"}) {
    WriteFile(folder_ / name);
    EXPECT_EQ(PushOrDie(folder_ / name).n_runs, 1);
  }
  for (const char* shared : {"machine", "build", "model", "model_file"}) EXPECT_EQ(Count(shared), 1) << shared;
  EXPECT_EQ(Count("run"), 2);
  EXPECT_EQ(Count("cell"), 2);
  EXPECT_EQ(Count("attempt a JOIN rates r ON r.id = a.rates_before JOIN cell c ON c.id = a.cell WHERE r.run <> c.run"), 0);
  Database first = FetchOrDie(url_, {.run = 1}), newest = FetchOrDie(url_, {.newest = true});
  EXPECT_EQ(*first.QueryInt("SELECT count(*) FROM cell"), 1);
  EXPECT_EQ(Figures(first), Figures(newest));
  EXPECT_EQ(*newest.QueryInt("SELECT max(id) FROM run"), 2);
  EXPECT_EQ(*FetchOrDie(url_, {.machine = "m1"}).QueryInt("SELECT count(*) FROM run"), 2);
  EXPECT_EQ(*FetchOrDie(url_, {.machine = "m2"}).QueryInt("SELECT count(*) FROM run"), 0);
  EXPECT_EQ(*FetchOrDie(url_, {.last_cells = 1}).QueryInt("SELECT min(id) FROM run"), 2);
}

TEST_F(FleetTest, ARunThatWentOnReplacesWhatWasThere) {
  const std::string file = folder_ / "rows.db", copy = folder_ / "copy.db";
  Store store = OpenOrDie(file);
  const int64_t run = *store.BeginRun(SomeRun());
  AddCell(store, run, 1);
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  EXPECT_EQ(PushOrDie(file).n_runs, 0);  // as far as it was, also while it goes on
  ASSERT_TRUE(store.database().Run("PRAGMA wal_checkpoint(TRUNCATE)").ok());
  std::filesystem::copy_file(file, copy);
  const int64_t cell = AddCell(store, run, 2);
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  EXPECT_EQ(Count("run"), 1);
  EXPECT_EQ(Count("cell"), 2);
  EXPECT_EQ(PushOrDie(copy).n_runs, 0);  // an older copy takes nothing away
  EXPECT_EQ(Count("cell"), 2);
  // What adds no row is sent too.
  ASSERT_TRUE(store.RejectAttempt(1, "disturbed").ok());
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  EXPECT_EQ(Count("attempt WHERE rejected IS NOT NULL"), 1);
  const int64_t left = *store.BeginCell(run, 1, {1, 1, 1, 1, 1, {}});
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  ASSERT_TRUE(store.EndCell(left, CellStatus::kInterrupted, "Ctrl-C", {}).ok());
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  ASSERT_TRUE(store.EndRun(run).ok());
  EXPECT_EQ(PushOrDie(file).n_runs, 1);
  EXPECT_EQ(Ask("SELECT min(id) FROM run"), 1);
  EXPECT_GT(cell, 0);
}

TEST_F(FleetTest, CampaignsOfOneNameStayApart) {
  for (const char* name : {"a.db", "b.db"}) {
    Store store = OpenOrDie(folder_ / name);
    const int64_t campaign = *store.AddCampaign("article", "first");
    for (int i = 0; i < 2; ++i) {
      // The second run is that of a campaign that was resumed after rows were sent.
      AddCell(store, *store.BeginRun(SomeRun(campaign)), 1);
      ASSERT_TRUE(store.SetSuite(campaign, fmt::format("{} {}", name, i)).ok());
      EXPECT_EQ(PushOrDie(folder_ / name).n_runs, 1);
    }
  }
  EXPECT_EQ(Count("campaign"), 2);
  EXPECT_EQ(Count("run WHERE campaign = 1"), 2);
  EXPECT_EQ(Count("campaign WHERE suite = 'a.db 1' OR suite = 'b.db 1'"), 2);
  Result<Store> fetched = Store::OpenReadOnly(url_, {.campaign = "article"});
  ASSERT_TRUE(fetched.ok());
  EXPECT_EQ((*fetched->FindCampaign("article"))->id, 2);
  EXPECT_EQ(*fetched->database().QueryInt("SELECT count(*) FROM run"), 2);
  EXPECT_EQ(fetched->CampaignCells(2)->size(), 1u);
  EXPECT_EQ(*FetchOrDie(url_, {.campaign = "x' OR 'a' = 'a"}).QueryInt("SELECT count(*) FROM run"), 0);
}

TEST_F(FleetTest, EveryValueSurvives) {
  const std::string file = folder_ / "rows.db";
  constexpr double kReals[] = {0.1 + 0.2, std::numeric_limits<double>::infinity(), -1.5e-7, 5e-324, 1.7976931348623157e308, 1e22};
  Store store = OpenOrDie(file);
  const int64_t run = *store.BeginRun(SomeRun());
  const int64_t cell = AddCell(store, run, 1);
  for (const double real : kReals) ASSERT_TRUE(store.AddForeignFigure(cell, fmt::format("{:a}", real), real).ok());
  ASSERT_TRUE(store.database().Execute("UPDATE run SET seed = ?, foreign_tool = ''", std::numeric_limits<int64_t>::min()).ok());
  ASSERT_TRUE(store.AddFlag(cell, {"text", std::string("a\0b\xff \xc3\xa9 '' \\ \x1f {}", 17)}).ok());
  ASSERT_TRUE(store.database().Run("UPDATE machine SET fingerprint = CAST(x'6dff00' AS TEXT)").ok());
  PushOrDie(file);
  EXPECT_EQ(PushOrDie(file).n_runs, 0);
  Database fetched = FetchOrDie(url_);
  Result<Statement> reals = fetched.Prepare("SELECT figure, value FROM foreign_figure");
  int n_reals = 0;
  ASSERT_TRUE(reals->ForEach([&](const Statement& row) { n_reals += fmt::format("{:a}", row.Real(1)) == row.Text(0); }).ok());
  EXPECT_EQ(n_reals, static_cast<int>(std::size(kReals)));
  EXPECT_EQ(*fetched.QueryInt("SELECT seed FROM run"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*fetched.QueryInt("SELECT foreign_tool = '' FROM run"), 1);
  Result<Statement> text = fetched.Prepare("SELECT detail FROM flag WHERE name = 'text'");
  ASSERT_TRUE(text->Step().ok());
  EXPECT_EQ(text->Text(0), "a\uFFFDb\uFFFD \xc3\xa9 '' \\ \x1f {}");
}

TEST_F(FleetTest, TooManyRowsAreNotFetched) {
  WriteFile(folder_ / "rows.db");
  PushOrDie(folder_ / "rows.db");
  const Result<Database> fetched = FetchFleet(url_, {}, 5000);
  ASSERT_FALSE(fetched.ok());
  EXPECT_EQ(fetched.error().code, ErrorCode::kBadInput);
  EXPECT_THAT(fetched.error().hint, HasSubstr("--run"));
  EXPECT_TRUE(FetchFleet(url_, {.run = 77}, 5000).ok());
}

}  // namespace
}  // namespace weir
