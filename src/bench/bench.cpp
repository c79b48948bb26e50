#include "bench/bench.h"

#include <algorithm>
#include <random>

#include "bench/agreement.h"
#include "bench/capacity.h"
#include "bench/cell_runner.h"
#include "bench/own_cost.h"
#include "bench/questions.h"

namespace weir {
namespace {

constexpr int kMostUsers = 256;
constexpr int64_t kMostTokens = 1 << 20;
constexpr int kRoughProbes = 8;  // of a search

Status CheckRange(const char* flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return BadInput("{} {}: expected {} to {}", flag, value, least, most);
}

/// Subjects that are loaded together, so that their cells can take turns.
struct Group {
  std::string model;
  std::deque<Side> sides;
  std::vector<std::pair<Side*, CellSpec>> searches = {};
};

class Bench {
 public:
  Bench(const BenchOptions& options, Store& store, CellRunner& runner)
      : options_(options), store_(store), runner_(runner) {}

  Status Run(const std::vector<PlannedCell>& cells) {
    for (const PlannedCell& cell : cells) Add(cell);
    for (Group& group : groups_) {
      if (runner_.Stopped()) return {};
      WEIR_RETURN_IF_ERROR(MeasureGroup(group));
    }
    return {};
  }

 private:
  Group& GroupOf(const PlannedCell& cell) {
    for (Group& group : groups_) {
      const bool there = std::any_of(group.sides.begin(), group.sides.end(),
                                     [&](const Side& side) { return side.subject == cell.subject; });
      if (there || (options_.interleave && (group.model == cell.spec.model || cell.spec.model.empty() || group.model.empty()))) return group;
    }
    return groups_.emplace_back(Group{cell.spec.model, {}});
  }

  /// Servers before the engine: what they took by then is not available to its plan.
  Side& SideOf(Group& group, const PlannedCell& cell) {
    for (Side& side : group.sides) {
      if (side.subject == cell.subject) return side;
    }
    runner_.Expect(0, RoughLoadSeconds(cell.subject->row()) + RoughAskingSeconds(*cell.subject, cell.spec));
    return cell.spec.target == "engine" ? group.sides.emplace_back(Side{cell.subject, cell.spec})
                                        : group.sides.emplace_front(Side{cell.subject, cell.spec});
  }

  void Add(const PlannedCell& planned) {
    Group& group = GroupOf(planned);
    Side& side = SideOf(group, planned);
    RunningCell cell{planned.spec};
    const double rough_seconds = runner_.RoughCellSeconds(cell, *planned.subject);
    if (!planned.spec.slo.empty()) {
      group.searches.emplace_back(&side, planned.spec);
      side.searched = true;
      runner_.Expect(kRoughProbes, rough_seconds);
      return;
    }
    runner_.Expect(1, rough_seconds);
    side.cells.push_back(std::move(cell));
  }

  Status MeasureGroup(Group& group) {
    for (Side& side : group.sides) {
      WEIR_RETURN_IF_ERROR(runner_.Open(side));
      if (runner_.Stopped()) break;
    }
    WEIR_RETURN_IF_ERROR(MeasureBlocks(group));
    for (const auto& [side, search] : group.searches) {
      if (runner_.Stopped()) break;
      WEIR_RETURN_IF_ERROR(SearchCapacity(search, options_, *side, runner_, store_));
    }
    runner_.StopTarget();
    for (Side& side : group.sides) {
      WEIR_RETURN_IF_ERROR(runner_.Close(side));
      side.subject->Unload();
    }
    return {};
  }

  struct Turn {
    Side* side;
    RunningCell* cell;
  };

  Status MeasureBlocks(Group& group) {
    std::mt19937_64 random(options_.order_seed);
    for (int64_t block = 1; !runner_.Stopped(); ++block) {
      std::vector<Turn> turns;
      for (Side& side : group.sides) {
        for (RunningCell& cell : side.cells) {
          if (!cell.ended) turns.push_back({&side, &cell});
        }
      }
      if (turns.empty()) return {};
      for (size_t i = turns.size() - 1; i > 0; --i) std::swap(turns[i], turns[random() % (i + 1)]);
      for (const Turn& turn : turns) {
        if (runner_.Stopped()) return {};
        WEIR_RETURN_IF_ERROR(MeasureOnce(turn, block));
      }
    }
    return {};
  }

  /// One repeat of a cell, and its end if it was the last.
  Status MeasureOnce(const Turn& turn, int64_t block) {
    WEIR_TRY(const bool measured, runner_.Repeat(*turn.side, *turn.cell, block));
    if (!measured || runner_.Stopped()) return {};
    WEIR_TRY(const bool enough, runner_.Enough(*turn.cell));
    return enough ? runner_.EndMeasured(*turn.side, *turn.cell) : Status();
  }

  const BenchOptions& options_;
  Store& store_;
  CellRunner& runner_;
  std::deque<Group> groups_;
};

/// The most that a server is asked for at once; 0: there is no server.
int StreamsOf(const std::vector<PlannedCell>& cells) {
  int streams = 0;
  for (const PlannedCell& cell : cells) {
    if (cell.spec.target != "engine" && cell.spec.target != "null") streams = std::max(streams, cell.spec.load.users);
  }
  return streams;
}

}  // namespace

int64_t TokensOf(const Workload& load) {
  return load.depth_tokens + load.turns * (load.prompt_tokens + load.gen_tokens);
}

Status CheckOptions(const BenchOptions& options) {
  WEIR_RETURN_IF_ERROR(CheckRange("--repeats", options.repeats, 1, 1000));
  WEIR_RETURN_IF_ERROR(CheckRange("--max-repeats", options.most_repeats, 1, 1000));
  if (options.precision && !(*options.precision >= 0.001 && *options.precision <= 0.5)) {
    return BadInput("--precision {:.3g}%: expected 0.1% to 50%", *options.precision * 100);
  }
  if (options.precision && options.most_repeats < options.repeats) {
    return BadInput("--max-repeats {}: expected at least --repeats, {}", options.most_repeats,
                    options.repeats);
  }
  return {};
}

Status CheckWorkload(const Workload& load) {
  WEIR_RETURN_IF_ERROR(CheckRange("--users", load.users, 1, kMostUsers));
  WEIR_RETURN_IF_ERROR(CheckRange("--prompt-tokens", load.prompt_tokens, 1, kMostTokens));
  WEIR_RETURN_IF_ERROR(CheckRange("--gen-tokens", load.gen_tokens, 1, kMostTokens));
  WEIR_RETURN_IF_ERROR(CheckLoad(load));
  return CheckRange("--requests", load.requests_per_user, 1, 1000);
}

Status CheckContext(const Workload& load, const Subject& subject) {
  const int64_t context = subject.context_length(), tokens = TokensOf(load);
  if (context == 0 || tokens <= context) return {};
  return WithHint(
      BadInput("{}: a prompt of {} tokens and an answer of {} do not fit its context of {} tokens",
               subject.row().name, load.prompt_tokens, load.gen_tokens, context),
      load.prompts == PromptKind::kFile ? "take the longest prompts out of " + load.file + ", or lower --gen-tokens"
                                        : "lower --prompt-tokens or --gen-tokens");
}

Result<BenchOutcome> RunBench(const BenchOptions& options, const RunRow& row,
                              const std::vector<PlannedCell>& cells, Store& store,
                              Instruments& instruments, const OnBenchProgress& on_progress) {
  WEIR_TRY(const int64_t run, store.BeginRun(row));
  const OwnCost own_cost = MeasureOwnCost(StreamsOf(cells));
  WEIR_RETURN_IF_ERROR(store.NoteOwnCost(run, own_cost));
  CellRunner runner(options, store, instruments, on_progress, run);
  Status written = Bench(options, store, runner).Run(cells);
  if (written.ok()) written = FlagAnswers(run, store);
  if (written.ok() && !runner.Stopped()) written = store.EndRun(run);
  return BenchOutcome{run, runner.Stopped(), written, runner.TakeProfiles(), own_cost};
}

}  // namespace weir
