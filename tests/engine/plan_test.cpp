// What an engine takes, known before anything is loaded.
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "gguf/gguf_file.h"
#include "test_data.h"

namespace weir {
namespace {

constexpr int64_t kPlenty = int64_t{1} << 40;

struct Shape {
  ModelConfig config;
  ModelFootprint footprint;
};

Shape TinyShape() {
  auto file = GgufFile::Open(TestData("weir-tiny-q8_0.gguf"));
  EXPECT_TRUE(file.ok()) << file.error().message;
  return {ReadConfig(**file).value(), Model::Plan(**file, Dtype::kInt8).value()};
}

Result<EnginePlan> Plan(const Shape& shape, const EngineOptions& options, int64_t available) {
  return Engine::Plan(shape.config, shape.footprint, Dtype::kInt8, options, available);
}

TEST(EnginePlan, AddsUpWhatIsAllocated) {
  const Shape shape = TinyShape();
  const auto plan = Plan(shape, {.max_sequences = 3, .context_tokens = 100}, kPlenty);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->weights_bytes, shape.footprint.packed_bytes);
  EXPECT_EQ(plan->kv_bytes, 3 * 128 * KvBytesPerToken(shape.config, KvType::kF16));
  EXPECT_EQ(plan->state_bytes, 3 * StateBytesPerSequence(shape.config));
  EXPECT_GT(plan->workspace_bytes, 0);
  EXPECT_EQ(plan->options.kv_tokens, 300);
}

TEST(EnginePlan, ABudgetForWhatIsKeptIsOneForStatesAndPages) {
  const Shape shape = TinyShape();
  EngineOptions options{.max_sequences = 2, .context_tokens = 1000};
  EXPECT_EQ(Plan(shape, options, kPlenty)->options.cache_bytes, 0);  // nothing is kept
  options.n_checkpoints = 5;
  const auto all = Plan(shape, options, kPlenty);
  EXPECT_EQ(all->options.cache_bytes, 5 * StateBytesPerSequence(shape.config) + all->kv_bytes);
  options.cache_bytes = 1000;
  EXPECT_EQ(Plan(shape, options, kPlenty)->options.cache_bytes, 1000);
  const int64_t state = StateBytesPerSequence(shape.config), page = 64 * KvBytesPerToken(shape.config, KvType::kF16);
  const auto checkpoints = [&](int64_t bytes) {
    return Engine::CheckpointsFor(shape.config, KvType::kF16, bytes);
  };
  EXPECT_EQ(checkpoints(0), 0);
  EXPECT_EQ(checkpoints(state + page - 1), 0);
  EXPECT_EQ(checkpoints(state + page), 1);
  EXPECT_EQ(checkpoints(10 * (state + 32 * page)), 10);
}

TEST(EnginePlan, CountsKeysAndValuesInTheTypeAskedFor) {
  const Shape shape = TinyShape();
  for (const KvType type : {KvType::kF16, KvType::kBF16, KvType::kQ8_0, KvType::kF32}) {
    const auto plan = Plan(shape, {.context_tokens = 128, .kv_type = type}, kPlenty);
    EXPECT_EQ(plan->kv_bytes, 128 * KvBytesPerToken(shape.config, type)) << Name(type);
  }
  EXPECT_EQ(Plan(shape, {.context_tokens = 128, .kv_type = KvType::kQ8_0}, kPlenty)->kv_bytes * 64,
            Plan(shape, {.context_tokens = 128, .kv_type = KvType::kF32}, kPlenty)->kv_bytes * 17);
}

TEST(EnginePlan, SharedPositionsTakeLessThanFullContexts) {
  const Shape shape = TinyShape();
  const auto plan =
      Plan(shape, {.max_sequences = 3, .context_tokens = 1000, .kv_tokens = 1200}, kPlenty);
  ASSERT_TRUE(plan.ok());
  // 19 pages, and one for the partly filled last page of each but one.
  EXPECT_EQ(plan->kv_bytes, 21 * 64 * KvBytesPerToken(shape.config, KvType::kF16));
}

TEST(EnginePlan, RefusesWithNumbersAndSaysWhatFits) {
  const Shape shape = TinyShape();
  const EngineOptions wanted{.max_sequences = 8, .context_tokens = 1024};
  const int64_t needed = Plan(shape, wanted, kPlenty)->total_bytes();
  EXPECT_TRUE(Plan(shape, wanted, needed).ok());

  const int64_t available = needed - 1'000'000;
  const auto refused = Plan(shape, wanted, available);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_NE(refused.error().message.find("KV cache"), std::string::npos);
  int users = 0, context = 0, same_users = 0, same_context = 0;
  ASSERT_EQ(std::sscanf(refused.error().hint.c_str(),
                        "%d users with %d tokens each fit, or %d users with %d tokens each", &users,
                        &same_context, &same_users, &context),
            4)
      << refused.error().hint;
  EXPECT_EQ(same_users, 8);
  EXPECT_EQ(same_context, 1024);
  const auto fits = [&](int n_users, int64_t n_context) {
    return Plan(shape, {.max_sequences = n_users, .context_tokens = n_context}, available).ok();
  };
  EXPECT_TRUE(fits(users, 1024) && !fits(users + 1, 1024)) << refused.error().hint;
  EXPECT_TRUE(fits(8, context) && !fits(8, context + 64)) << refused.error().hint;
}

TEST(EnginePlan, ContextZeroIsTheLongestThatFits) {
  const Shape shape = TinyShape();
  const auto plenty = Plan(shape, {.max_sequences = 2}, kPlenty);
  ASSERT_TRUE(plenty.ok());
  EXPECT_EQ(plenty->options.context_tokens, shape.config.context_length);
  const int64_t available = plenty->total_bytes() - 1;
  const auto tight = Plan(shape, {.max_sequences = 2}, available);
  ASSERT_TRUE(tight.ok());
  EXPECT_LT(tight->options.context_tokens, shape.config.context_length);
  EXPECT_LE(tight->total_bytes(), available);

  const int64_t less =
      Plan(shape, {.max_sequences = 2, .context_tokens = 1984}, kPlenty)->total_bytes();
  const auto shared = Plan(shape, {.max_sequences = 2, .kv_tokens = 5000}, less);
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(shared->options.context_tokens, 1984);
  EXPECT_FALSE(Plan(shape,
                    {.max_sequences = 2, .context_tokens = tight->options.context_tokens + 64},
                    available)
                   .ok());
}

TEST(EnginePlan, NamesOneUserWhenManyNeverFit) {
  const Shape shape = TinyShape();
  const int64_t available =
      Plan(shape, {.max_sequences = 1, .context_tokens = 640}, kPlenty)->total_bytes();
  const auto refused = Plan(shape, {.max_sequences = 1000, .context_tokens = 1024}, available);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().hint, "one user with 640 tokens fits");
}

TEST(EnginePlan, SaysWhenTheWeightsAloneAreTooMuch) {
  const Shape shape = TinyShape();
  const auto refused = Plan(shape, {}, shape.footprint.packed_bytes / 2);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().hint.find("smaller quantisation"), std::string::npos);
}

TEST(EnginePlan, SpeaksOfOneUserAsOne) {
  const Shape shape = TinyShape();
  const EngineOptions wanted{.max_sequences = 1, .context_tokens = 4096};
  const auto refused = Plan(shape, wanted, Plan(shape, wanted, kPlenty)->total_bytes() - 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.error().message.starts_with("one user with 4096 tokens needs "))
      << refused.error().message;
  EXPECT_EQ(refused.error().hint, "one user with 4032 tokens fits");
}

// A file may claim any context: neither a sum of bytes nor the list of pages grows without bound.
TEST(EnginePlan, AHugeContextIsCutForManyUsers) {
  Shape shape = TinyShape();
  shape.config.context_length = kMaxContext;
  const auto plan = Plan(shape, {.max_sequences = 4096}, std::numeric_limits<int64_t>::max());
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->options.kv_tokens, kMaxContext);
  const auto all = Plan(shape, {.max_sequences = 2, .context_tokens = kMaxContext},
                        std::numeric_limits<int64_t>::max());
  ASSERT_FALSE(all.ok());
  EXPECT_EQ(all.error().code, ErrorCode::kBadInput);
}

TEST(EnginePlan, OptionsOutOfRangeAreBadInput) {
  const Shape shape = TinyShape();
  const int64_t too_long = shape.config.context_length + 1;
  const EngineOptions bad[] = {
      {.max_sequences = 0},
      {.max_sequences = 1'000'000},
      {.context_tokens = -1},
      {.context_tokens = too_long},
      {.context_tokens = std::numeric_limits<int64_t>::max()},
      {.context_tokens = 64, .kv_tokens = 65},
      {.prefill_tokens = 0},
      {.n_threads = 0},
  };
  for (const EngineOptions& options : bad) {
    const auto plan = Plan(shape, options, kPlenty);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().code, ErrorCode::kBadInput);
  }
}

}  // namespace
}  // namespace weir
