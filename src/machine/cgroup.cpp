#include "machine/cgroup.h"

#include <algorithm>
#include <vector>

#include "machine/text_files.h"

namespace weir {
namespace {

// Version 1 writes "no limit" as the largest multiple of the page size; nothing real comes near.
constexpr int64_t kNoLimit = int64_t{1} << 60;

template <class T>
void Tighten(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

/// The directory of `group` under `mount` and all directories above it up to the mount. In a container the
/// group's path may be one that only the host sees; the mount then shows the container's own group.
std::vector<std::string> GroupDirectories(const std::string& mount, std::string group) {
  std::vector<std::string> directories;
  while (group.size() > 1 && group.starts_with('/')) {
    directories.push_back(mount + group);
    group.resize(group.rfind('/'));
  }
  directories.push_back(mount);
  return directories;
}

void AddQuota(std::string_view quota, std::string_view period, CgroupLimits& limits) {
  const auto quota_us = ParseInt(quota), period_us = ParseInt(period);  // "max" and -1: none
  if (quota_us && period_us && *quota_us > 0 && *period_us > 0) {
    Tighten(limits.cpus, static_cast<double>(*quota_us) / static_cast<double>(*period_us));
  }
}

/// The value in "inactive_file 4096" lines.
int64_t InactiveFileBytes(std::string_view memory_stat) {
  constexpr std::string_view kKey = "inactive_file ";
  for (std::string_view line : Split(memory_stat, '\n')) {
    if (line.starts_with(kKey)) return ParseInt(line.substr(kKey.size())).value_or(0);
  }
  return 0;
}

void AddMemory(const std::string& directory, const char* limit_file, const char* usage_file,
               CgroupLimits& limits) {
  const auto limit = ParseInt(ReadTextFile(directory + "/" + limit_file));  // "max": none
  if (!limit || *limit >= kNoLimit) return;
  Tighten(limits.memory_bytes, *limit);
  const int64_t usage = ParseInt(ReadTextFile(directory + "/" + usage_file)).value_or(0);
  const int64_t droppable = InactiveFileBytes(ReadTextFile(directory + "/memory.stat"));
  Tighten(limits.memory_left_bytes, std::clamp<int64_t>(*limit - usage + droppable, 0, *limit));
}

void AddVersion2(const std::string& mount, const std::string& group, CgroupLimits& limits) {
  for (const std::string& directory : GroupDirectories(mount, group)) {
    const std::string cpu_max = ReadTextFile(directory + "/cpu.max");
    const auto words = Split(Trim(cpu_max), ' ');
    if (words.size() == 2) AddQuota(words[0], words[1], limits);
    AddMemory(directory, "memory.max", "memory.current", limits);
  }
}

void AddVersion1(const std::string& mount, const std::string& group, CgroupLimits& limits) {
  for (const std::string& directory : GroupDirectories(mount, group)) {
    AddQuota(ReadTextFile(directory + "/cpu.cfs_quota_us"),
             ReadTextFile(directory + "/cpu.cfs_period_us"), limits);
    AddMemory(directory, "memory.limit_in_bytes", "memory.usage_in_bytes", limits);
  }
}

}  // namespace

CgroupLimits ReadCgroupLimits(const std::string& root) {
  CgroupLimits limits;
  const std::string mounts = root + "/sys/fs/cgroup";
  const std::string groups = ReadTextFile(root + "/proc/self/cgroup");
  for (std::string_view line : Split(groups, '\n')) {  // "4:cpu,cpuacct:/path", version 2: "0::/path"
    const size_t first = line.find(':');
    const size_t second = first == line.npos ? first : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string group(line.substr(second + 1));
    if (controllers.empty()) {
      AddVersion2(mounts, group, limits);
      AddVersion2(mounts + "/unified", group, limits);  // both versions mounted
      continue;
    }
    for (std::string_view controller : Split(controllers, ',')) {
      if (controller != "cpu" && controller != "memory") continue;
      AddVersion1(mounts + "/" + std::string(controller), group, limits);
    }
  }
  return limits;
}

}  // namespace weir
