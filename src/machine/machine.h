// What this computer is: facts that the operating system states, none of them measured.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir {

/// Caches of one kind. Cores of different sizes have caches of different kinds.
struct CacheKind {
  int level = 0;
  std::string type;   // "Data", "Instruction", "Unified"
  int64_t bytes = 0;  // of one of them
  int count = 0;
  int shared_by = 0;  // logical processors per cache
};

/// Strings are empty, lists are empty and optionals have no value where the system does not say.
struct Machine {
  std::string vendor;
  std::string cpu_model;
  std::vector<std::string> cpu_features;  // those that matter to weir's kernels, as the kernel names them
  bool virtual_machine = false;

  int logical_cpus = 1;
  std::optional<int> physical_cores;
  std::vector<int> allowed_cpus;     // the affinity mask
  std::optional<double> cpu_quota;   // processors' worth of time that the control group allows
  int usable_threads = 1;            // min(affinity mask, quota rounded up)
  int default_threads = 1;           // see DefaultThreads

  std::vector<CacheKind> caches;
  std::optional<int64_t> memory_bytes;
  std::optional<int64_t> memory_available_bytes;
  std::optional<int64_t> memory_limit_bytes;  // of the control group

  std::string os;
  std::string kernel;
  std::string huge_pages;  // of anonymous memory: "always", "madvise" or "never"
};

/// Whether something else than the processors could compute a model here: a GPU or the like, of which weir's rates say
/// nothing.
bool HasAccelerator(const std::string& root = "");

/// Reads the facts below `root`, "" for the real file system.
Machine ReadMachine(const std::string& root = "");

/// All last-level caches together; nothing if unknown.
std::optional<int64_t> LastLevelCacheBytes(const Machine& machine);

/// One line by which rows measured on equal machines are recognised: model, cores, memory in whole GiB.
std::string Fingerprint(const Machine& machine);

/// The threads that commands use when the user does not say. One per physical core: decoding waits for
/// memory and prefill for the multipliers, and two threads of a core share both. On a virtual machine all
/// usable threads, because the topology it shows need not be the host's.
inline int DefaultThreads() { return ReadMachine().default_threads; }

}  // namespace weir
