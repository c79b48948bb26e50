#include "util/error.h"

#include <cstdio>
#include <cstdlib>

namespace weir {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "weir: bug: %s does not hold at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace weir
