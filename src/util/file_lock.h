// One process at a time.
#pragma once

#include <optional>
#include <string>

#include "util/error.h"

namespace weir {

/// An exclusive flock(2) on a file that stays when the lock goes: removing it would let two
/// processes hold locks on two files of the same name. Gone with the process, however that ends.
class FileLock {
 public:
  /// Creates the file if missing; nothing if another process (or another FileLock) holds it.
  static Result<std::optional<FileLock>> Try(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}

  int fd_;  // -1 once moved from
};

}  // namespace weir
