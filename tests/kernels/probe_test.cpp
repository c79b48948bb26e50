#include "kernels/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/isa.h"
#include "test_data.h"
#include "util/memory.h"

namespace weir {
namespace {

class ProbeTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!Supported(GetParam())) GTEST_SKIP() << "skipped: not supported on this machine";
  }
};

Buffer RandomBuffer(int64_t n_bytes) {
  Buffer buffer = std::move(Buffer::Allocate(n_bytes)).value();
  std::mt19937_64 random(TestSeed());
  std::generate_n(buffer.as<uint64_t>(), n_bytes / 8, random);
  return buffer;
}

TEST_P(ProbeTest, EveryReadSeesEveryWordOnce) {
  const ProbeKernels& probes = Probes(GetParam());
  for (int64_t n_bytes : {kProbeBlock, 5 * kProbeBlock}) {
    const Buffer buffer = RandomBuffer(n_bytes);
    uint64_t expected = 0;
    for (int64_t i = 0; i < n_bytes / 8; ++i) expected += buffer.as<uint64_t>()[i];
    for (int i = 0; i < probes.n_reads; ++i) {
      EXPECT_EQ(probes.reads[i](buffer.data(), n_bytes), expected)
          << "read " << i << " of " << n_bytes << " bytes, seed " << TestSeed();
    }
  }
}

TEST_P(ProbeTest, EveryReadWriteFlipsEveryBitInsideItsRangeOnly) {
  const ProbeKernels& probes = Probes(GetParam());
  for (int i = 0; i < probes.n_read_writes; ++i) {
    Buffer buffer = RandomBuffer(4 * kProbeBlock);
    std::vector<uint8_t> expected(buffer.data(), buffer.data() + buffer.size());
    for (int64_t at = kProbeBlock; at < 3 * kProbeBlock; ++at) expected[at] = ~expected[at];
    probes.read_writes[i](buffer.data() + kProbeBlock, 2 * kProbeBlock);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), buffer.data())) << "read_write " << i;
  }
}

// The loops count for themselves: what they add up is what the rates take credit for.
TEST_P(ProbeTest, AsManyProductsAreAddedAsAreCounted) {
  const ProbeKernels& probes = Probes(GetParam());
  for (int64_t n_rounds : {1, 7, 1 << 16}) {
    EXPECT_EQ(probes.multiply_int8(1, 1, n_rounds), n_rounds * probes.int8_macs_per_round);
    EXPECT_EQ(probes.multiply_int8(15, 14, n_rounds), 210 * n_rounds * probes.int8_macs_per_round);
    EXPECT_EQ(probes.multiply_f32(15, 14, n_rounds), 210.0 * n_rounds * probes.f32_macs_per_round);
  }
}

std::string IsaName(const testing::TestParamInfo<Isa>& isa) { return std::string(Name(isa.param)); }
INSTANTIATE_TEST_SUITE_P(Isas, ProbeTest, testing::ValuesIn(BuiltIsas().begin(), BuiltIsas().end()),
                         IsaName);

}  // namespace
}  // namespace weir
