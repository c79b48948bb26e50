#include "util/paths.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace weir {
namespace fs = std::filesystem;

namespace {

// The XDG specification has relative paths ignored.
fs::path AbsolutePathIn(const char* variable) {
  const char* value = std::getenv(variable);
  const fs::path path = value ? value : "";
  return path.is_absolute() ? path : fs::path();
}

}  // namespace

Result<std::string> DataDirectory() {
  fs::path base = AbsolutePathIn("XDG_DATA_HOME");
  if (base.empty()) {
    const fs::path home = AbsolutePathIn("HOME");
    if (home.empty()) {
      return BadInput("no directory for measurements and history: neither XDG_DATA_HOME nor HOME is an absolute path");
    }
    base = home / ".local" / "share";
  }
  const fs::path directory = base / "weir";
  std::error_code failure;
  fs::create_directories(directory, failure);
  if (failure) return Failed("cannot create {}: {}", directory.string(), failure.message());
  return directory.string();
}

std::string ExecutablePath() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

}  // namespace weir
