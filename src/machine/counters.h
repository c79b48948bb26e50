// What the operating system counts while something is measured: who used the processors, what slowed them down,
// what memory had to wait for, and energy. Differences between two readings say what happened in between.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir {

/// An energy counter, or power now; absent parts are not known there.
struct EnergyMeter {
  std::string boundary;  // what is inside: core, package, dram, psys, gpu, board, battery
  std::string source;    // "rapl package-0", "hwmon amdgpu"
  std::optional<double> joules;  // since some moment; wraps at wrap_joules
  double wrap_joules = 0;
  std::optional<double> watts;
};

/// Optionals have no value where the system does not say.
struct Counters {
  int64_t time_ns = 0;
  // Seconds of processor time since the machine started: of all processors, stolen by the host, used by anyone
  // here, and used by this process.
  std::optional<double> steal_s, busy_s, own_s;
  int cpus = 1;
  std::optional<int64_t> throttles;     // times that a core or a package slowed down
  std::optional<int64_t> swap_pages;    // in and out
  std::optional<int64_t> major_faults;  // of this process
  std::optional<double> frequency_mhz;  // mean of the processors, now
  std::optional<double> temperature_c;  // of the hottest sensor, now
  std::optional<double> load;           // of one minute
  std::optional<int64_t> available_bytes, process_bytes;
  std::vector<EnergyMeter> meters;
};

/// Reads below `root`, "" for the real file system.
Counters ReadCounters(const std::string& root = "");

/// Processes that the kernel has killed for want of memory since the machine started; nothing where it does not say.
std::optional<int64_t> OomKills(const std::string& root = "");

/// A reading of a meter at the wall: watts at a moment of the wall clock.
struct WallReading {
  int64_t unix_ns = 0;
  double watts = 0;
};

/// Lines "SECONDS,WATTS", seconds since 1970 with decimals; lines that are not two numbers are left out, a heading
/// for instance.
std::vector<WallReading> ReadWallFile(const std::string& path);

}  // namespace weir
