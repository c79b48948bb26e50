// A file written at any place, for data that arrives in no order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "util/error.h"

namespace weir {

/// Open for reading and writing, created if missing. Errors (full disk, no permission) name the
/// path.
class UpdateFile {
 public:
  static Result<UpdateFile> Open(const std::string& path);
  ~UpdateFile();
  UpdateFile(UpdateFile&& other) noexcept;
  UpdateFile& operator=(UpdateFile&&) = delete;

  const std::string& path() const { return path_; }
  Result<int64_t> Size() const;
  /// Cuts, or extends with zeros that take no space yet.
  Status Resize(int64_t n_bytes);
  Status WriteAt(int64_t offset, const void* data, size_t n_bytes);
  /// The number of bytes read: fewer than n_bytes only at the end of the file.
  Result<size_t> ReadAt(int64_t offset, void* data, size_t n_bytes) const;
  /// Flushes to the disk.
  Status Sync();

 private:
  UpdateFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;  // -1 once moved from
};

}  // namespace weir
