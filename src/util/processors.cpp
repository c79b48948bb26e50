#include "util/processors.h"

#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#endif

namespace weir {

#ifdef __linux__

std::vector<int> UsableProcessors() {
  std::vector<int> processors;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return processors;  // more than the set can hold
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) processors.push_back(i);
  }
  return processors;
}

void UseProcessors(std::span<const int> processors) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int processor : processors) CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

void NameThisThread(const char* name) { prctl(PR_SET_NAME, name); }

#else

std::vector<int> UsableProcessors() { return {}; }
void UseProcessors(std::span<const int>) {}
void NameThisThread(const char*) {}

#endif

}  // namespace weir
