#include "machine/nvml.h"

#include <gmock/gmock.h>

#include <cstdlib>

namespace weir {
namespace {

class NvmlTest : public testing::Test {
 protected:
  void SetUp() override { Be("1"); }
  void TearDown() override { unsetenv("WEIR_FAKE_NVML"); }

  static void Be(const char* script) { setenv("WEIR_FAKE_NVML", script, 1); }
  static std::unique_ptr<Nvml> Open() { return Nvml::Open(WEIR_FAKE_NVML_LIBRARY); }
  static Counters Read(const Nvml& nvml) {
    Counters counters;
    nvml.AddTo(counters);
    return counters;
  }
};

TEST_F(NvmlTest, OneGpu) {
  const std::unique_ptr<Nvml> nvml = Open();
  ASSERT_NE(nvml, nullptr);
  const Counters first = Read(*nvml), second = Read(*nvml);
  ASSERT_EQ(first.meters.size(), 1u);
  const EnergyMeter& meter = first.meters[0];
  EXPECT_EQ(meter.boundary, "gpu");
  EXPECT_EQ(meter.source, "nvml");
  EXPECT_DOUBLE_EQ(*meter.watts, 50);
  EXPECT_NEAR(*second.meters[0].joules - *meter.joules, 1, 1e-9);
  EXPECT_GE(*meter.joules, 1000);
  EXPECT_EQ(first.temperature_c, 40);
}

TEST_F(NvmlTest, TwoGpusAreOneMeter) {
  Be("2");
  const std::unique_ptr<Nvml> nvml = Open();
  ASSERT_NE(nvml, nullptr);
  Counters counters;
  counters.temperature_c = 30;
  counters.meters.push_back({"package", "rapl package-0", 5, 0, {}});
  nvml->AddTo(counters);
  ASSERT_EQ(counters.meters.size(), 2u);
  EXPECT_EQ(counters.meters[1].source, "nvml, 2 GPUs");
  EXPECT_DOUBLE_EQ(*counters.meters[1].watts, 100);
  EXPECT_GE(*counters.meters[1].joules, 2000);
  EXPECT_EQ(counters.temperature_c, 41);
  counters.temperature_c = 90;  // a core is hotter
  nvml->AddTo(counters);
  EXPECT_EQ(counters.temperature_c, 90);
}

TEST_F(NvmlTest, WhatAGpuDoesNotSayIsAbsent) {
  Be("1e");
  EXPECT_FALSE(Read(*Open()).meters[0].joules);
  EXPECT_TRUE(Read(*Open()).meters[0].watts);
  Be("1ept");
  const Counters counters = Read(*Open());
  EXPECT_FALSE(counters.meters[0].joules || counters.meters[0].watts || counters.temperature_c);
  // A driver from before there were energy counters.
  Be("1");
  const std::unique_ptr<Nvml> old = Nvml::Open(WEIR_FAKE_NVML_OLD_LIBRARY);
  ASSERT_NE(old, nullptr);
  EXPECT_FALSE(Read(*old).meters[0].joules);
  EXPECT_EQ(Read(*old).meters[0].watts, 50);
}

TEST_F(NvmlTest, AGpuThatIsLostTakesTheSumWithItButNotTheMeter) {
  Be("2");
  const std::unique_ptr<Nvml> nvml = Open();
  ASSERT_NE(nvml, nullptr);
  Be("2l");
  const Counters counters = Read(*nvml);
  ASSERT_EQ(counters.meters.size(), 1u);
  EXPECT_EQ(counters.meters[0].source, "nvml, 2 GPUs");
  EXPECT_FALSE(counters.meters[0].joules || counters.meters[0].watts);
  EXPECT_EQ(counters.temperature_c, 40);  // of the other one
}

TEST_F(NvmlTest, NothingWhereThereIsNoGpuOrNoLibrary) {
  for (const char* script : {"0", "1i", "1h"}) {
    Be(script);
    EXPECT_EQ(Open(), nullptr) << script;
  }
  Be("1");
  EXPECT_EQ(Nvml::Open("libno-such-library.so.1"), nullptr);
  EXPECT_EQ(Nvml::Open(WEIR_FAKE_NVML_HEADLESS_LIBRARY), nullptr);
}

}  // namespace
}  // namespace weir
