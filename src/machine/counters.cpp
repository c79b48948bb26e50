#include "machine/counters.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <initializer_list>
#include <string_view>

#include "machine/memory_use.h"
#include "machine/text_files.h"
#include "util/clock.h"
#include "util/error.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

std::optional<double> ParseReal(std::string_view text) {
  text = Trim(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A file that holds one number, times `scale`.
std::optional<double> Scaled(const std::string& path, double scale) {
  const std::optional<int64_t> value = ParseInt(ReadTextFile(path));
  return value ? std::optional(static_cast<double>(*value) * scale) : std::nullopt;
}

std::vector<std::string> Folders(const std::string& path, std::string_view prefix) {
  std::vector<std::string> folders;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(prefix)) folders.push_back(it->path().string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

double SecondsPerTick() {
  const long ticks = sysconf(_SC_CLK_TCK);
  return ticks > 0 ? 1.0 / static_cast<double>(ticks) : 0.01;
}

/// proc(5), the first line of stat: user nice system idle iowait irq softirq steal; guests are in user.
void ReadProcessors(const std::string& root, Counters& counters) {
  const std::string text = ReadTextFile(root + "/proc/stat");
  counters.cpus = 0;
  for (const std::string_view line : Split(text, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ' ');
    if (fields.empty() || !fields[0].starts_with("cpu")) break;
    if (fields[0] != "cpu") {
      ++counters.cpus;
      continue;
    }
    if (fields.size() < 9) continue;
    const auto ticks = [&](size_t i) { return static_cast<double>(ParseInt(fields[i]).value_or(0)); };
    counters.busy_s = (ticks(1) + ticks(2) + ticks(3) + ticks(6) + ticks(7)) * SecondsPerTick();
    counters.steal_s = ticks(8) * SecondsPerTick();
  }
  counters.cpus = std::max(1, counters.cpus);
}

/// proc(5), stat of a process: after the name in parentheses, state is field 3, majflt 12, utime 14, stime 15.
void ReadOwn(const std::string& root, Counters& counters) {
  const std::string text = ReadTextFile(root + "/proc/self/stat");
  const size_t name_end = text.rfind(')');
  if (name_end == text.npos) return;
  const std::string_view rest = std::string_view(text).substr(name_end + 1);
  const std::vector<std::string_view> fields = Split(rest, ' ');
  if (fields.size() < 13) return;
  counters.major_faults = ParseInt(fields[9]);
  const auto user = ParseInt(fields[11]), system = ParseInt(fields[12]);
  if (user && system) counters.own_s = static_cast<double>(*user + *system) * SecondsPerTick();
}

/// The sum of these lines of /proc/vmstat, those that are there.
std::optional<int64_t> SumOfVmstat(const std::string& root, std::initializer_list<std::string_view> names) {
  const std::string text = ReadTextFile(root + "/proc/vmstat");
  std::optional<int64_t> sum;
  for (const std::string_view line : Split(text, '\n')) {
    const size_t space = std::min(line.find(' '), line.size());
    if (std::find(names.begin(), names.end(), line.substr(0, space)) == names.end()) continue;
    const auto value = ParseInt(line.substr(space));
    if (value) sum = sum.value_or(0) + *value;
  }
  return sum;
}

/// Each core counts its own; the package's count is the same file for all of its cores, and only counted once per
/// processor, which does not matter: more than before is all that is asked.
void ReadCores(const std::string& root, Counters& counters) {
  double mhz = 0;
  int n_mhz = 0;
  for (const std::string& cpu : Folders(root + "/sys/devices/system/cpu", "cpu")) {
    for (const char* file : {"/thermal_throttle/core_throttle_count", "/thermal_throttle/package_throttle_count"}) {
      const auto count = ParseInt(ReadTextFile(cpu + file));
      if (count) counters.throttles = counters.throttles.value_or(0) + *count;
    }
    if (const auto now = Scaled(cpu + "/cpufreq/scaling_cur_freq", 1e-3)) {
      mhz += *now;
      ++n_mhz;
    }
  }
  if (n_mhz > 0) counters.frequency_mhz = mhz / n_mhz;
}

/// powercap: package-0, its parts core, uncore and dram, and psys, each in microjoules. Linux lets only root read it.
void ReadRapl(const std::string& root, Counters& counters) {
  for (const std::string& zone : Folders(root + "/sys/class/powercap", "intel-rapl:")) {
    const auto joules = Scaled(zone + "/energy_uj", 1e-6);
    if (!joules) continue;
    const std::string text = ReadTextFile(zone + "/name");
    const std::string name(Trim(text));
    EnergyMeter meter;
    meter.boundary = name.starts_with("package") ? "package" : name;
    meter.source = "rapl " + name;
    meter.joules = joules;
    meter.wrap_joules = Scaled(zone + "/max_energy_range_uj", 1e-6).value_or(0);
    counters.meters.push_back(std::move(meter));
  }
}

void ReadHwmon(const std::string& root, Counters& counters) {
  for (const std::string& chip : Folders(root + "/sys/class/hwmon", "hwmon")) {
    const std::string text = ReadTextFile(chip + "/name");
    const std::string name(Trim(text));
    for (int i = 1; i <= 16; ++i) {
      const auto degrees = Scaled(fmt::format("{}/temp{}_input", chip, i), 1e-3);
      if (degrees) counters.temperature_c = std::max(counters.temperature_c.value_or(*degrees), *degrees);
    }
    std::optional<double> watts = Scaled(chip + "/power1_average", 1e-6);
    if (!watts) watts = Scaled(chip + "/power1_input", 1e-6);
    if (!watts) continue;
    const bool gpu = name.find("gpu") != name.npos || name == "nouveau" || name == "i915" || name == "xe";
    counters.meters.push_back({gpu ? "gpu" : "board", "hwmon " + name, {}, 0, watts});
  }
}

/// What a battery gives is what the whole machine takes, while it discharges.
void ReadBatteries(const std::string& root, Counters& counters) {
  for (const std::string& supply : Folders(root + "/sys/class/power_supply", "")) {
    if (Trim(ReadTextFile(supply + "/type")) != "Battery") continue;
    if (Trim(ReadTextFile(supply + "/status")) != "Discharging") continue;
    std::optional<double> watts = Scaled(supply + "/power_now", 1e-6);
    if (!watts) {
      const auto volts = Scaled(supply + "/voltage_now", 1e-6), amperes = Scaled(supply + "/current_now", 1e-6);
      if (volts && amperes) watts = *volts * *amperes;
    }
    if (!watts) continue;
    counters.meters.push_back({"battery", "battery " + fs::path(supply).filename().string(), {}, 0, watts});
  }
}

std::optional<int64_t> ResidentBytes(const std::string& root) {
  const std::string text = ReadTextFile(root + "/proc/self/status");
  const auto value = Field(text, "VmRSS");
  if (!value || !value->ends_with(" kB")) return std::nullopt;
  const auto kib = ParseInt(value->substr(0, value->size() - 3));
  return kib ? std::optional(*kib * 1024) : std::nullopt;
}

}  // namespace

std::optional<int64_t> OomKills(const std::string& root) { return SumOfVmstat(root, {"oom_kill"}); }

Counters ReadCounters(const std::string& root) {
  Counters counters;
  counters.time_ns = NowNs();
  ReadProcessors(root, counters);
  ReadOwn(root, counters);
  counters.swap_pages = SumOfVmstat(root, {"pswpin", "pswpout"});
  ReadCores(root, counters);
  ReadRapl(root, counters);
  ReadHwmon(root, counters);
  ReadBatteries(root, counters);
  const std::string load = ReadTextFile(root + "/proc/loadavg");
  if (!load.empty()) counters.load = ParseReal(load.substr(0, load.find(' ')));
  counters.available_bytes = AvailableMemoryBytes(root);
  counters.process_bytes = ResidentBytes(root);
  return counters;
}

std::vector<WallReading> ReadWallFile(const std::string& path) {
  std::vector<WallReading> readings;
  const std::string text = ReadTextFile(path);
  for (const std::string_view line : Split(text, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ',');
    if (fields.size() != 2) continue;
    const auto seconds = ParseReal(fields[0]), watts = ParseReal(fields[1]);
    if (!seconds || !watts || !(*seconds > 0 && *seconds < 9e9) || !(*watts >= 0)) continue;
    readings.push_back({static_cast<int64_t>(*seconds * 1e9), *watts});
  }
  std::sort(readings.begin(), readings.end(),
            [](const WallReading& a, const WallReading& b) { return a.unix_ns < b.unix_ns; });
  return readings;
}

}  // namespace weir
