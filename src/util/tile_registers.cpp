#include "util/tile_registers.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace weir {

bool AllowTileRegisters() {
#if defined(__linux__) && defined(__x86_64__)
  // asm/prctl.h of Linux 5.16; older headers do not have the names.
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace weir
