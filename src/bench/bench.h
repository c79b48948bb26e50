// The main job: every cell of a campaign, some repeats of each, into the store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/cell_spec.h"
#include "bench/target.h"
#include "store/store.h"

namespace weir {

struct BenchOptions {
  int repeats = 3;  // of every cell, at least
  /// Repeat each cell until the interval of its medians is within this share of them, on either side...
  std::optional<double> precision;
  int most_repeats = 20;    // ... or until there are this many repeats
  uint64_t order_seed = 1;  // of the order of cells within a block
  int64_t timeout_ns = 0;   // of a repeat; 0: none
  /// Cells of one model at several targets take turns, and all those targets are loaded at once; else a target is
  /// done before the next one is loaded.
  bool interleave = false;
  bool strict = false;      // a disturbed repeat is rejected and made again
  std::vector<Flag> flags;  // that every measured cell gets, for what is not as usual
};

struct PlannedCell {
  Subject* subject = nullptr;
  CellSpec spec;
};

/// Positions of the longest sequence of a load: prompt and answer, after what comes before them.
int64_t TokensOf(const Workload& load);

/// kBadInput, naming flag, value and range.
Status CheckOptions(const BenchOptions& options);
Status CheckWorkload(const Workload& load);
/// kBadInput if a prompt and its answer are longer than the model's context.
Status CheckContext(const Workload& load, const Subject& subject);

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
  /// Threads that rates are measured with.
  virtual int threads() const = 0;
  /// Of all caches that processors share; weights that fit in there are not read from memory.
  virtual int64_t cache_bytes() const { return 0; }
  /// Begins to watch what others do to the machine.
  virtual void BeginWatch() {}
  /// Called every half second or so in between.
  virtual void Watch() {}
  /// What was seen since BeginWatch: disturbance, energy and samples of the row.
  virtual void EndWatch(AttemptRow&) {}
  /// Whether the user asked to stop.
  virtual bool Stopped() = 0;
};

/// Where a campaign is, for whoever watches.
struct BenchProgress {
  std::string doing;  // in words
  int64_t done_ms = 0, total_ms = 0;
  int n_ended = 0, n_cells = 0;
  double tok_s = 0;                // of all users together, in the last half second; 0: none
  std::optional<double> ttft_ms;   // of the request that began last
  std::vector<double> history;     // tok_s of this repeat so far
  std::vector<std::string> flags;  // of the cells that ended, by name
};
using OnBenchProgress = std::function<void(const BenchProgress&)>;

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
  OwnCost own_cost = {};
};

/// Measures all cells. Those of one subject (of one model, with options.interleave) are measured together, in blocks: a block has one repeat of every
/// cell that needs more, in random order, so that what drifts drifts for all of them. What goes wrong with a
/// model or a cell is a row, and so is a cell that is not tried because a smaller one did not fit. An Error: the
/// store could not even begin.
Result<BenchOutcome> RunBench(const BenchOptions& options, const RunRow& run,
                              const std::vector<PlannedCell>& cells, Store& store,
                              Instruments& instruments, const OnBenchProgress& on_progress);

}  // namespace weir
