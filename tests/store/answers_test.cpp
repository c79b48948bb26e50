#include <gmock/gmock.h>

#include "store_fixture.h"

namespace weir {
namespace {

TEST_F(StoreTest, AnswersComeBackAsTheyWere) {
  Store store = OpenOrDie(Path());
  const int64_t run = *store.BeginRun(SomeRun());
  const int64_t model = *store.AddModel(SomeModel());
  const int64_t id = *store.AddAsked(run, {model, "http://h", "m", "some", "1 missing", {{0, "it's", 2, false, "[]"}, {2, "ü", {}, true, ""}}});
  CellRow row{1, 8, 32, 2, 3, std::nullopt};
  row.asked = id;
  const int64_t cell = *store.BeginCell(run, model, row);
  EXPECT_EQ(store.ResultOfCell(cell)->row.asked, id);
  const AskedRow asked = *store.Asked(id);
  EXPECT_EQ(asked.id, id);
  EXPECT_EQ(asked.run, run);
  EXPECT_EQ(asked.model, model);
  EXPECT_EQ(asked.target, "http://h");
  EXPECT_EQ(asked.named, "m");
  EXPECT_EQ(asked.questions, "some");
  EXPECT_EQ(asked.note, "1 missing");
  ASSERT_EQ(asked.answers.size(), 2u);
  EXPECT_EQ(asked.answers[0].text, "it's");
  EXPECT_EQ(asked.answers[0].tokens, 2);
  EXPECT_EQ(asked.answers[0].logprobs, "[]");
  EXPECT_EQ(asked.answers[1].question, 2);
  EXPECT_EQ(asked.answers[1].tokens, std::nullopt);
  EXPECT_TRUE(asked.answers[1].cut);
  EXPECT_EQ(asked.answers[1].logprobs, "");
  EXPECT_FALSE(store.Asked(id + 1).ok());
}

TEST_F(StoreTest, AnswersOfACampaignAreThoseOfAllItsRuns) {
  Store store = OpenOrDie(Path());
  RunRow row = SomeRun();
  row.campaign = *store.AddCampaign("article", "");
  const int64_t model = *store.AddModel(SomeModel());
  const int64_t first = *store.BeginRun(row), second = *store.BeginRun(row), alone = *store.BeginRun(SomeRun());
  for (const int64_t run : {first, second, alone}) {
    ASSERT_TRUE(store.AddAsked(run, {model, std::to_string(run), "", "some"}).ok());
  }
  const auto targets = [&](int64_t run) {
    std::vector<std::string> names;
    const std::vector<AskedRow> rows = *store.AskedWith(run);
    for (const AskedRow& asked : rows) names.push_back(asked.target);
    return names;
  };
  EXPECT_THAT(targets(second), testing::ElementsAre(std::to_string(first), std::to_string(second)));
  EXPECT_THAT(targets(alone), testing::ElementsAre(std::to_string(alone)));
  // They go with their run.
  ASSERT_TRUE(store.database().Execute("DELETE FROM run WHERE id = ?", second).ok());
  EXPECT_THAT(targets(first), testing::ElementsAre(std::to_string(first)));
}

}  // namespace
}  // namespace weir
