#include "machine/memory_use.h"

#include <algorithm>
#include <fstream>

#include "machine/cgroup.h"
#include "machine/text_files.h"

namespace weir {
namespace {

/// "MemAvailable:   24000 kB" as bytes.
std::optional<int64_t> KibField(const std::string& path, std::string_view key) {
  const std::string text = ReadTextFile(path);
  const auto value = Field(text, key);
  if (!value || !value->ends_with(" kB")) return std::nullopt;
  const auto kib = ParseInt(value->substr(0, value->size() - 3));
  return kib ? std::optional(*kib * 1024) : std::nullopt;
}

}  // namespace

std::optional<int64_t> TotalMemoryBytes(const std::string& root) {
  return KibField(root + "/proc/meminfo", "MemTotal");
}

std::optional<int64_t> AvailableMemoryBytes(const std::string& root) {
  const auto available = KibField(root + "/proc/meminfo", "MemAvailable");
  const auto left = ReadCgroupLimits(root).memory_left_bytes;
  if (!available || !left) return available ? available : left;
  return std::min(*available, *left);
}

std::optional<int64_t> PeakRssBytes(const std::string& root) {
  return KibField(root + "/proc/self/status", "VmHWM");
}

Status ResetPeakRss(const std::string& root) {
  const std::string path = root + "/proc/self/clear_refs";
  std::ofstream file(path, std::ios::out | std::ios::in);  // never creates it
  file << "5" << std::flush;  // proc(5): resets the peak resident set size
  if (!file) return Failed("cannot reset the peak memory: {} is not writable", path);
  return {};
}

void VolunteerForOom() { std::ofstream("/proc/self/oom_score_adj") << "1000"; }

}  // namespace weir
