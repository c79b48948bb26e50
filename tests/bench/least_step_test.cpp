// The limit of targets that show no steps, against the engine's own account of its steps.
#include "bench/least_step.h"

#include <gmock/gmock.h>

#include "bench/in_process.h"
#include "model/model.h"
#include "recorded.h"
#include "test_data.h"

namespace weir {
namespace {

ModelShapes Shapes(const std::string& model) { return ShapesOf(**OpenModel(model)).value(); }

TEST(LeastStep, IsThatOfTheEngineWhereItComputesTheSame) {
  const std::string tiny = TestData("weir-tiny-q8_0.gguf");
  const std::unique_ptr<Subject> subject = OpenSubject(tiny, {*SelectIsa(nullptr), 2}).value();
  ASSERT_TRUE(subject->Load([](int64_t, int64_t) { return true; }).ok());
  EXPECT_FALSE(subject->LeastStep(1, 8)) << "it shows its steps";
  const auto target = subject->Start(2, 8 + 20).value();
  const Recorded attempt = Record(*target, {2, 1, 8, 20, 7}, subject->prompt_ids(), [] { return false; });
  const ModelShapes shapes = Shapes(tiny);
  int64_t position = 8;  // behind the prompt
  for (const StepRecord& step : attempt.steps) {
    if (step.n_prefill_rows > 0) continue;
    const StepCost least = LeastStep(shapes, 2, position++);
    EXPECT_EQ(least.weight_bytes, step.cost.weight_bytes);
    EXPECT_EQ(least.kv_bytes, step.cost.kv_bytes);
    EXPECT_EQ(least.state_bytes, step.cost.state_bytes);
    EXPECT_EQ(least.int8_macs, step.cost.int8_macs);
    EXPECT_EQ(least.f32_macs, step.cost.f32_macs);
  }
  EXPECT_EQ(position, 8 + 19);
}

TEST(LeastStep, OfAMixtureReadsTheExpertsOfOneRow) {
  const ModelShapes shapes = Shapes("synth:qwen3.5-35b-a3b:Q4_K_M");
  const StepCost one = LeastStep(shapes, 1, 0), many = LeastStep(shapes, 16, 0);
  EXPECT_EQ(many.weight_bytes, one.weight_bytes) << "all rows may want the same experts";
  EXPECT_EQ(many.int8_macs, 16 * one.int8_macs);
  EXPECT_EQ(many.state_bytes, 16 * one.state_bytes);
  EXPECT_LT(one.weight_bytes, 3'000'000'000) << "3 of 35 billion weights, of 4 to 6 bits each";
  EXPECT_GT(one.weight_bytes, 1'000'000'000);
}

}  // namespace
}  // namespace weir
