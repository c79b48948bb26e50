#include "engine/prefill_budget.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

constexpr int64_t kMs = 1'000'000;

/// A machine on which decoding takes 20 ms plus 1 ms per user, and a prompt token 2 ms.
void Teach(PrefillBudget& budget, std::initializer_list<int> users) {
  budget.Observe(0, 100, 200 * kMs);
  for (int n : users) budget.Observe(n, 0, (20 + n) * kMs);
}

TEST(PrefillBudget, NobodyWaitsWhereNobodyDecodes) {
  PrefillBudget budget(100 * kMs, 256, 8);
  EXPECT_EQ(budget.Tokens(0), 256);
  EXPECT_EQ(budget.Tokens(1), 16);  // nothing is known yet
  PrefillBudget no_target(0, 256, 8);
  Teach(no_target, {1});
  EXPECT_EQ(no_target.Tokens(8), 256);
}

TEST(PrefillBudget, FillsTheStepUpToTheTarget) {
  PrefillBudget budget(100 * kMs, 256, 8);
  Teach(budget, {1, 5});
  EXPECT_EQ(budget.Tokens(1), (100 - 21) / 2);
  EXPECT_EQ(budget.Tokens(5), (100 - 25) / 2);
  EXPECT_EQ(budget.Tokens(8), (100 - 25) / 2);  // as with 5, the nearest that was seen
}

TEST(PrefillBudget, PromptsGetTheirShareWhereDecodingAloneIsTooSlow) {
  PrefillBudget budget(10 * kMs, 256, 8);
  budget.Observe(0, 100, 200 * kMs);
  budget.Observe(4, 0, 400 * kMs);
  EXPECT_EQ(budget.Tokens(4), 50);  // 100 ms of 500
  budget.Observe(1, 0, 20 * kMs);
  EXPECT_EQ(budget.Tokens(1), 16);
  PrefillBudget small(10 * kMs, 8, 8);
  Teach(small, {1});
  EXPECT_EQ(small.Tokens(1), 8);
}

TEST(PrefillBudget, FollowsAMachineThatSlowsDown) {
  PrefillBudget budget(100 * kMs, 256, 8);
  Teach(budget, {1});
  budget.Observe(1, 50, (21 + 1000) * kMs);
  EXPECT_GE(budget.Tokens(1), 20);  // a hiccup: half, not a tenth
  for (int i = 0; i < 60; ++i) budget.Observe(1, 50, (21 + 200) * kMs);  // 4 ms per token
  EXPECT_EQ(budget.Tokens(1), (100 - 21) / 4);
}

}  // namespace
}  // namespace weir
