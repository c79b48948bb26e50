// The bench on weir's own engine, with the tiny model.
#include "bench/in_process.h"

#include <gmock/gmock.h>

#include "recorded.h"
#include "test_data.h"

namespace weir {
namespace {

bool Never() { return false; }

std::unique_ptr<Subject> LoadTiny(int n_threads) {
  Result<Isa> isa = SelectIsa(nullptr);
  Result<std::unique_ptr<Subject>> subject =
      OpenSubject(TestData("weir-tiny-q8_0.gguf"), {*isa, n_threads});
  EXPECT_TRUE(subject.ok()) << subject.error().message;
  EXPECT_TRUE((*subject)->Load([](int64_t, int64_t) { return true; }).ok());
  return std::move(*subject);
}

TEST(InProcess, KnowsTheModel) {
  const std::unique_ptr<Subject> subject = LoadTiny(1);
  EXPECT_EQ(subject->row().quant, "Q8_0");
  EXPECT_EQ(subject->row().arch, "qwen35");
  EXPECT_FALSE(subject->row().synthetic);
  EXPECT_EQ(subject->row().fingerprint.size(), 16u);
  EXPECT_GT(*subject->Plan(2, 64), *subject->Plan(1, 64));
  EXPECT_FALSE(OpenSubject(TestData("no-such-file.gguf"), {}).ok());
}

TEST(InProcess, TwoUsersDecodeTogetherAndRepeatsAgree) {
  const std::unique_ptr<Subject> subject = LoadTiny(2);
  Result<std::unique_ptr<Target>> target = subject->Start(2, 8 + 20);
  ASSERT_TRUE(target.ok()) << target.error().message;
  const Workload load{2, 2, 8, 20, 7};
  const Recorded first = Record(**target, load, subject->prompt_ids(), Never);
  const Recorded second = Record(**target, load, subject->prompt_ids(), Never);
  ASSERT_EQ(first.status, AttemptStatus::kOk) << first.reason;
  EXPECT_EQ(first.requests.size(), 4u);
  ASSERT_TRUE(first.logits_hash.has_value());
  EXPECT_EQ(first.logits_hash, second.logits_hash);
  int64_t n_prompt = 0, n_together = 0;
  for (const StepRecord& step : first.steps) {
    n_prompt += step.n_prefill_rows;
    n_together += step.n_decode_rows == 2 && step.n_prefill_rows == 0;
    EXPECT_GT(step.end_ns, step.begin_ns);
    EXPECT_GT(step.cost.weight_bytes, 0);
  }
  EXPECT_EQ(n_prompt, 4 * 8);
  EXPECT_GE(n_together, 19);  // those of the gated round; the second one's depend on timing
  EXPECT_EQ(second.steps.front().n_decode_rows, 0)
      << "a step of the first attempt was recorded late";
}

TEST(InProcess, AStoppedAttemptLeavesTheEngineUsable) {
  const std::unique_ptr<Subject> subject = LoadTiny(1);
  Result<std::unique_ptr<Target>> target = subject->Start(1, 8 + 20);
  int asked = 0;
  const Recorded stopped =
      Record(**target, {1, 1, 8, 20, 7}, subject->prompt_ids(), [&] { return ++asked > 3; });
  EXPECT_EQ(stopped.status, AttemptStatus::kInterrupted);
  const Recorded whole = Record(**target, {1, 1, 8, 20, 7}, subject->prompt_ids(), Never);
  EXPECT_EQ(whole.status, AttemptStatus::kOk) << whole.reason;
}

TEST(InProcess, RequestsThatDoNotFitFailTheAttempt) {
  const std::unique_ptr<Subject> subject = LoadTiny(1);
  Result<std::unique_ptr<Target>> target = subject->Start(1, 16);
  const Recorded row = Record(**target, {1, 1, 8, 20, 7}, subject->prompt_ids(), Never);
  EXPECT_EQ(row.status, AttemptStatus::kFailed);
  EXPECT_THAT(row.reason, testing::HasSubstr("context"));
}

TEST(InProcess, LoadingStopsWhenTold) {
  const std::unique_ptr<Subject> subject =
      OpenSubject(TestData("weir-tiny-q8_0.gguf"), {Isa::kPlain, 1}).value();
  int64_t n_told = 0;
  const Status loaded = subject->Load([&](int64_t, int64_t) { return ++n_told < 3; });
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(n_told, 3);
  EXPECT_TRUE(subject->Load([](int64_t, int64_t) { return true; }).ok());
}

TEST(InProcess, PromptsHaveNoControlTokens) {
  const std::unique_ptr<Subject> subject = LoadTiny(1);
  Result<std::unique_ptr<ModelSource>> source = OpenModel(TestData("weir-tiny-q8_0.gguf"));
  const Result<std::vector<int64_t>> types =
      (*source)->metadata().Ints("tokenizer.ggml.token_type");
  ASSERT_TRUE(types.ok());
  ASSERT_FALSE(subject->prompt_ids().empty());
  for (int32_t id : subject->prompt_ids()) EXPECT_EQ((*types)[id], 1) << id;
  EXPECT_LT(subject->prompt_ids().size(), types->size());
}

}  // namespace
}  // namespace weir
