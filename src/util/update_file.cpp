#include "util/update_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weir {
namespace {

constexpr size_t kMaxCall = size_t{1} << 30;  // Linux moves at most 2 GB per call

}  // namespace

Result<UpdateFile> UpdateFile::Open(const std::string& path) {
  // A link planted in a shared folder must not choose which file is overwritten.
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  if (fd < 0) return Failed("{}: cannot open for writing: {}", path, std::strerror(errno));
  UpdateFile file(path, fd);
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    return BadInput("{}: expected a regular file, found something else", path);
  }
  return file;
}

UpdateFile::~UpdateFile() {
  if (fd_ >= 0) close(fd_);
}

UpdateFile::UpdateFile(UpdateFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

Result<int64_t> UpdateFile::Size() const {
  struct stat status;
  if (fstat(fd_, &status) != 0) {
    return Failed("{}: cannot read its size: {}", path_, std::strerror(errno));
  }
  return static_cast<int64_t>(status.st_size);
}

Status UpdateFile::Resize(int64_t n_bytes) {
  if (ftruncate(fd_, n_bytes) == 0) return {};
  return Failed("{}: cannot resize to {} bytes: {}", path_, n_bytes, std::strerror(errno));
}

Status UpdateFile::WriteAt(int64_t offset, const void* data, size_t n_bytes) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  while (n_bytes > 0) {
    const ssize_t written = pwrite(fd_, bytes, std::min(n_bytes, kMaxCall), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("{}: cannot write: {}", path_, std::strerror(errno));
    bytes += written;
    offset += written;
    n_bytes -= static_cast<size_t>(written);
  }
  return {};
}

Result<size_t> UpdateFile::ReadAt(int64_t offset, void* data, size_t n_bytes) const {
  auto* bytes = static_cast<uint8_t*>(data);
  size_t done = 0;
  while (done < n_bytes) {
    const ssize_t got = pread(fd_, bytes + done, std::min(n_bytes - done, kMaxCall),
                              offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("{}: cannot read: {}", path_, std::strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Status UpdateFile::Sync() {
  if (fsync(fd_) == 0) return {};
  return Failed("{}: cannot write to the disk: {}", path_, std::strerror(errno));
}

}  // namespace weir
