// Databases that earlier versions of weir wrote.
#include <gmock/gmock.h>

#include "store/schema.h"
#include "store_fixture.h"
#include "test_data.h"

namespace weir {
namespace {

std::string SchemaOf(Store& store) {
  std::string text;
  Result<Statement> query = store.database().Prepare(
      "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
  EXPECT_TRUE(query->ForEach([&](const Statement& row) { text += row.Text(0) + ";\n"; }).ok());
  return text;
}

std::vector<std::string> Figures(Database& database) {
  std::vector<std::string> lines;
  Result<Statement> query = database.Prepare(
      "SELECT cell, figure, n, median, p95, least, greatest FROM summary "
      "WHERE figure <> 'e2e_ms' ORDER BY 1, 2");
  EXPECT_TRUE(query
                  ->ForEach([&](const Statement& row) {
                    std::string line = row.Text(1);
                    for (int i : {0, 2, 3, 4, 5, 6}) line += fmt::format(" {}", row.Real(i));
                    lines.push_back(line);
                  })
                  .ok());
  return lines;
}

class MigrationTest : public StoreTest, public testing::WithParamInterface<int> {};

TEST_P(MigrationTest, AnOlderDatabaseKeepsItsRowsAndGivesTheSameFigures) {
  std::filesystem::copy_file(TestData(fmt::format("results-v{}.db", GetParam())), Path());
  std::vector<std::string> before;
  int64_t n_tokens = 0;
  {
    Result<Database> file = Database::Open(Path(), OpenMode::kReadOnly);
    EXPECT_EQ(*file->QueryInt("PRAGMA user_version"), GetParam());
    before = Figures(*file);
    n_tokens = *file->QueryInt("SELECT sum(time_ns) FROM token_time");
    // A reader sees it as if it were of today, and leaves it as it is.
    Result<Store> reader = Store::OpenReadOnly(Path());
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    EXPECT_EQ(Figures(reader->database()), before);
    EXPECT_EQ(reader->Results(1)->at(0).decode_samples.size(), 2u);
    EXPECT_FALSE(reader->BeginRun(SomeRun()).ok());
    EXPECT_EQ(*file->QueryInt("PRAGMA user_version"), GetParam());
  }
  ASSERT_GE(before.size(), 8u);
  for (int round = 0; round < 2; ++round) {
    Store store = OpenOrDie(Path());
    EXPECT_EQ(*store.database().QueryInt("PRAGMA user_version"), kSchemaVersion);
    EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM schema_version"), 2);
    EXPECT_EQ(Figures(store.database()), before);
    EXPECT_EQ(*store.database().QueryInt("SELECT sum(time_ns) FROM token_time"), n_tokens);
    EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    const std::vector<CellResult> cells = *store.Results(1);
    ASSERT_EQ(cells.size(), 1u);
    EXPECT_EQ(cells[0].status, CellStatus::kOk);
    EXPECT_EQ(cells[0].decode_samples.size(), 2u);
    AddCell(store, 1);
  }
  // What a new file and a migrated one have is the same.
  Store migrated = OpenOrDie(Path()), fresh = OpenOrDie(Path("fresh.db"));
  EXPECT_EQ(SchemaOf(migrated), SchemaOf(fresh));
  EXPECT_EQ(*fresh.database().QueryInt("SELECT count(*) FROM schema_version"), 1);
}

INSTANTIATE_TEST_SUITE_P(Versions, MigrationTest, testing::Values(1, 2, 3, 4, 5, 6),
                         [](const auto& version) { return fmt::format("{}", version.param); });

}  // namespace
}  // namespace weir
