#include <fstream>

#include "store/schema.h"
#include "store_fixture.h"
#include "test_data.h"

namespace weir {
namespace {

Predictions SomePredictions(int64_t model) {
  return {model, "int8", "f16", {3.5, 0.02}, {33.1, std::nullopt}};
}

TEST_F(StoreTest, AVersion1DatabaseIsMigratedAndKeepsItsRows) {
  std::filesystem::copy_file(TestData("results-v1.db"), Path());
  {
    // A reader takes it as it is.
    Result<Store> reader = Store::OpenReadOnly(Path());
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    EXPECT_EQ(*reader->database().QueryInt("PRAGMA user_version"), 1);
  }
  std::vector<CellResult> before;
  for (int round = 0; round < 2; ++round) {
    Store store = OpenOrDie(Path());
    EXPECT_EQ(*store.database().QueryInt("PRAGMA user_version"), kSchemaVersion);
    EXPECT_EQ(*store.database().QueryInt("SELECT count(*) FROM schema_version"), 2);
    const std::vector<CellResult> cells = *store.Results(1);
    ASSERT_EQ(cells.size(), 1u);
    EXPECT_EQ(cells[0].status, CellStatus::kOk);
    EXPECT_EQ(cells[0].decode_samples.size(), 2u);
    const int64_t run = *store.BeginRun(SomeRun());
    const Result<int64_t> row = store.AddQuality(run, {"a.txt", "00", 512, 1, 1, 511},
                                                 SomePredictions(cells[0].id), std::nullopt);
    EXPECT_TRUE(row.ok()) << row.error().message;
  }
  // What a new file and a migrated one have is the same.
  Store migrated = OpenOrDie(Path()), fresh = OpenOrDie(Path("fresh.db"));
  const auto schema = [](Store& store) {
    std::string text;
    Result<Statement> query = store.database().Prepare(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
    EXPECT_TRUE(query->ForEach([&](const Statement& row) { text += row.Text(0) + ";\n"; }).ok());
    return text;
  };
  EXPECT_EQ(schema(migrated), schema(fresh));
  EXPECT_EQ(*fresh.database().QueryInt("SELECT count(*) FROM schema_version"), 1);
}

TEST_F(StoreTest, WhatAQualityRowDoesNotKnowIsNull) {
  Store store = OpenOrDie(Path());
  const int64_t run = *store.BeginRun(SomeRun());
  const int64_t model = *store.AddModel(SomeModel());
  ModelRow original = SomeModel();
  original.name = "original.gguf";
  const int64_t other = *store.AddModel(original);
  const ScoredText text{"a.txt", "00ff", 512, 256, 2, 512};
  const DistanceFromReference distance{
      SomePredictions(other), {1.01, 0.002}, {0.007, std::nullopt}, {0.93, 0.01}, 0.004, 0.05, 0.3};
  ASSERT_EQ(*store.AddQuality(run, text, SomePredictions(model), distance), 1);
  ASSERT_EQ(*store.AddQuality(run, text, SomePredictions(model), std::nullopt), 2);

  Result<Statement> query = store.database().Prepare(
      "SELECT model, reference, kl_mean, kl_mean_se, ppl_ratio_se, same_top, nll_se, ppl_se, "
      "reference_nll, kl_p99, score_from FROM quality ORDER BY id");
  ASSERT_TRUE(query.ok());
  ASSERT_TRUE(*query->Step());
  EXPECT_EQ(query->Int(0), model);
  EXPECT_EQ(query->OptionalInt(1), other);
  EXPECT_EQ(query->OptionalReal(2), 0.007);
  EXPECT_EQ(query->OptionalReal(3), std::nullopt);
  EXPECT_EQ(query->OptionalReal(4), 0.002);
  EXPECT_EQ(query->OptionalReal(5), 0.93);
  EXPECT_EQ(query->OptionalReal(6), 0.02);
  EXPECT_EQ(query->OptionalReal(7), std::nullopt);
  EXPECT_EQ(query->OptionalReal(8), 3.5);
  EXPECT_EQ(query->OptionalReal(9), 0.05);
  EXPECT_EQ(query->Int(10), 256);
  ASSERT_TRUE(*query->Step());
  for (const int column : {1, 2, 3, 4, 5, 7, 8, 9}) EXPECT_TRUE(query->IsNull(column)) << column;
  EXPECT_FALSE(store.AddQuality(run, text, SomePredictions(99), std::nullopt).ok());
}

}  // namespace
}  // namespace weir
