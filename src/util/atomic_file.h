// A file that is there whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "util/error.h"

namespace weir {

/// Writes PATH.tmp and renames it to PATH on Commit; without Commit, PATH stays as it was and
/// PATH.tmp goes. Errors (unwritable path, full disk) name the path.
class AtomicFile {
 public:
  /// `owner_only`: nobody else may read it.
  static Result<AtomicFile> Create(const std::string& path, bool owner_only = false);
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  Status Write(const void* data, size_t n_bytes);
  /// Flushes to the disk and renames.
  Status Commit();

 private:
  AtomicFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string TemporaryPath() const { return path_ + ".tmp"; }

  std::string path_;
  int fd_;  // -1 once committed or moved from
};

}  // namespace weir
