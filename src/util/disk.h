// What the file system says about itself.
#pragma once

#include <cstdint>
#include <string>

#include "util/error.h"

namespace weir {

/// Bytes that this user may still write into the existing folder `path`.
Result<int64_t> FreeDiskBytes(const std::string& path);

/// Flushes the names in a folder to the disk: a rename outlives a power cut only after that.
Status SyncFolder(const std::string& path);

}  // namespace weir
