#include "util/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace weir {

Result<AtomicFile> AtomicFile::Create(const std::string& path, bool owner_only) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    return BadInput("{}: cannot write: it exists and is not a regular file", path);
  }
  const std::string temporary = path + ".tmp";
  const mode_t mode = owner_only ? 0600 : 0644;
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return Failed("{}: cannot create: {}", temporary, std::strerror(errno));
  AtomicFile file(path, fd);
  if (owner_only && fchmod(fd, mode) != 0) {  // one that was left behind has its own mode
    return Failed("{}: cannot be made private: {}", temporary, std::strerror(errno));
  }
  return file;
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(TemporaryPath().c_str());
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

Status AtomicFile::Write(const void* data, size_t n_bytes) {
  constexpr size_t kMaxCall = size_t{1} << 30;  // Linux writes at most 2 GB per call
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (n_bytes > 0) {
    const ssize_t written = write(fd_, bytes, std::min(n_bytes, kMaxCall));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("{}: cannot write: {}", TemporaryPath(), std::strerror(errno));
    bytes += written;
    n_bytes -= static_cast<size_t>(written);
  }
  return {};
}

Status AtomicFile::Commit() {
  if (fsync(fd_) != 0) {
    return Failed("{}: cannot write to the disk: {}", TemporaryPath(), std::strerror(errno));
  }
  if (std::rename(TemporaryPath().c_str(), path_.c_str()) != 0) {
    return Failed("{}: cannot rename {}: {}", path_, TemporaryPath(), std::strerror(errno));
  }
  close(std::exchange(fd_, -1));
  return {};
}

}  // namespace weir
