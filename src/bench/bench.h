// The main job: every model with every number of users, each a cell of a few repeats, into the
// store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/target.h"
#include "store/store.h"

namespace weir {

struct BenchOptions {
  std::vector<int> users{1, 2, 4};
  int64_t prompt_tokens = 64;
  int64_t gen_tokens = 32;
  int requests_per_user = 2;
  int repeats = 3;
  uint64_t seed = 1;  // of the prompts
  std::vector<Flag> flags;  // that every measured cell gets, for what is not as usual
};

/// kBadInput, naming flag, value and range.
Status CheckOptions(const BenchOptions& options);
/// kBadInput if a prompt and its answer are longer than the model's context.
Status CheckContext(const BenchOptions& options, const Subject& subject);

/// What the bench reads off the machine around the target.
class Instruments {
 public:
  virtual ~Instruments() = default;
  /// Gives back what Prepare took.
  virtual void Release() = 0;
  /// Gets ready to measure rates, leaving `reserved_bytes` of memory for the target.
  virtual Status Prepare(int64_t reserved_bytes) = 0;
  virtual Result<RatesRow> MeasureRates() = 0;
  virtual void ResetPeakMemory() = 0;
  /// Since the reset, without the instruments' own; nothing where it cannot be told.
  virtual std::optional<int64_t> PeakMemory() = 0;
  /// Whether the user asked to stop.
  virtual bool Stopped() = 0;
};

/// Tells, in words, what is being done and how much of the estimated time has passed.
using OnBenchProgress =
    std::function<void(const std::string& doing, int64_t done_ms, int64_t total_ms)>;

/// Where the time of a cell's steps went, over its whole repeats.
struct CellProfile {
  int64_t cell = 0;
  EngineProfile profile;
};

struct BenchOutcome {
  int64_t run = 0;
  bool interrupted = false;
  Status written;  // the store's Error that ended the run early; what was written before it stays
  std::vector<CellProfile> profiles;  // of cells whose target knows
};

/// Measures all cells. What goes wrong with a model or a cell is a row. An Error: the store could
/// not even begin.
Result<BenchOutcome> RunBench(const BenchOptions& options, const RunRow& run,
                              const std::vector<std::unique_ptr<Subject>>& subjects, Store& store,
                              Instruments& instruments, const OnBenchProgress& on_progress);

}  // namespace weir
