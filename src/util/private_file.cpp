#include "util/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir {

Status AppendToPrivateFile(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return Failed("{}: cannot open: {}", path, std::strerror(errno));
  const bool written = fchmod(file, 0600) == 0 &&
                       write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(file);
  if (!written) return Failed("{}: cannot write: {}", path, std::strerror(error));
  return {};
}

}  // namespace weir
