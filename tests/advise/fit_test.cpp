#include "advise/fit.h"

#include <gtest/gtest.h>

#include "advise/machine_catalogue.h"
#include "test_data.h"

namespace weir {
namespace {

FitQuestion QuestionAbout(const std::string& model, int users, int64_t context) {
  const auto source = OpenModel(model);
  EXPECT_TRUE(source.ok()) << source.error().message;
  FitQuestion question;
  question.config = *ReadConfig(**source);
  question.footprint = *Model::Plan(**source, Dtype::kInt8);
  question.options.max_sequences = users;
  question.options.context_tokens = context;
  return question;
}

TEST(Fit, BytesAreThoseThatTheLoaderTakes) {
  const std::string path = TestData("weir-tiny-q8_0.gguf");
  const FitQuestion question = QuestionAbout(path, 3, 500);
  const auto fit = FitInto(question, {1 << 30, 1 << 30, {}});
  ASSERT_TRUE(fit.ok());
  const auto source = OpenModel(path);
  ThreadPool threads(1);
  const auto model = Model::Load(**source, {}, threads);
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(fit->plan.weights_bytes, (*model)->footprint().packed_bytes);
  const auto plan = Engine::Plan(question.config, question.footprint, Dtype::kInt8, question.options, 1 << 30);
  EXPECT_EQ(fit->plan.total_bytes(), plan->total_bytes());
  EXPECT_EQ(fit->total_bytes, plan->total_bytes() + kRuntimeBytes);
}

TEST(Fit, IsTightBelowAFifthOfTheMemoryAndNothingBelowZero) {
  const FitQuestion question = QuestionAbout(TestData("weir-tiny-q8_0.gguf"), 1, 64);
  const int64_t needed = FitInto(question, {1 << 30, 1 << 30, {}})->total_bytes;
  const int64_t memory = 5 * needed;  // of which a fifth is as much as the model takes
  EXPECT_EQ(FitInto(question, {memory, 2 * needed, {}})->comfort, Comfort::kComfortable);
  EXPECT_EQ(FitInto(question, {memory, 2 * needed - 1, {}})->comfort, Comfort::kTight);
  EXPECT_EQ(FitInto(question, {memory, needed, {}})->comfort, Comfort::kTight);
  EXPECT_EQ(FitInto(question, {memory, needed - 1, {}})->comfort, Comfort::kNo);
  EXPECT_EQ(FitInto(question, {memory, needed - 1, {}})->headroom_bytes, -1);
}

TEST(Fit, WhatTheGpuMayNotTakeByDefaultIsTight) {
  const FitQuestion question = QuestionAbout(TestData("weir-tiny-q8_0.gguf"), 1, 64);
  const int64_t needed = FitInto(question, {1 << 30, 1 << 30, {}})->total_bytes;
  EXPECT_EQ(FitInto(question, {1 << 30, 1 << 30, needed})->comfort, Comfort::kComfortable);
  const auto over = FitInto(question, {1 << 30, 1 << 30, needed - 1});
  EXPECT_EQ(over->comfort, Comfort::kTight);
  EXPECT_TRUE(over->over_gpu_share);
}

TEST(Fit, LongestContextAndMostUsersAreTheLastThatFit) {
  FitQuestion question = QuestionAbout("synth:qwen3.5-9b:Q4_K_M", 1, 0);
  const MemoryOffer offer{int64_t{16} << 30, int64_t{12} << 30, {}};
  for (const int users : {1, 4, 16}) {
    const int64_t longest = *LongestContext(question, offer, users);
    ASSERT_GT(longest, 0) << users;
    ASSERT_LT(longest, question.config.context_length) << users;
    question.options.max_sequences = users;
    question.options.context_tokens = longest;
    EXPECT_TRUE(FitInto(question, offer)->fits()) << users;
    question.options.context_tokens = longest + kPageTokens;
    EXPECT_FALSE(FitInto(question, offer)->fits()) << users;
  }
  const int64_t most = *MostUsers(question, offer, 8192);
  question.options.context_tokens = 8192;
  question.options.max_sequences = static_cast<int>(most);
  EXPECT_TRUE(FitInto(question, offer)->fits());
  question.options.max_sequences = static_cast<int>(most) + 1;
  EXPECT_FALSE(FitInto(question, offer)->fits());
}

TEST(Fit, NothingFitsWhereTheWeightsAloneAreTooMuch) {
  const FitQuestion question = QuestionAbout("synth:qwen3.5-27b:Q8_0", 1, 0);
  const MemoryOffer offer{int64_t{16} << 30, int64_t{15} << 30, {}};
  EXPECT_EQ(*LongestContext(question, offer, 1), 0);
  EXPECT_EQ(*MostUsers(question, offer, 64), 0);
}

// "27B Q8_0 needs about 28 GB: easy in 64 GB, minimal headroom on 32 GB, impossible on 16 GB."
TEST(Fit, TheArticlesThreeMachines) {
  const FitQuestion question = QuestionAbout("synth:qwen3.5-27b:Q8_0", 1, 8192);
  const auto catalogue = MachineCatalogue::Load("");
  const auto comfort = [&](const char* name) {
    const CatalogueMachine& machine = **catalogue->Find(name);
    return FitInto(question, {machine.memory_bytes, machine.AvailableBytes(), machine.GpuBytes()})->comfort;
  };
  EXPECT_EQ(comfort("mac-mini-m4-pro-64gb"), Comfort::kComfortable);
  EXPECT_EQ(comfort("mac-mini-m4-32gb"), Comfort::kTight);
  EXPECT_EQ(comfort("rtx-5090-32gb"), Comfort::kTight);
  EXPECT_EQ(comfort("rtx-5060-ti-16gb"), Comfort::kNo);
}

}  // namespace
}  // namespace weir
