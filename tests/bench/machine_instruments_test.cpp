// A meter at the wall whose readings come while a bench runs.
#include "bench/machine_instruments.h"

#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "temp_folder.h"
#include "util/wall_clock.h"

namespace weir {
namespace {

/// Appends 50 W at every moment, as a meter's program does, until it is destroyed.
class Meter {
 public:
  explicit Meter(const std::string& path) : file_(path) {
    Append();
    thread_ = std::thread([this] {
      while (!stop_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        Append();
      }
    });
  }
  ~Meter() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Append() {
    const int64_t now = UnixNs();
    file_ << fmt::format("{}.{:09},50\n", now / 1'000'000'000, now % 1'000'000'000) << std::flush;
  }

  std::ofstream file_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

const EnergyRow* WallOf(const AttemptRow& row) {
  for (const EnergyRow& energy : row.energy) {
    if (energy.boundary == "wall") return &energy;
  }
  return nullptr;
}

TEST(WallMeter, IsWaitedForUntilItHasSaidWhatItSawAtTheEnd) {
  const TempFolder folder;
  Meter meter(folder / "wall.csv");
  MachineInstruments instruments(1, 0);
  ASSERT_TRUE(instruments.SetWallFile(folder / "wall.csv").ok());
  instruments.MeasureIdle();
  AttemptRow row;
  instruments.BeginWatch();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  instruments.EndWatch(row);
  const EnergyRow* wall = WallOf(row);
  ASSERT_NE(wall, nullptr);
  EXPECT_NEAR(wall->joules / wall->seconds, 50, 1e-6);
  ASSERT_TRUE(wall->idle_w.has_value());
  EXPECT_NEAR(*wall->idle_w, 50, 1e-6);
}

TEST(WallMeter, OneThatIsSilentIsNotWaitedFor) {
  const TempFolder folder;
  std::ofstream(folder / "wall.csv") << "1700000000,50\n1700000001,50\n";
  MachineInstruments instruments(1, 0);
  ASSERT_TRUE(instruments.SetWallFile(folder / "wall.csv").ok());
  AttemptRow row;
  instruments.BeginWatch();
  instruments.EndWatch(row);
  EXPECT_EQ(WallOf(row), nullptr);
  EXPECT_EQ(instruments.SetWallFile(folder / "none.csv").error().code, ErrorCode::kBadInput);
}

}  // namespace
}  // namespace weir
