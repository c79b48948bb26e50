#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

using Tokens = std::vector<int32_t>;

Checkpoint At(Tokens tokens, int32_t slot) { return {std::move(tokens), {}, slot}; }

/// "n_tokens@slot" of what is found, "" for nothing.
std::string Find(PrefixCache& cache, const Tokens& prompt) {
  const PrefixCache::Match match = cache.Find(prompt);
  if (!match.checkpoint) return "";
  return std::to_string(match.n_tokens) + "@" + std::to_string(match.checkpoint->slot);
}

TEST(PrefixCache, FindsTheLongestWholeCheckpointBelowThePromptsLastToken) {
  PrefixCache cache(false);
  EXPECT_EQ(Find(cache, {1, 2, 3}), "");
  EXPECT_TRUE(cache.Keep(At({1, 2}, 5)).empty());
  EXPECT_TRUE(cache.Keep(At({1, 2, 3, 4}, 6)).empty());
  EXPECT_EQ(Find(cache, {1, 2, 3}), "2@5");
  EXPECT_EQ(Find(cache, {1, 2, 3, 4}), "2@5");  // the last token's logits are wanted
  EXPECT_EQ(Find(cache, {1, 2, 3, 4, 5}), "4@6");
  EXPECT_EQ(Find(cache, {1, 3}), "");
  EXPECT_EQ(Find(cache, {1}), "");
}

TEST(PrefixCache, WithoutRecurrentStateAnyBeginningWillDo) {
  PrefixCache cache(true);
  cache.Keep(At({1, 2, 3, 4}, 6));
  EXPECT_EQ(Find(cache, {1, 2, 3, 4}), "3@6");
  EXPECT_EQ(Find(cache, {1, 2, 9, 9}), "2@6");
  // A longer one makes the shorter one useless, and a shorter one adds nothing.
  const auto dropped = cache.Keep(At({1, 2, 3, 4, 5}, 7));
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].slot, 6);
  const auto itself = cache.Keep(At({1, 2}, 8));
  ASSERT_EQ(itself.size(), 1u);
  EXPECT_EQ(itself[0].slot, 8);
  EXPECT_EQ(cache.size(), 1);
}

TEST(PrefixCache, KeepsOneOfTheSameTokens) {
  PrefixCache cache(false);
  cache.Keep(At({1, 2}, 5));
  const auto dropped = cache.Keep(At({1, 2}, 6));
  ASSERT_EQ(dropped.size(), 1u);
  EXPECT_EQ(dropped[0].slot, 6);
  EXPECT_EQ(Find(cache, {1, 2, 3}), "2@5");
}

TEST(PrefixCache, DropsTheLeastRecentlyUsed) {
  PrefixCache cache(false);
  for (int32_t i = 0; i < 3; ++i) cache.Keep(At({i}, i));
  EXPECT_EQ(Find(cache, {0, 9}), "1@0");  // used, so 1 is the oldest now
  EXPECT_EQ(cache.DropOldest()->slot, 1);
  EXPECT_EQ(cache.DropOldest()->slot, 2);
  EXPECT_EQ(cache.DropOldest()->slot, 0);
  EXPECT_FALSE(cache.DropOldest());
}

}  // namespace
}  // namespace weir
