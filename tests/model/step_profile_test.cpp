#include "model/step_profile.h"

#include <gtest/gtest.h>

#include "harness.h"
#include "util/clock.h"

namespace weir {
namespace {

StepCost SumOfParts(const StepProfile& step) {
  StepCost sum;
  for (const PartProfile& part : step.parts) sum += part.cost;
  return sum;
}

TEST(StepProfiler, PartsAddUpToTheStep) {
  ThreadPool threads(2);
  for (const char* name : {"golden/qwen35-q4_k_m.gguf", "golden/qwen35moe-q4_k_m.gguf"}) {
    const auto model = LoadModel(TestData(name), Dtype::kInt8, BestIsa(), threads);
    auto cache = Cache::Allocate(model->config(), KvType::kF16, 1, 1);
    auto workspace = model->MakeWorkspace(9, 1);
    const std::vector<int32_t> tokens{1, 2, 3, 4, 5, 6, 7, 8, 9};
    const int32_t pages[] = {0};
    const Slice slice{tokens, 0, pages, 0, 1};
    StepProfiler profiler(threads);
    StepCost cost;
    const int64_t begin = NowNs();
    profiler.Begin(begin);
    model->Forward({&slice, 1}, *cache, **workspace, threads, &cost, &profiler);
    profiler.Enter(StepPart::kSampling);
    const int64_t end = NowNs();
    profiler.End(end);

    const StepProfile& step = profiler.step();
    int64_t ns = 0;
    for (size_t i = 0; i < kStepParts; ++i) {
      const PartProfile& part = step.parts[i];
      ns += part.ns;
      EXPECT_GE(part.ns, 0) << StepPartName(i);
      EXPECT_LE(part.busy_ns, 2 * part.ns + kTypeIds) << StepPartName(i);
    }
    EXPECT_NEAR(ns, end - begin, 10'000);  // what the division by types rounds off
    const StepCost sum = SumOfParts(step);
    EXPECT_EQ(sum.kv_bytes, cost.kv_bytes);
    EXPECT_EQ(sum.state_bytes, cost.state_bytes);
    if (model->config().n_experts > 0) continue;  // their cost in a step is that of the mean expert
    EXPECT_EQ(sum.int8_macs, cost.int8_macs);
    EXPECT_EQ(sum.f32_macs, cost.f32_macs);
    EXPECT_LE(sum.weight_bytes, cost.weight_bytes);  // norms and other vectors belong to no part
    EXPECT_GT(static_cast<double>(sum.weight_bytes), 0.9 * static_cast<double>(cost.weight_bytes));
  }
}

TEST(StepProfiler, NamesEveryPart) {
  EXPECT_EQ(StepPartName(static_cast<size_t>(StepPart::kSampling)), "sampling");
  const size_t q4 = static_cast<size_t>(StepPart::kProjection) +
                    static_cast<size_t>(TensorType::kQ4_K);
  EXPECT_EQ(StepPartName(q4), "projections Q4_K");
}

}  // namespace
}  // namespace weir
