#include "machine/rates.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>

#include "util/interrupt.h"

namespace weir {
namespace {

constexpr int64_t kMib = 1 << 20;
constexpr ProbeBuffer kTestBuffer = {8 * kMib + kProbeBlock, true};

Machine MachineWith(int64_t cache_bytes, int64_t available_bytes) {
  Machine machine;
  machine.caches = {{1, "Data", 32 << 10, 8, 1}, {3, "Unified", cache_bytes, 2, 4}};
  machine.memory_available_bytes = available_bytes;
  return machine;
}

TEST(PlanProbeBuffer, EightTimesTheLastLevelCachesWithinAThirdOfWhatIsAvailable) {
  const ProbeBuffer enough = PlanProbeBuffer(MachineWith(32 * kMib, 4096 * kMib));
  EXPECT_EQ(enough.bytes, 8 * 2 * 32 * kMib);
  EXPECT_FALSE(enough.small);
  const ProbeBuffer cut = PlanProbeBuffer(MachineWith(256 * kMib, 3000 * kMib));
  EXPECT_EQ(cut.bytes, 1000 * kMib);
  EXPECT_TRUE(cut.small);
}

TEST(PlanProbeBuffer, AMachineThatSaysNothingGetsABufferAsWell) {
  EXPECT_GT(PlanProbeBuffer(Machine()).bytes, 0);
  EXPECT_GT(PlanProbeBuffer(MachineWith(32 * kMib, 0)).bytes, 0);
}

TEST(Prober, EveryRateOfEveryInstructionSetIsANumberAboveZero) {
  for (Isa isa : BuiltIsas()) {
    if (!Supported(isa)) continue;
    auto prober = Prober::Create(isa, kTestBuffer, 2);
    ASSERT_TRUE(prober.ok()) << prober.error().message;
    for (int n_threads : {1, 2}) {
      auto rates = prober->Measure(n_threads, 1);
      ASSERT_TRUE(rates.ok()) << rates.error().message;
      for (double rate : {rates->read_gb_s, rates->read_write_gb_s, rates->int8_gmac_s,
                          rates->f32_gmac_s}) {
        EXPECT_TRUE(std::isfinite(rate) && rate > 0) << rate;
      }
      EXPECT_EQ(rates->isa, Name(isa));
      EXPECT_EQ(rates->threads, n_threads);
      EXPECT_EQ(rates->buffer_bytes, kTestBuffer.bytes);
      EXPECT_TRUE(rates->buffer_small);
    }
  }
}

TEST(Prober, AnInstructionSetThatIsNotThereIsRefused) {
  for (Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni}) {
    auto prober = Prober::Create(isa, kTestBuffer, 1);
    EXPECT_EQ(prober.ok(), Supported(isa));
    if (!prober.ok()) {
      EXPECT_EQ(prober.error().code, ErrorCode::kBadInput);
    }
  }
}

TEST(Prober, StopsWhenTheUserAsksTo) {
  auto prober = Prober::Create(Isa::kPlain, kTestBuffer, 1);
  ASSERT_TRUE(prober.ok());
  CatchInterrupts();
  raise(SIGINT);
  auto rates = prober->Measure(1, 5);
  ClearInterrupt();
  ASSERT_FALSE(rates.ok());
  EXPECT_EQ(rates.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace weir
