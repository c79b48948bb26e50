// How much memory there is left, and how much this process has used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "util/error.h"

namespace weir {

/// The machine's physical memory. `root`, here and below, is the file system to read, for tests.
std::optional<int64_t> TotalMemoryBytes(const std::string& root = "");

/// Bytes that can be allocated without swapping: what the kernel says is available, or what the process's
/// control group leaves if that is less.
std::optional<int64_t> AvailableMemoryBytes(const std::string& root = "");

/// The most physical memory that this process has held at once since it started, or since the last reset.
std::optional<int64_t> PeakRssBytes(const std::string& root = "");

/// Where memory runs out, the kernel shall end this process before any other.
void VolunteerForOom();

/// Starts a new peak from the memory held now. kFailed where the kernel does not allow it.
Status ResetPeakRss(const std::string& root = "");

}  // namespace weir
