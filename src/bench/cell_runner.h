// What can be done with the cells of a run: their target started, a repeat measured, their last word written. In
// which order that happens is decided elsewhere (bench.cpp, capacity.cpp).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "bench/estimate.h"
#include "bench/slo.h"
#include "bench/statistics.h"
#include "bench/stream_watch.h"
#include "util/clock.h"

namespace weir {

/// A cell while it is measured.
struct RunningCell {
  CellSpec spec;
  Slo slo = {};  // that each repeat is judged by; no terms: none
  Result<int64_t> plan = Failed("not planned");
  std::optional<int64_t> id = {};  // once it is a row
  int n_attempts = 0;              // repeats, whole or not
  AttemptsSeen seen = {};
  std::vector<RatesAround> rates = {};
  EngineProfile profile = {};  // of the whole repeats
  StreamWatch watch = {};      // of all repeats
  std::vector<Flag> flags = {};
  std::optional<SloResult> judged = {};  // of the last repeat, if it was whole
  bool ended = false;
};

/// Cells at least as large as one that could not run cannot run either.
struct TooLarge {
  int users;
  int64_t tokens;
  std::string reason;
};

/// A subject with its cells. They stay where they are when others are added.
struct Side {
  Subject* subject = nullptr;
  CellSpec spec = {};  // of its first cell: what all of them say of the subject
  std::deque<RunningCell> cells = {};
  int64_t model = 0;
  std::optional<int64_t> model_file = {};
  std::optional<int64_t> asked = {};  // the fixed questions' answers
  std::vector<Decoded> decoded = {};
  std::vector<TooLarge> too_large = {};
  bool searched = false;  // cells will be added
  Status loaded = {};
};

class CellRunner {
 public:
  CellRunner(const BenchOptions& options, Store& store, Instruments& instruments,
             const OnBenchProgress& on_progress, int64_t run)
      : options_(options), store_(store), instruments_(instruments), on_progress_(on_progress), run_(run) {}

  int64_t run() const { return run_; }
  /// Whether the user wants it all to end.
  bool Stopped();

  void Expect(int n_cells, double rough_seconds);
  double RoughCellSeconds(const RunningCell& cell, const Subject& subject) const;

  /// Plans the cells, loads the subject if any of them fits, and ends what cannot be measured. Cells that are added
  /// later are planned by `Plan`.
  Status Open(Side& side);
  /// False if the cell does not fit, or a smaller one did not: it has ended then.
  Result<bool> Plan(Side& side, RunningCell& cell);
  /// What is known only when all cells are measured.
  Status Close(Side& side);
  void StopTarget() { running_ = {}; }

  /// One repeat; false if the cell ended instead, because its target did not start or did not survive the warm-up.
  Result<bool> Repeat(Side& side, RunningCell& cell, int64_t block);
  /// Whether the cell has the repeats that it needs.
  Result<bool> Enough(const RunningCell& cell);
  /// The last word on a cell that was measured.
  Status EndMeasured(Side& side, RunningCell& cell);

  std::vector<CellProfile> TakeProfiles() { return std::move(profiles_); }

 private:
  struct Rates {
    int64_t id;
    RatesRow row;
  };

  /// The target at work, which only some cells can use.
  struct Running {
    std::unique_ptr<Target> target;
    const RunningCell* cell = nullptr;
  };

  double RoughRepeatSeconds(const RunningCell& cell, const Subject& subject) const;
  void Tell(double current_seconds);

  Status Load(Side& side);
  Status Ask(Side& side);
  Result<std::optional<int64_t>> IdOfFile(ModelFileRow file, int64_t model);
  Status EndImpossible(Side& side);
  Result<std::vector<int64_t>> BeginWaiting(Side& side);
  Status BeginCell(const Side& side, RunningCell& cell);
  Status EndCell(const Side& side, RunningCell& cell, CellStatus status, const std::string& reason,
                 const std::vector<Flag>& flags = {});
  Status EndUntried(const Side& side, RunningCell& cell, const Error& why);
  Status EndUntried(const Side& side, RunningCell& cell, CellStatus status, const std::string& reason);

  Result<bool> StartTarget(Side& side, RunningCell& cell, const std::string& name);
  Status MeasureRates(std::optional<Rates>& rates);
  Result<bool> RunAttempt(Side& side, RunningCell& cell, int repeat, const Workload& load,
                          std::optional<int64_t> block);
  Result<AttemptRow> RunWatched(Side& side, RunningCell& cell, int repeat, const Workload& load,
                                AttemptWriter& writer);
  Status CountWhole(RunningCell& cell, int64_t attempt, std::string rejected);
  std::optional<StepCost> LeastStepOf(const Side& side, const RunningCell& cell) const;
  std::string WhyImpossible(const RunningCell& cell, const Store::Decoding& decoding) const;
  Result<std::optional<Flag>> AnswerChanged(const CellResult& cell);

  const BenchOptions& options_;
  Store& store_;
  Instruments& instruments_;
  const OnBenchProgress& on_progress_;
  const int64_t run_;
  bool stopped_ = false;
  Estimate estimate_;
  BenchProgress progress_;
  std::vector<CellProfile> profiles_;
  const int64_t begin_ns_ = NowNs();
  Running running_;
  std::string no_rates_;         // why, if rates cannot be measured
  std::optional<Rates> latest_;  // measured after the first warm-up and after each repeat
};

}  // namespace weir
