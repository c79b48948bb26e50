// What a session refuses, and how a long measurement is stopped.
#include <limits>

#include "model/harness.h"

namespace weir {
namespace {

const std::string kTiny = TestData("weir-tiny-q8_0.gguf");

TEST(Session, NoLongerThanTheModelsContext) {
  const ModelConfig config = ReadConfig(**GgufFile::Open(kTiny)).value();
  EXPECT_TRUE(Session::Plan(config, Dtype::kInt8, KvType::kF16, config.context_length, 64).ok());
  const auto plan = Session::Plan(config, Dtype::kInt8, KvType::kF16, config.context_length + 1, 64);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code, ErrorCode::kBadInput);
}

TEST(Session, LogitsMustBeFinite) {
  EXPECT_TRUE(CheckFinite(std::vector<float>{1, -2}, 0).ok());
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const Status status = CheckFinite(std::vector<float>{1, bad}, 7);
    ASSERT_FALSE(status.ok());
    EXPECT_NE(status.error().message.find("position 7"), std::string::npos);
  }
}

int n_asked = 0;

TEST(Session, PerplexityStopsInsideAWindow) {
  ThreadPool threads(1);
  const auto model = LoadModel(kTiny, Dtype::kInt8, BestIsa(), threads);
  const auto session = OpenSession(*model, 256, 16, threads);
  const std::vector<int32_t> tokens(256, 5);
  n_asked = 0;
  const auto result = MeasurePerplexity(*session, tokens, model->config().n_vocab, 256, 0,
                                        [] { return ++n_asked == 3; }, nullptr, nullptr);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(session->position(), 32);
}

}  // namespace
}  // namespace weir
