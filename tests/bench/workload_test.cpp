#include "bench/workload.h"

#include <gmock/gmock.h>

#include "null_target.h"
#include "recorded.h"

namespace weir {
namespace {

using testing::HasSubstr;

const std::vector<int32_t> kIds{3, 5, 7, 11, 13, 17, 19, 23};

bool Never() { return false; }

TEST(Prompts, AreUniqueReproducibleAndOfTheLength) {
  const auto prompts = MakePrompts(kIds, 8, 40, 1);
  std::set<int32_t> first;
  for (const auto& prompt : prompts) {
    EXPECT_EQ(prompt.size(), 40u);
    first.insert(prompt[0]);
    for (int32_t id : prompt) EXPECT_THAT(kIds, testing::Contains(id));
  }
  EXPECT_EQ(first.size(), 8u);
  EXPECT_EQ(MakePrompts(kIds, 8, 40, 1), prompts);
  EXPECT_NE(MakePrompts(kIds, 8, 40, 2), prompts);
  EXPECT_EQ(MakePrompts({4}, 2, 3, 1), (std::vector<std::vector<int32_t>>{{4, 4, 4}, {4, 4, 4}}));
}

TEST(ClosedLoop, EachUserAsksAgainAtTheEndOfItsAnswer) {
  NullScript script;
  NullTarget target(script);
  const Recorded row = Record(target, {2, 3, 4, 5, 1}, kIds, Never);
  EXPECT_EQ(row.status, AttemptStatus::kOk) << row.reason;
  ASSERT_EQ(row.requests.size(), 6u);
  for (const RecordedRequest& request : row.requests) {
    EXPECT_EQ(request.token_ns.size(), 5u);
    EXPECT_EQ(request.gated, request.round == 0);
    EXPECT_EQ(*request.ended_ns, request.token_ns.back());
    for (const RecordedRequest& next : row.requests) {
      if (next.user == request.user && next.round == request.round + 1) {
        EXPECT_EQ(next.scheduled_ns, *request.ended_ns);
      }
    }
  }
  EXPECT_EQ(row.logits_hash, "0123456789abcdef");
  // Three rounds of two prefills and four steps, and none of them recorded twice.
  EXPECT_EQ(row.steps.size(), 3u * (2 + 4));
}

TEST(ClosedLoop, RequestsAreGreedyFixedLengthAndGatedFirst) {
  NullScript script;
  NullTarget target(script);
  Record(target, {2, 2, 4, 5, 1}, kIds, Never);
  ASSERT_EQ(script.requests.size(), 4u);
  std::set<int32_t> first;
  for (size_t i = 0; i < 4; ++i) {
    const Query& request = script.requests[i];
    EXPECT_EQ(request.ids.size(), 4u);
    EXPECT_EQ(request.max_tokens, 5);
    EXPECT_TRUE(request.fixed_length);
    EXPECT_EQ(request.gate.has_value(), i < 2);
    first.insert(request.ids[0]);
  }
  EXPECT_EQ(script.requests[0].gate->size, 2);
  EXPECT_EQ(first.size(), 4u);
}

TEST(ClosedLoop, AnErrorFailsTheAttemptAndKeepsItsStamps) {
  NullScript script;
  script.failing_attempts = {1};
  NullTarget target(script);
  const Recorded row = Record(target, {1, 2, 4, 5, 1}, kIds, Never);
  EXPECT_EQ(row.status, AttemptStatus::kFailed);
  EXPECT_THAT(row.reason, HasSubstr("told to fail"));
  ASSERT_EQ(row.requests.size(), 1u);
  EXPECT_EQ(row.requests[0].finish, "error");
  EXPECT_EQ(row.requests[0].token_ns.size(), 2u);
  EXPECT_FALSE(row.logits_hash.has_value());
}

TEST(ClosedLoop, StopsBetweenEvents) {
  NullScript script;
  NullTarget target(script);
  int asked = 0;
  const Recorded row = Record(target, {1, 2, 4, 5, 1}, kIds, [&] { return ++asked == 3; });
  EXPECT_EQ(row.status, AttemptStatus::kInterrupted);
  EXPECT_EQ(row.requests[0].token_ns.size(), 3u);
  EXPECT_FALSE(row.requests[0].ended_ns.has_value());
}

}  // namespace
}  // namespace weir
