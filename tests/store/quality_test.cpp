#include <fstream>

#include "store/schema.h"
#include "store_fixture.h"
#include "test_data.h"

namespace weir {
namespace {

Predictions SomePredictions(int64_t model) {
  return {model, "int8", "f16", {3.5, 0.02}, {33.1, std::nullopt}};
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
