#include "machine/cgroup.h"

#include <gtest/gtest.h>

#include <cstring>
#include <optional>

#include "machine/fake_tree.h"
#include "machine/memory_use.h"
#include "util/memory.h"

namespace weir {
namespace {

constexpr int64_t kGib = 1 << 30;

TEST(Cgroup, NothingThereIsNoLimit) {
  FakeTree tree;
  const CgroupLimits limits = ReadCgroupLimits(tree.root());
  EXPECT_FALSE(limits.cpus || limits.memory_bytes || limits.memory_left_bytes);
}

TEST(Cgroup, Version2TakesTheTightestOfTheGroupsAbove) {
  FakeTree tree;
  tree.Write("/proc/self/cgroup", "0::/user.slice/job\n");
  tree.Write("/sys/fs/cgroup/user.slice/job/cpu.max", "max 100000\n");
  tree.Write("/sys/fs/cgroup/user.slice/job/memory.max", "8589934592\n");
  tree.Write("/sys/fs/cgroup/user.slice/job/memory.current", "1073741824\n");
  tree.Write("/sys/fs/cgroup/user.slice/cpu.max", "150000 100000\n");
  tree.Write("/sys/fs/cgroup/user.slice/memory.max", "17179869184\n");
  tree.Write("/sys/fs/cgroup/user.slice/memory.current", "16106127360\n");
  tree.Write("/sys/fs/cgroup/user.slice/memory.stat", "anon 5\ninactive_file 1073741824\n");
  const CgroupLimits limits = ReadCgroupLimits(tree.root());
  EXPECT_EQ(limits.cpus, 1.5);
  EXPECT_EQ(limits.memory_bytes, 8 * kGib);
  EXPECT_EQ(limits.memory_left_bytes, 2 * kGib);  // 16 - 15 + 1 above, against 8 - 1 here
}

TEST(Cgroup, AContainerSeesItsOwnGroupAtTheMount) {
  FakeTree tree;
  tree.Write("/proc/self/cgroup", "5:cpu,cpuacct:/docker/0123\n3:memory:/docker/0123\n");
  tree.Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
  tree.Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  tree.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "4294967296\n");
  const CgroupLimits limits = ReadCgroupLimits(tree.root());
  EXPECT_EQ(limits.cpus, 2.5);
  EXPECT_EQ(limits.memory_bytes, 4 * kGib);
}

TEST(Cgroup, Version1WritesNoLimitAsNumbers) {
  FakeTree tree;
  tree.Write("/proc/self/cgroup", "1:cpu:/\n3:memory:/job\n");
  tree.Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  tree.Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  tree.Write("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n");
  const CgroupLimits limits = ReadCgroupLimits(tree.root());
  EXPECT_FALSE(limits.cpus || limits.memory_bytes || limits.memory_left_bytes);
}

TEST(Cgroup, MalformedFilesAreNoLimit) {
  FakeTree tree;
  tree.Write("/proc/self/cgroup", "nonsense\n:\n0::relative/path\n");
  tree.Write("/sys/fs/cgroup/cpu.max", "0 0\n");
  tree.Write("/sys/fs/cgroup/memory.max", "99999999999999999999999\n");
  const CgroupLimits limits = ReadCgroupLimits(tree.root());
  EXPECT_FALSE(limits.cpus || limits.memory_bytes);
}

TEST(MemoryUse, AvailableIsWhatTheGroupLeavesIfThatIsLess) {
  FakeTree tree;
  EXPECT_EQ(AvailableMemoryBytes(tree.root()), std::nullopt);
  tree.Write("/proc/meminfo", "MemTotal:       8388608 kB\nMemAvailable:   6291456 kB\n");
  EXPECT_EQ(TotalMemoryBytes(tree.root()), 8 * kGib);
  EXPECT_EQ(AvailableMemoryBytes(tree.root()), 6 * kGib);
  tree.Write("/proc/self/cgroup", "0::/\n");
  tree.Write("/sys/fs/cgroup/memory.max", "2147483648\n");
  EXPECT_EQ(AvailableMemoryBytes(tree.root()), 2 * kGib);
}

TEST(MemoryUse, ThePeakIsReadAndReset) {
  FakeTree tree;
  EXPECT_EQ(PeakRssBytes(tree.root()), std::nullopt);
  EXPECT_FALSE(ResetPeakRss(tree.root()).ok());
  tree.Write("/proc/self/status", "Name:\tweir\nVmHWM:\t    1748 kB\nVmRSS:\t     100 kB\n");
  EXPECT_EQ(PeakRssBytes(tree.root()), 1748 * 1024);
  tree.Write("/proc/self/clear_refs", "");
  EXPECT_TRUE(ResetPeakRss(tree.root()).ok());
}

TEST(MemoryUse, ThePeakOfThisProcessFallsAfterAReset) {
  constexpr size_t kBytes = size_t{64} << 20;
  {
    // Not from the heap, which may keep what it was given back.
    auto buffer = Buffer::Allocate(kBytes);
    ASSERT_TRUE(buffer.ok());
    std::memset(buffer->data(), 1, kBytes);
  }
  const auto before = PeakRssBytes();
  if (!before || !ResetPeakRss().ok()) GTEST_SKIP() << "skipped: no /proc, or not writable";
  EXPECT_LT(*PeakRssBytes(), *before - static_cast<int64_t>(kBytes) / 2);
}

}  // namespace
}  // namespace weir
