#include "util/read_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace weir {

Result<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
  std::string bytes;
  char part[1 << 16];
  while (file) {
    const size_t n = std::fread(part, 1, sizeof(part), file.get());
    bytes.append(part, n);
    if (bytes.size() > max_bytes) {
      return BadInput("{}: longer than {} bytes", path, max_bytes);
    }
    if (n < sizeof(part)) break;
  }
  if (!file || std::ferror(file.get())) return BadInput("{}: {}", path, std::strerror(errno));
  return bytes;
}

}  // namespace weir
