#include "machine/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "machine/fake_tree.h"
#include "machine/text_files.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Two cores with two threads each and four small cores, as on a hybrid desktop processor.
void WriteHybridMachine(FakeTree& tree) {
  tree.Write("/sys/devices/system/cpu/online", "0-7\n");
  for (int cpu : {0, 1}) tree.WriteCpu(cpu, "0-1", "48K");
  for (int cpu : {2, 3}) tree.WriteCpu(cpu, "2-3", "48K");
  for (int cpu : {4, 5, 6, 7}) tree.WriteCpu(cpu, std::to_string(cpu), "32K");
  for (int cpu = 0; cpu < 8; ++cpu) tree.WriteCache(cpu, 1, 3, "Unified", "24M", "0-7");
  tree.Write("/proc/self/status", "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n");
  tree.Write("/proc/cpuinfo",
             "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Core i5\n"
             "flags\t\t: fpu avx2 fma f16c avx_vnni avx512fake\n\nprocessor\t: 1\n");
  tree.Write("/proc/meminfo", "MemTotal:       16252928 kB\nMemAvailable:   6291456 kB\n");
}

TEST(Machine, AHybridProcessor) {
  FakeTree tree;
  WriteHybridMachine(tree);
  const Machine machine = ReadMachine(tree.root());
  EXPECT_EQ(machine.logical_cpus, 8);
  EXPECT_EQ(machine.physical_cores, 6);
  EXPECT_EQ(machine.usable_threads, 8);
  EXPECT_EQ(machine.default_threads, 6);
  EXPECT_EQ(machine.vendor, "GenuineIntel");
  EXPECT_EQ(machine.cpu_model, "Core i5");
  EXPECT_THAT(machine.cpu_features, ElementsAre("avx2", "fma", "f16c", "avx_vnni"));
  EXPECT_EQ(Fingerprint(machine), "Core i5, 6 cores, 16 GiB");

  ASSERT_EQ(machine.caches.size(), 3u);
  const CacheKind& small = machine.caches[0];
  EXPECT_EQ(small.bytes, 32 << 10);
  EXPECT_EQ(small.count, 4);
  EXPECT_EQ(small.shared_by, 1);
  const CacheKind& large = machine.caches[1];
  EXPECT_EQ(large.bytes, 48 << 10);
  EXPECT_EQ(large.count, 2);
  EXPECT_EQ(large.shared_by, 2);
  EXPECT_EQ(LastLevelCacheBytes(machine), 24 << 20);
}

TEST(Machine, TheAffinityMaskLimitsThreadsAndCores) {
  FakeTree tree;
  WriteHybridMachine(tree);
  tree.Write("/proc/self/status", "Cpus_allowed_list:\t0-2,5\n");
  const Machine machine = ReadMachine(tree.root());
  EXPECT_THAT(machine.allowed_cpus, ElementsAre(0, 1, 2, 5));
  EXPECT_EQ(machine.usable_threads, 4);
  EXPECT_EQ(machine.default_threads, 3);
  EXPECT_EQ(machine.physical_cores, 6);
}

TEST(Machine, TheQuotaIsRoundedUp) {
  FakeTree tree;
  WriteHybridMachine(tree);
  tree.Write("/proc/self/cgroup", "0::/\n");
  for (const auto& [quota, threads] : {std::pair{"150000", 2}, {"20000", 1}, {"100000000", 8}}) {
    tree.Write("/sys/fs/cgroup/cpu.max", std::string(quota) + " 100000\n");
    EXPECT_EQ(ReadMachine(tree.root()).usable_threads, threads) << quota;
  }
}

TEST(Machine, AVirtualMachineUsesAllItsThreads) {
  FakeTree tree;
  WriteHybridMachine(tree);
  tree.Write("/proc/cpuinfo", "flags\t\t: avx2 hypervisor\n");
  const Machine machine = ReadMachine(tree.root());
  EXPECT_TRUE(machine.virtual_machine);
  EXPECT_EQ(machine.default_threads, 8);
}

TEST(Machine, AnArmBoard) {
  FakeTree tree;
  tree.Write("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU part\t: 0xd0b\n");
  tree.Write("/sys/firmware/devicetree/base/model", std::string("Board 5") + '\0');
  tree.Write("/sys/devices/system/cpu/online", "0-3\n");
  for (int cpu = 0; cpu < 4; ++cpu) {
    tree.Write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
               std::to_string(cpu) + "\n");
  }
  const Machine machine = ReadMachine(tree.root());
  EXPECT_EQ(machine.cpu_model, "Board 5");
  EXPECT_THAT(machine.cpu_features, ElementsAre("asimd", "asimddp"));
  EXPECT_EQ(machine.physical_cores, 4);
  EXPECT_EQ(machine.default_threads, 4);
  EXPECT_EQ(LastLevelCacheBytes(machine), std::nullopt);
}

TEST(Machine, MissingFilesAreAbsentFacts) {
  FakeTree tree;
  const Machine machine = ReadMachine(tree.root());
  EXPECT_EQ(machine.cpu_model, "");
  EXPECT_EQ(machine.physical_cores, std::nullopt);
  EXPECT_EQ(machine.memory_bytes, std::nullopt);
  EXPECT_EQ(machine.cpu_quota, std::nullopt);
  EXPECT_THAT(machine.caches, IsEmpty());
  EXPECT_GE(machine.usable_threads, 1);
  EXPECT_EQ(machine.default_threads, machine.usable_threads);
}

TEST(Machine, TheSystemsNames) {
  FakeTree tree;
  tree.Write("/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  tree.Write("/proc/sys/kernel/osrelease", "6.1.0-1\n");
  tree.Write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  const Machine machine = ReadMachine(tree.root());
  EXPECT_EQ(machine.os, "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(machine.kernel, "6.1.0-1");
  EXPECT_EQ(machine.huge_pages, "madvise");
}

TEST(Machine, MayHaveAnAccelerator) {
  for (const char* device : {"/dev/nvidiactl", "/dev/kfd", "/dev/dri/renderD128", "/dev/accel/accel0", "/dev/dxg"}) {
    FakeTree tree;
    tree.Write("/dev/dri/card0", "");
    EXPECT_FALSE(HasAccelerator(tree.root())) << "a screen";
    tree.Write(device, "");
    EXPECT_TRUE(HasAccelerator(tree.root())) << device;
  }
}

TEST(Machine, ThisOne) {
  const Machine machine = ReadMachine();
  EXPECT_GE(machine.default_threads, 1);
  EXPECT_LE(machine.default_threads, machine.usable_threads);
  EXPECT_LE(machine.usable_threads, machine.logical_cpus);
}

TEST(TextFiles, CpuLists) {
  EXPECT_THAT(ParseCpuList("0-2,8\n"), ElementsAre(0, 1, 2, 8));
  EXPECT_THAT(ParseCpuList("5"), ElementsAre(5));
  for (const char* bad : {"", "x", "3-1", "-1", "0-", "0-4000000000", "1,,x"}) {
    EXPECT_THAT(ParseCpuList(bad), IsEmpty()) << bad;
  }
}

}  // namespace
}  // namespace weir
