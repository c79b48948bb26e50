#include "machine/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <thread>
#include <tuple>

#include "machine/cgroup.h"
#include "machine/memory_use.h"
#include "machine/text_files.h"

namespace weir {
namespace {

constexpr std::string_view kInterestingFeatures[] = {
    "avx2",   "fma",         "f16c",     "avx_vnni", "avx512f",  "avx512bw", "avx512dq",
    "avx512vl", "avx512_vnni", "avx512_vbmi2", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16",
    "asimd",  "asimddp",     "i8mm",     "bf16",     "sve",      "sve2"};

std::string String(std::optional<std::string_view> text) { return std::string(text.value_or("")); }

std::string ReadTrimmed(const std::string& path) {
  return std::string(Trim(ReadTextFile(path).c_str()));  // c_str(): device tree strings end in a zero
}

void ReadProcessor(const std::string& root, Machine& machine) {
  const std::string cpuinfo = ReadTextFile(root + "/proc/cpuinfo");
  machine.vendor = String(Field(cpuinfo, "vendor_id"));
  machine.cpu_model = String(Field(cpuinfo, "model name"));
  if (machine.cpu_model.empty()) {  // Arm names the board instead
    machine.cpu_model = ReadTrimmed(root + "/sys/firmware/devicetree/base/model");
  }
  auto flags = Field(cpuinfo, "flags");
  if (!flags) flags = Field(cpuinfo, "Features");
  const auto words = Split(flags.value_or(""), ' ');
  const std::set<std::string_view> known(words.begin(), words.end());
  for (std::string_view feature : kInterestingFeatures) {
    if (known.contains(feature)) machine.cpu_features.emplace_back(feature);
  }
  machine.virtual_machine = known.contains("hypervisor");
}

std::string CpuDirectory(const std::string& root, int cpu) {
  return fmt::format("{}/sys/devices/system/cpu/cpu{}", root, cpu);
}

/// The number of physical cores behind `cpus`, if each of them says which others it shares its core with.
std::optional<int> CountCores(const std::string& root, const std::vector<int>& cpus) {
  std::set<std::string> cores;
  for (int cpu : cpus) {
    const std::string topology = CpuDirectory(root, cpu) + "/topology/";
    std::string siblings = ReadTrimmed(topology + "core_cpus_list");
    if (siblings.empty()) siblings = ReadTrimmed(topology + "thread_siblings_list");  // before Linux 5.3
    if (siblings.empty()) return std::nullopt;
    cores.insert(siblings);
  }
  if (cores.empty()) return std::nullopt;
  return static_cast<int>(cores.size());
}

std::vector<int> OnlineCpus(const std::string& root) {
  std::vector<int> cpus = ParseCpuList(ReadTextFile(root + "/sys/devices/system/cpu/online"));
  if (cpus.empty()) {
    const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int cpu = 0; cpu < count; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

void ReadThreads(const std::string& root, const std::vector<int>& online, Machine& machine) {
  machine.logical_cpus = static_cast<int>(online.size());
  machine.physical_cores = CountCores(root, online);
  const std::string status = ReadTextFile(root + "/proc/self/status");
  machine.allowed_cpus = ParseCpuList(Field(status, "Cpus_allowed_list").value_or(""));
  if (machine.allowed_cpus.empty()) machine.allowed_cpus = online;

  machine.usable_threads = static_cast<int>(machine.allowed_cpus.size());
  if (machine.cpu_quota) {
    const double whole = std::ceil(*machine.cpu_quota);
    if (whole < machine.usable_threads) machine.usable_threads = std::max(1, static_cast<int>(whole));
  }
  machine.default_threads = machine.usable_threads;
  if (!machine.virtual_machine) {
    const int cores = CountCores(root, machine.allowed_cpus).value_or(machine.usable_threads);
    machine.default_threads = std::min(machine.usable_threads, cores);
  }
}

/// "32K" or "8M" as bytes.
int64_t ParseCacheSize(std::string_view text) {
  if (text.empty()) return 0;
  const int shift = text.back() == 'K' ? 10 : text.back() == 'M' ? 20 : 0;
  if (shift > 0) text.remove_suffix(1);
  return ParseInt(text).value_or(0) << shift;
}

std::vector<CacheKind> ReadCaches(const std::string& root, const std::vector<int>& online) {
  using Kind = std::tuple<int, std::string, int64_t, int>;  // level, type, bytes, shared by
  std::map<Kind, std::set<std::string>> kinds;              // and the processors of each cache
  for (int cpu : online) {
    for (int index = 0;; ++index) {
      const std::string cache = fmt::format("{}/cache/index{}/", CpuDirectory(root, cpu), index);
      const auto level = ParseInt(ReadTextFile(cache + "level"));
      if (!level) break;
      const int64_t bytes = ParseCacheSize(ReadTrimmed(cache + "size"));
      const std::string sharers = ReadTrimmed(cache + "shared_cpu_list");
      const int shared_by = static_cast<int>(ParseCpuList(sharers).size());
      if (bytes == 0 || shared_by == 0) continue;
      kinds[{static_cast<int>(*level), ReadTrimmed(cache + "type"), bytes, shared_by}].insert(sharers);
    }
  }
  std::vector<CacheKind> caches;
  for (const auto& [kind, members] : kinds) {
    const auto& [level, type, bytes, shared_by] = kind;
    caches.push_back({level, type, bytes, static_cast<int>(members.size()), shared_by});
  }
  return caches;
}

void ReadSystem(const std::string& root, Machine& machine) {
  machine.kernel = ReadTrimmed(root + "/proc/sys/kernel/osrelease");
  const std::string release = ReadTextFile(root + "/etc/os-release");
  for (std::string_view line : Split(release, '\n')) {
    constexpr std::string_view kName = "PRETTY_NAME=";
    if (!line.starts_with(kName)) continue;
    machine.os = line.substr(kName.size());
    std::erase(machine.os, '"');
  }
  // "always [madvise] never": the chosen one is in brackets.
  const std::string modes = ReadTextFile(root + "/sys/kernel/mm/transparent_hugepage/enabled");
  const size_t open = modes.find('['), close = modes.find(']');
  if (open < close && close != modes.npos) machine.huge_pages = modes.substr(open + 1, close - open - 1);
}

}  // namespace

bool HasAccelerator(const std::string& root) {
  namespace fs = std::filesystem;
  std::error_code error;
  // NVIDIA's driver, AMD's, and what Windows shows to its Linux.
  for (const char* device : {"/dev/nvidiactl", "/dev/kfd", "/dev/dxg"}) {
    if (fs::exists(root + device, error)) return true;
  }
  // A card without a render node is a screen.
  for (const auto& [folder, name] : {std::pair("/dev/dri", "renderD"), {"/dev/accel", ""}}) {
    for (fs::directory_iterator it(root + folder, error), end; !error && it != end; it.increment(error)) {
      if (it->path().filename().string().starts_with(name)) return true;
    }
  }
  return false;
}

Machine ReadMachine(const std::string& root) {
  Machine machine;
  ReadProcessor(root, machine);
  const CgroupLimits limits = ReadCgroupLimits(root);
  machine.cpu_quota = limits.cpus;
  machine.memory_limit_bytes = limits.memory_bytes;
  machine.memory_bytes = TotalMemoryBytes(root);
  machine.memory_available_bytes = AvailableMemoryBytes(root);
  const std::vector<int> online = OnlineCpus(root);
  ReadThreads(root, online, machine);
  machine.caches = ReadCaches(root, online);
  ReadSystem(root, machine);
  return machine;
}

std::optional<int64_t> LastLevelCacheBytes(const Machine& machine) {
  int last = 0;
  for (const CacheKind& cache : machine.caches) last = std::max(last, cache.level);
  if (last == 0) return std::nullopt;
  int64_t bytes = 0;
  for (const CacheKind& cache : machine.caches) {
    if (cache.level == last) bytes += cache.bytes * cache.count;
  }
  return bytes;
}

std::string Fingerprint(const Machine& machine) {
  constexpr double kGib = 1 << 30;
  const std::string model = machine.cpu_model.empty() ? "unknown processor" : machine.cpu_model;
  const double gib = static_cast<double>(machine.memory_bytes.value_or(0)) / kGib;
  return fmt::format("{}, {} cores, {} GiB", model, machine.physical_cores.value_or(machine.logical_cpus),
                     std::ceil(gib));
}

}  // namespace weir
