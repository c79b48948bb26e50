// The sentinel on counters that never were.
#include "bench/sentinel.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;

/// Two processors, ten seconds: quiet, all of it this process's.
std::vector<Counters> Quiet() {
  Counters first;
  first.time_ns = 5 * kSecond;
  first.cpus = 2;
  first.steal_s = 100;
  first.busy_s = 1000;
  first.own_s = 50;
  first.throttles = 7;
  first.swap_pages = 70;
  first.major_faults = 700;
  first.frequency_mhz = 3000;
  Counters last = first;
  last.time_ns = 15 * kSecond;
  last.busy_s = 1020;
  last.own_s = 70;
  last.frequency_mhz = 2950;
  return {first, last};
}

TEST(Sentinel, AQuietRepeatHasNoFlag) {
  const DisturbanceRow row = FindDisturbance(Quiet(), true);
  EXPECT_EQ(row.steal_share, 0);
  EXPECT_EQ(row.other_share, 0);
  EXPECT_EQ(row.throttles, 0);
  EXPECT_EQ(WhyDisturbed(row), "");
  EXPECT_THAT(FlagDisturbances(std::vector{row}), testing::IsEmpty());
}

TEST(Sentinel, EachDisturbanceHasItsFlagAndItsNumber) {
  const std::tuple<void (*)(Counters&), const char*, const char*> cases[] = {
      {[](Counters& c) { *c.steal_s += 1; }, "stolen", "5.0 %"},
      {[](Counters& c) { *c.busy_s += 2; }, "other_load", "10.0 %"},
      {[](Counters& c) { *c.throttles += 3; }, "throttled", "3 times"},
      {[](Counters& c) { *c.swap_pages += 9; }, "swapped", "9 pages"},
      {[](Counters& c) { *c.major_faults += 500; }, "major_faults", "500 times"},
      {[](Counters& c) { c.frequency_mhz = 1500; }, "frequency_dropped", "50 %"},
  };
  for (const auto& [disturb, flag, number] : cases) {
    std::vector<Counters> readings = Quiet();
    disturb(readings.back());
    const DisturbanceRow row = FindDisturbance(readings, true);
    const std::vector<Flag> flags = FlagDisturbances(std::vector{row});
    ASSERT_EQ(flags.size(), 1u) << flag;
    EXPECT_EQ(flags[0].name, flag);
    EXPECT_THAT(flags[0].detail, HasSubstr(number));
    EXPECT_THAT(WhyDisturbed(row), HasSubstr(number));
  }
}

TEST(Sentinel, AFrequencyThatFellInBetweenIsSeen) {
  std::vector<Counters> readings = Quiet();
  readings.insert(readings.begin() + 1, readings[0]);
  readings[1].frequency_mhz = 2000;
  EXPECT_NEAR(*FindDisturbance(readings, true).frequency_share, 2.0 / 3, 1e-9);
}

TEST(Sentinel, WhatTheSystemDoesNotSayIsAbsent) {
  std::vector<Counters> readings(2);
  readings[1].time_ns = kSecond;
  const DisturbanceRow row = FindDisturbance(readings, true);
  EXPECT_FALSE(row.steal_share || row.other_share || row.throttles || row.swap_pages || row.major_faults ||
               row.frequency_share);
  EXPECT_EQ(WhyDisturbed(row), "");
  std::vector<Counters> others = Quiet();
  *others.back().busy_s += 5;
  EXPECT_FALSE(FindDisturbance(others, false).other_share) << "a server that is measured";
}

TEST(Sentinel, TheWorstRepeatIsTold) {
  DisturbanceRow little, much;
  little.steal_share = 0.02;
  much.steal_share = 0.30;
  const std::vector<Flag> flags = FlagDisturbances(std::vector{little, much, little});
  ASSERT_EQ(flags.size(), 1u);
  EXPECT_THAT(flags[0].detail, HasSubstr("30.0 %"));
}

std::vector<Counters> Metered(EnergyMeter first, EnergyMeter last, double seconds) {
  std::vector<Counters> readings(2);
  readings[0].meters = {std::move(first)};
  readings[1].meters = {std::move(last)};
  readings[1].time_ns = static_cast<int64_t>(seconds * 1e9);
  return readings;
}

TEST(Energy, OfACounterThatWraps) {
  const auto readings = Metered({"package", "rapl", 260.0, 262.0, {}}, {"package", "rapl", 18.0, 262.0, {}}, 2);
  const std::vector<std::optional<double>> idle{5.0};
  const std::vector<EnergyRow> rows = FindEnergy(readings, idle);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(rows[0].joules, 20);
  EXPECT_DOUBLE_EQ(rows[0].seconds, 2);
  EXPECT_EQ(rows[0].idle_w, 5.0);
  EXPECT_EQ(rows[0].boundary, "package");
}

TEST(Energy, OfPowerIsIntegratedAndGapsAreRefused) {
  const EnergyMeter at10{"gpu", "hwmon", {}, 0, 10}, at30{"gpu", "hwmon", {}, 0, 30};
  EXPECT_DOUBLE_EQ(FindEnergy(Metered(at10, at30, 2), {})[0].joules, 40);
  EXPECT_FALSE(FindEnergy(Metered(at10, at30, 2), {})[0].idle_w);
  EXPECT_THAT(FindEnergy(Metered(at10, at30, 4), {}), testing::IsEmpty());
  EXPECT_THAT(FindEnergy(Metered(at10, {"gpu", "hwmon", {}, 0, {}}, 2), {}), testing::IsEmpty());
  EXPECT_THAT(FindEnergy(Metered(at10, {"battery", "BAT0", {}, 0, 5}, 2), {}), testing::IsEmpty())
      << "another meter";
  EXPECT_DOUBLE_EQ(*MeanWatts(Metered(at10, at30, 2)[0], Metered(at10, at30, 2)[1])[0], 20);
}

TEST(Energy, OfAGpuThatIsLostIsNotThereAndOthersAre) {
  auto readings = Metered({"package", "rapl", 5, 0, {}}, {"package", "rapl", 9, 0, {}}, 2);
  readings.front().meters.push_back({"gpu", "nvml", 100, 0, 50});
  readings.back().meters.push_back({"gpu", "nvml", {}, 0, {}});
  const std::vector<EnergyRow> rows = FindEnergy(readings, {});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_DOUBLE_EQ(rows[0].joules, 4);
}

TEST(Energy, OfAMeterAtTheWallIsThatOfTheWindow) {
  std::vector<WallReading> readings;
  for (int i = 0; i <= 10; ++i) readings.push_back({i * kSecond, 100.0 + 10 * i});
  const auto row = FindWallEnergy(readings, 2 * kSecond + kSecond / 2, 4 * kSecond + kSecond / 2);
  ASSERT_TRUE(row);
  EXPECT_DOUBLE_EQ(row->joules, 2 * 135) << "from 125 to 145 W";
  EXPECT_DOUBLE_EQ(row->seconds, 2);
  EXPECT_EQ(row->boundary, "wall");
  EXPECT_FALSE(FindWallEnergy(readings, -kSecond, 4 * kSecond)) << "begins before the readings";
  EXPECT_FALSE(FindWallEnergy(readings, 4 * kSecond, 11 * kSecond)) << "ends after them";
  EXPECT_FALSE(FindWallEnergy({}, 1, 2));
  readings.push_back({30 * kSecond, 100});
  EXPECT_FALSE(FindWallEnergy(readings, 9 * kSecond, 12 * kSecond)) << "a gap of 20 s";
}

}  // namespace
}  // namespace weir
