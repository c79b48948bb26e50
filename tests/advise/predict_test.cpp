#include "advise/predict.h"

#include <gtest/gtest.h>

#include "model/limit.h"
#include "model/workspace.h"
#include "test_data.h"

namespace weir {
namespace {

SpeedQuestion QuestionAbout(const std::string& model, int users, int64_t depth) {
  const auto source = OpenModel(model);
  EXPECT_TRUE(source.ok()) << source.error().message;
  return {*ReadConfig(**source), *Model::Plan(**source, Dtype::kInt8), *Model::Cost(**source, Dtype::kInt8),
          KvType::kF16,          users,                                depth};
}

MachineRates SomeRates() {
  MachineRates rates;
  rates.read_gb_s = 40;
  rates.read_write_gb_s = 60;
  rates.int8_gmac_s = 900;
  rates.f32_gmac_s = 240;
  return rates;
}

// The cost that is predicted is the one that the forward pass reports for the same step.
TEST(Predict, StepsCostWhatTheForwardPassSays) {
  const std::string path = TestData("weir-tiny-q8_0.gguf");
  const SpeedQuestion question = QuestionAbout(path, 2, 5);
  const auto source = OpenModel(path);
  ThreadPool threads(1);
  const auto loaded = Model::Load(**source, {}, threads);
  const Model& model = **loaded;
  auto cache = Cache::Allocate(question.config, KvType::kF16, 2, 2);
  const auto workspace = model.MakeWorkspace(16, 2);
  const std::vector<int32_t> prompt = {1, 2, 3, 4, 5}, next = {6};
  const int32_t pages[] = {0, 1};
  StepCost cost;
  for (int i = 0; i < 2; ++i) {
    const Slice slice{prompt, 0, {&pages[i], 1}, i, 0};
    model.Forward({&slice, 1}, *cache, **workspace, threads, &cost);
  }
  const Slice slices[] = {{next, 5, {&pages[0], 1}, 0, 1}, {next, 5, {&pages[1], 1}, 1, 1}};
  model.Forward(slices, *cache, **workspace, threads, &cost);
  EXPECT_DOUBLE_EQ(DecodeLimitSeconds(question, SomeRates()), LimitNs(cost, SomeRates()) * 1e-9);
}

TEST(Predict, LimitsFollowBandwidthAndNeverFallWithUsers) {
  MachineRates twice = SomeRates();
  twice.read_gb_s *= 2;
  twice.read_write_gb_s *= 2;
  twice.int8_gmac_s *= 2;
  twice.f32_gmac_s *= 2;
  double last = 0;
  for (const int users : {1, 2, 8, 32}) {
    const SpeedQuestion question = QuestionAbout("synth:qwen3.5-0.8b:Q8_0", users, 100);
    const double seconds = DecodeLimitSeconds(question, SomeRates());
    EXPECT_DOUBLE_EQ(DecodeLimitSeconds(question, twice), seconds / 2);
    EXPECT_GT(users / seconds, last);
    last = users / seconds;
  }
}

TEST(Predict, AMixtureReadsMoreExpertsWithMoreUsersButNeverMoreThanThereAre) {
  const SpeedQuestion one = QuestionAbout("synth:qwen3.5-35b-a3b:Q4_K_M", 1, 0);
  EXPECT_EQ(ExpectedExperts(one.config, 1), one.config.n_layers * one.config.n_experts_used);
  EXPECT_LT(ExpectedExperts(one.config, 8), 8 * ExpectedExperts(one.config, 1));
  EXPECT_EQ(ExpectedExperts(one.config, 100'000), one.config.n_layers * one.config.n_experts);
  EXPECT_EQ(ExpectedExperts(QuestionAbout("synth:qwen3.5-2b:Q8_0", 1, 0).config, 8), 0);
}

TEST(Predict, EstimatesAreAsWideAsTheySayAndBelowTheLimit) {
  const auto catalogue = MachineCatalogue::Load("");
  for (const CatalogueMachine& machine : catalogue->machines()) {
    for (const int users : {1, 8, 32}) {
      const SpeedPrediction speed = Estimate(QuestionAbout("synth:qwen3.5-9b:Q4_K_M", users, 512), machine);
      EXPECT_NEAR(speed.decode_tok_s.high / speed.decode_tok_s.low, kWidestEstimate, 1e-9) << machine.name;
      EXPECT_LT(speed.decode_tok_s.high, speed.limit_tok_s) << machine.name << " " << users;
      EXPECT_TRUE(speed.cells.empty());
    }
  }
}

TEST(Predict, EstimatesOfAllUsersNeverFallWithUsers) {
  const auto catalogue = MachineCatalogue::Load("");
  for (const CatalogueMachine& machine : catalogue->machines()) {
    double last = 0;
    for (const int users : {1, 2, 4, 8, 16, 24, 32, 64}) {
      const SpeedPrediction speed = Estimate(QuestionAbout("synth:qwen3.5-27b:Q8_0", users, 1024), machine);
      EXPECT_GE(speed.decode_tok_s.high, last) << machine.name << " " << users;
      EXPECT_LE(speed.decode_tok_s.high, speed.limit_tok_s) << machine.name << " " << users;
      last = speed.decode_tok_s.high;
    }
  }
}

// A short prompt multiplies next to nothing, and reads all weights; so do many short prompts, which share one reading.
TEST(Predict, NoFirstTokenComesBeforeTheLimitOfItsStep) {
  const auto catalogue = MachineCatalogue::Load("");
  for (const CatalogueMachine& machine : catalogue->machines()) {
    for (const char* model : {"synth:qwen3.5-0.8b:Q8_0", "synth:qwen3.5-35b-a3b:Q6_K"}) {
      for (const int64_t depth : {1, 32, 4096}) {
        const SpeedQuestion question = QuestionAbout(model, 4, depth);
        const SpeedPrediction speed = Estimate(question, machine);
        const double limit_ms = 1e3 * PromptLimitSeconds(question, machine.Rates());
        const auto bytes = static_cast<double>(question.footprint.file_tensor_bytes);
        EXPECT_GE(speed.ttft_ms.low, limit_ms * (1 - 1e-9)) << machine.name << " " << model << " " << depth;
        if (depth == 4096) {
          EXPECT_GT(limit_ms, 0.9e-6 * bytes / machine.bandwidth_gb_s) << machine.name << " " << model;
        }
        EXPECT_NEAR(speed.ttft_ms.high / speed.ttft_ms.low, kWidestEstimate, 1e-9);
        EXPECT_GE(speed.all_ttft_ms.low, speed.ttft_ms.low);
        EXPECT_LE(speed.all_ttft_ms.high, 4 * speed.ttft_ms.high * (1 + 1e-9));
      }
    }
  }
}

TEST(Predict, NoFirstTokenFromRowsComesBeforeTheLimitOfItsStep) {
  const SpeedQuestion question = QuestionAbout("synth:qwen3.5-0.8b:Q8_0", 1, 1);
  const SpeedPrediction speed = PredictFrom(question, SomeRates(), {{{0.6, 0.7}, {1}}, {{400, 500}, {1}}});
  EXPECT_DOUBLE_EQ(speed.ttft_ms.low, 1e3 * PromptLimitSeconds(question, SomeRates()));
  EXPECT_DOUBLE_EQ(speed.ttft_ms.high / speed.ttft_ms.low, 500.0 / 400);
}

TEST(Predict, RowsOfTheSameModelPredictItsOtherNumbersOfUsers) {
  const SpeedQuestion held_out = QuestionAbout("synth:qwen3.5-0.8b:Q8_0", 4, 64);
  const auto bytes = static_cast<double>(held_out.footprint.file_tensor_bytes);
  const double bits = 8 * bytes / static_cast<double>(held_out.footprint.n_params);
  MachineExperience experience;
  int64_t cell = 0;
  for (const double users : {1, 2, 8, 16}) {
    const double share = 0.75 - 0.05 * std::log2(users);
    experience.decode_share.push_back({++cell, {bits, bytes, users}, share});
    experience.prefill_gmac_s.push_back({cell, {bits, bytes, 1}, 450 + static_cast<double>(cell)});
  }
  const auto speed = Predict(held_out, SomeRates(), experience);
  ASSERT_TRUE(speed.has_value());
  // T* and the multiplications on top, over the share that lies between those of 2 and of 8 users.
  const SliceShape slice{1, held_out.depth, 1};
  const StepCost row = held_out.cost.Step(held_out.config, held_out.kv_type, {&slice, 1}, 0);
  const double attainable_s = 4 / speed->limit_tok_s + 4e-9 * static_cast<double>(row.int8_macs + row.f32_macs) / 452.5;
  const double truth = 0.65 * 4 / attainable_s;
  EXPECT_LE(speed->decode_tok_s.low, truth);
  EXPECT_GE(speed->decode_tok_s.high, truth);
  EXPECT_LE(speed->decode_tok_s.high / speed->decode_tok_s.low, kWidestLesson);
  EXPECT_EQ(speed->cells.size(), 4u);
  experience.prefill_gmac_s.clear();
  EXPECT_FALSE(Predict(held_out, SomeRates(), experience).has_value());
}

TEST(Predict, ARowOfTheVeryCellSpeaksForItselfWhereItsNeighboursScatter) {
  const SpeedQuestion question = QuestionAbout("synth:qwen3.5-0.8b:Q8_0", 4, 64);
  const auto bytes = static_cast<double>(question.footprint.file_tensor_bytes);
  const double bits = 8 * bytes / static_cast<double>(question.footprint.n_params);
  MachineExperience experience;
  experience.prefill_gmac_s.push_back({7, {bits, bytes, 1}, 450});
  EXPECT_FALSE(Predict(question, SomeRates(), experience).has_value());
  experience.decode_share.push_back({7, {bits, bytes, 4}, 0.5});
  const auto speed = Predict(question, SomeRates(), experience);
  ASSERT_TRUE(speed.has_value());
  EXPECT_NEAR(speed->decode_tok_s.high / speed->decode_tok_s.low, 1.21, 1e-9);
  EXPECT_EQ(speed->cells, std::vector<int64_t>{7});
  SpeedQuestion more = question;
  more.users = 8;
  EXPECT_FALSE(Predict(more, SomeRates(), experience).has_value()) << "one row teaches nothing about others";
  experience.decode_share.push_back({8, {bits, bytes, 4}, 0.9});
  EXPECT_FALSE(Predict(question, SomeRates(), experience).has_value()) << "they contradict each other";
}

}  // namespace
}  // namespace weir
