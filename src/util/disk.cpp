#include "util/disk.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weir {

Result<int64_t> FreeDiskBytes(const std::string& path) {
  struct statvfs status;
  if (statvfs(path.c_str(), &status) != 0) {
    return Failed("{}: cannot ask for the free space: {}", path, std::strerror(errno));
  }
  const double bytes = static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize);
  return static_cast<int64_t>(std::min(bytes, 9e18));
}

Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("{}: cannot open: {}", path, std::strerror(errno));
  // Some network file systems know no fsync of a folder; there is nothing better to do there.
  const bool failed = fsync(fd) != 0 && errno != EINVAL && errno != EROFS;
  const int error = errno;
  close(fd);
  if (failed) return Failed("{}: cannot write to the disk: {}", path, std::strerror(error));
  return {};
}

}  // namespace weir
