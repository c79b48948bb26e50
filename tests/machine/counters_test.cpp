#include "machine/counters.h"

#include <gmock/gmock.h>

#include <fstream>

#include "temp_folder.h"

namespace weir {
namespace {

class CountersTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(root()) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string root() const { return folder_ / "root"; }

  TempFolder folder_;
};

TEST_F(CountersTest, OfAWholeMachine) {
  Write("proc/stat", "cpu  100 10 50 5000 30 4 6 200 7 0\ncpu0 50 5 25 2500 15 2 3 100 0 0\n"
                     "cpu1 50 5 25 2500 15 2 3 100 0 0\nintr 1 2\n");
  Write("proc/self/stat", "42 (a (b) c) R 1 1 1 0 -1 0 11 0 77 0 300 100 0 0 20 0\n");
  Write("proc/vmstat", "pswpin 3\npswpout 4\npgmajfault 9\noom_kill 2\noom_killer 7\n");
  Write("proc/loadavg", "1.25 1.0 0.5 1/100 42\n");
  for (const char* cpu : {"cpu0", "cpu1"}) {
    const std::string folder = std::string("sys/devices/system/cpu/") + cpu;
    Write(folder + "/thermal_throttle/core_throttle_count", "2\n");
    Write(folder + "/cpufreq/scaling_cur_freq", cpu[3] == '0' ? "3000000\n" : "2000000\n");
  }
  Write("sys/class/powercap/intel-rapl:0/name", "package-0\n");
  Write("sys/class/powercap/intel-rapl:0/energy_uj", "1500000\n");
  Write("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n");
  Write("sys/class/hwmon/hwmon0/name", "amdgpu\n");
  Write("sys/class/hwmon/hwmon0/power1_average", "25000000\n");
  Write("sys/class/hwmon/hwmon0/temp1_input", "61000\n");
  Write("sys/class/power_supply/BAT0/type", "Battery\n");
  Write("sys/class/power_supply/BAT0/status", "Discharging\n");
  Write("sys/class/power_supply/BAT0/voltage_now", "12000000\n");
  Write("sys/class/power_supply/BAT0/current_now", "1500000\n");
  const Counters counters = ReadCounters(root());
  EXPECT_EQ(counters.cpus, 2);
  EXPECT_DOUBLE_EQ(*counters.steal_s, 2);
  EXPECT_DOUBLE_EQ(*counters.busy_s, 1.7);
  EXPECT_DOUBLE_EQ(*counters.own_s, 4);
  EXPECT_EQ(counters.major_faults, 77);
  EXPECT_EQ(counters.swap_pages, 7);
  EXPECT_EQ(OomKills(root()), 2);
  EXPECT_EQ(counters.throttles, 4);
  EXPECT_DOUBLE_EQ(*counters.frequency_mhz, 2500);
  EXPECT_DOUBLE_EQ(*counters.temperature_c, 61);
  EXPECT_DOUBLE_EQ(*counters.load, 1.25);
  ASSERT_EQ(counters.meters.size(), 3u);
  EXPECT_EQ(counters.meters[0].boundary, "package");
  EXPECT_DOUBLE_EQ(*counters.meters[0].joules, 1.5);
  EXPECT_EQ(counters.meters[1].boundary, "gpu");
  EXPECT_DOUBLE_EQ(*counters.meters[1].watts, 25);
  EXPECT_EQ(counters.meters[2].boundary, "battery");
  EXPECT_DOUBLE_EQ(*counters.meters[2].watts, 18);
}

TEST_F(CountersTest, NothingIsMadeUpWhereNothingIs) {
  Counters counters = ReadCounters(root());
  EXPECT_FALSE(counters.steal_s || counters.busy_s || counters.own_s || counters.throttles ||
               counters.swap_pages || counters.major_faults || counters.frequency_mhz ||
               counters.temperature_c || counters.load || counters.process_bytes);
  EXPECT_TRUE(counters.meters.empty());
  Write("proc/stat", "cpu\n\ncpux\n");
  Write("proc/self/stat", ")");
  Write("proc/vmstat", "pswpin\npswpin x\n");
  Write("sys/class/powercap/intel-rapl:0/energy_uj", "much\n");
  Write("sys/class/power_supply/BAT0/type", "Battery\n");
  Write("sys/class/power_supply/BAT0/status", "Charging\n");
  counters = ReadCounters(root());
  EXPECT_FALSE(counters.steal_s || counters.own_s || counters.swap_pages);
  EXPECT_FALSE(OomKills(root()).has_value());
  EXPECT_TRUE(counters.meters.empty());
}

TEST_F(CountersTest, AWallFileInAnyOrderAndWithAHeading) {
  Write("wall.csv", "time,watts\n1700000001.5,80\n1700000000,75.5\nx,y\n1,2,3\n-5,3\n1700000002,-1\n1e300,4\n");
  const std::vector<WallReading> readings = ReadWallFile(root() + "/wall.csv");
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].unix_ns, 1'700'000'000'000'000'000);
  EXPECT_DOUBLE_EQ(readings[0].watts, 75.5);
  EXPECT_DOUBLE_EQ(readings[1].watts, 80);
  EXPECT_TRUE(ReadWallFile(root() + "/none").empty());
}

}  // namespace
}  // namespace weir
