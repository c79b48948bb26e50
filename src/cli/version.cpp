#include "cli/version.h"

#include <fmt/format.h>

#include "kernels/isa.h"

namespace weir {

std::string VersionNumber() { return WEIR_VERSION; }
std::string CommitId() { return WEIR_COMMIT; }

std::string Compiler() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("g++ {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string VersionText() {
  std::string isas;
  for (const Isa isa : BuiltIsas()) isas += fmt::format(" {}", Name(isa));
  return fmt::format("weir {} (commit {}, {}), kernels:{}", VersionNumber(), CommitId(), Compiler(),
                     isas);
}

}  // namespace weir
