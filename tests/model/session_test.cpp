// What a session refuses.
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

}  // namespace
}  // namespace weir
