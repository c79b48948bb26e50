// The limits that a container or a service manager puts on this process: control groups, versions 1 and 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weir {

struct CgroupLimits {
  std::optional<double> cpus;                // processor time per second: quota / period
  std::optional<int64_t> memory_bytes;       // the tightest limit
  std::optional<int64_t> memory_left_bytes;  // the least that a limit leaves, droppable page cache included
};

/// Reads the process's group and every group above it (each of them limits) below `root`, "" for the real
/// file system.
CgroupLimits ReadCgroupLimits(const std::string& root);

}  // namespace weir
