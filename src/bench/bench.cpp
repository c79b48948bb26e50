#include "bench/bench.h"

#include <algorithm>
#include <optional>
#include <set>

#include "bench/estimate.h"
#include "bench/statistics.h"
#include "bench/workload.h"
#include "util/clock.h"

namespace weir {
namespace {

constexpr int kMostUsers = 256;
constexpr int64_t kMostTokens = 1 << 20;
constexpr int64_t kWarmUpTokens = 4;
constexpr double kRoughProbeSeconds = 1;
constexpr int64_t kProgressNs =
    500'000'000;  // during a repeat: rarely, it takes time from the target

Status CheckRange(const char* flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return BadInput("{} {}: expected {} to {}", flag, value, least, most);
}

double SecondsSince(int64_t begin_ns) { return static_cast<double>(NowNs() - begin_ns) * 1e-9; }

class Bench {
 public:
  Bench(const BenchOptions& options, Store& store, Instruments& instruments,
        const OnBenchProgress& on_progress)
      : options_(options), store_(store), instruments_(instruments), on_progress_(on_progress) {}

  Result<BenchOutcome> Run(const RunRow& run,
                           const std::vector<std::unique_ptr<Subject>>& subjects) {
    WEIR_TRY(run_, store_.BeginRun(run));
    for (const auto& subject : subjects) {
      estimate_.Plan(RoughLoadSeconds(subject->row()));
      for (int users : options_.users) estimate_.Plan(RoughCellSeconds(subject->row(), users));
    }
    const Status written = MeasureAll(subjects);
    return BenchOutcome{run_, stopped_, written, std::move(profiles_)};
  }

 private:
  Workload LoadOf(int users) const {
    return {users, options_.requests_per_user, options_.prompt_tokens, options_.gen_tokens,
            options_.seed};
  }
  int64_t TokensPerUser() const { return options_.prompt_tokens + options_.gen_tokens; }
  double RoughCellSeconds(const ModelRow& model, int users) const {
    return options_.repeats * RoughSeconds(model, LoadOf(users)) +
           (options_.repeats + 1) * kRoughProbeSeconds;
  }

  bool Stopped() {
    if (!stopped_ && instruments_.Stopped()) stopped_ = true;
    return stopped_;
  }

  void Tell(double current_seconds) {
    const double past = SecondsSince(begin_ns_);
    const double left = estimate_.Left(current_seconds);
    if (on_progress_) {
      on_progress_(doing_, static_cast<int64_t>(past * 1000),
                   static_cast<int64_t>((past + left) * 1000));
    }
  }

  Result<int64_t> BeginCell(int64_t model, int users, std::optional<int64_t> planned_bytes) {
    return store_.BeginCell(run_, model,
                            {users, options_.prompt_tokens, options_.gen_tokens,
                             options_.requests_per_user, options_.repeats, planned_bytes});
  }

  /// A cell that never began to measure.
  Status AddEmptyCell(const Subject& subject, int64_t model, int users, CellStatus status,
                      const std::string& reason) {
    estimate_.Done(RoughCellSeconds(subject.row(), users), 0);
    WEIR_TRY(const int64_t cell, BeginCell(model, users, std::nullopt));
    return store_.EndCell(cell, status, reason, {});
  }
  Status AddEmptyCell(const Subject& subject, int64_t model, int users, const Error& why) {
    const bool refused = why.code == ErrorCode::kRefused;
    return AddEmptyCell(subject, model, users, refused ? CellStatus::kRefused : CellStatus::kFailed,
                        why.hint.empty() ? why.message : why.message + "; " + why.hint);
  }

  Status MeasureAll(const std::vector<std::unique_ptr<Subject>>& subjects) {
    for (const auto& subject : subjects) {
      if (Stopped()) return {};
      WEIR_RETURN_IF_ERROR(MeasureSubject(*subject));
      subject->Unload();
    }
    return stopped_ ? Status() : store_.EndRun(run_);
  }

  Status MeasureSubject(Subject& subject) {
    WEIR_TRY(const int64_t model, store_.AddModel(subject.row()));
    decoded_.clear();
    instruments_.Release();  // what they hold is not available to the plan
    std::vector<Result<int64_t>> plans;
    int64_t most = 0;
    for (int users : options_.users) {
      plans.push_back(subject.Plan(users, TokensPerUser()));
      if (plans.back()) most = std::max(most, *plans.back());
    }
    const bool any = std::any_of(plans.begin(), plans.end(), [](const auto& plan) { return plan.ok(); });
    const Status loaded = any ? Load(subject, most) : Status();
    bool load_failed_in_row = false;
    estimate_.Done(RoughLoadSeconds(subject.row()), 0);
    for (size_t i = 0; i < plans.size() && !Stopped(); ++i) {
      const int users = options_.users[i];
      if (!plans[i]) {
        WEIR_RETURN_IF_ERROR(AddEmptyCell(subject, model, users, plans[i].error()));
      } else if (load_failed_in_row) {
        WEIR_RETURN_IF_ERROR(
            AddEmptyCell(subject, model, users, CellStatus::kSkipped, "the model did not load"));
      } else if (!loaded.ok()) {
        WEIR_RETURN_IF_ERROR(AddEmptyCell(subject, model, users, loaded.error()));
        load_failed_in_row = true;
      } else {
        WEIR_RETURN_IF_ERROR(MeasureCell(subject, model, users, *plans[i]));
      }
    }
    return {};
  }

  Status Load(Subject& subject, int64_t planned_bytes) {
    doing_ = fmt::format("{}: packing the weights", subject.row().name);
    const int64_t begin = NowNs();
    WEIR_RETURN_IF_ERROR(subject.Load([&](int64_t, int64_t) {
      Tell(SecondsSince(begin));
      return !Stopped();
    }));
    const Status prepared =
        instruments_.Prepare(planned_bytes - std::min(planned_bytes, subject.row().packed_bytes));
    no_rates_ = prepared.ok() ? "" : prepared.error().message;
    return {};
  }

  Status MeasureCell(Subject& subject, int64_t model, int users, int64_t planned_bytes) {
    Result<std::unique_ptr<Target>> target = subject.Start(users, TokensPerUser());
    if (!target) return AddEmptyCell(subject, model, users, target.error());
    WEIR_TRY(const int64_t id, BeginCell(model, users, planned_bytes));
    Cell cell{subject, **target, id, users, {}, {}, {}, {}};
    WEIR_RETURN_IF_ERROR(MeasureRepeats(cell));
    if (cell.profile.decode.n_steps + cell.profile.prefill.n_steps > 0) {
      profiles_.push_back({id, cell.profile});
    }
    cell.seen.interrupted = stopped_ && cell.seen.n_ok + cell.seen.n_failed < options_.repeats;
    WEIR_TRY(const CellResult result, store_.ResultOfCell(id));
    const Verdict verdict = Judge(result, cell.seen);
    std::vector<Flag> flags = FindFlags(result, cell.seen, cell.rates);
    flags.insert(flags.end(), options_.flags.begin(), options_.flags.end());
    if (const std::optional<Flag> cliff = FindCliff(result, decoded_)) flags.push_back(*cliff);
    if (const Figure* decode = result.Find("decode_tok_s")) {
      decoded_.push_back({users, decode->median});
    }
    if (!no_rates_.empty() && cell.seen.n_ok > 0) flags.push_back({"rates_missing", no_rates_});
    return store_.EndCell(id, verdict.status, verdict.reason, flags);
  }

  struct Rates {
    int64_t id;
    RatesRow row;
  };

  /// A cell that is being measured.
  struct Cell {
    Subject& subject;
    Target& target;
    int64_t id;
    int users;
    AttemptsSeen seen;
    std::optional<Rates> latest;  // rates, measured after the warm-up and after each repeat
    std::vector<RatesAround> rates;
    EngineProfile profile;  // of the whole repeats
  };

  Status MeasureRepeats(Cell& cell) {
    const Workload load = LoadOf(cell.users);
    const std::string name = fmt::format("{}, {} user{}", cell.subject.row().name, cell.users,
                                         cell.users == 1 ? "" : "s");
    Workload warm_up = load;
    warm_up.requests_per_user = 1;
    warm_up.gen_tokens = std::min(load.gen_tokens, kWarmUpTokens);
    warm_up.seed = load.seed + 1;  // the target must not know a prompt of the repeats
    doing_ = name + ": warming up";
    WEIR_TRY(const bool warm, RunAttempt(cell, 0, warm_up));
    if (!warm) {
      estimate_.Done(RoughCellSeconds(cell.subject.row(), cell.users), 0);
      return {};
    }
    WEIR_RETURN_IF_ERROR(MeasureRates(cell.latest));
    estimate_.Done(kRoughProbeSeconds, 0);
    for (int repeat = 1; repeat <= options_.repeats && !Stopped(); ++repeat) {
      doing_ = fmt::format("{}: repeat {} of {}", name, repeat, options_.repeats);
      const int64_t begin = NowNs();
      WEIR_RETURN_IF_ERROR(RunAttempt(cell, repeat, load));
      estimate_.Done(RoughSeconds(cell.subject.row(), load) + kRoughProbeSeconds,
                     SecondsSince(begin));
    }
    return {};
  }

  /// Leaves `rates` empty if they cannot be measured or the user stops.
  Status MeasureRates(std::optional<Rates>& rates) {
    rates.reset();
    if (!no_rates_.empty() || Stopped()) return {};
    Result<RatesRow> row = instruments_.MeasureRates();
    if (!row && row.error().code == ErrorCode::kInterrupted) stopped_ = true;
    if (!row) {
      no_rates_ = row.error().message;
      return {};
    }
    WEIR_TRY(const int64_t id, store_.AddRates(run_, *row));
    rates = Rates{id, *row};
    return {};
  }

  /// One attempt into the store, with the rates before and after it unless it is the warm-up. True
  /// if it was whole.
  Result<bool> RunAttempt(Cell& cell, int repeat, const Workload& load) {
    const std::optional<Rates> before = cell.latest;
    WEIR_TRY(
        AttemptWriter writer,
        store_.BeginAttempt(cell.id, repeat, before ? std::optional(before->id) : std::nullopt));
    instruments_.ResetPeakMemory();
    WEIR_TRY(AttemptRow row, RunWatched(cell, load, writer));
    row.peak_memory_bytes = instruments_.PeakMemory();
    const bool whole = row.status == AttemptStatus::kOk;
    const EngineProfile profile = cell.target.TakeProfile();
    if (whole && repeat > 0) cell.profile += profile;
    if (whole && repeat > 0) {
      WEIR_RETURN_IF_ERROR(MeasureRates(cell.latest));
      if (cell.latest) row.rates_after = cell.latest->id;
      if (before && cell.latest) cell.rates.push_back({before->row, cell.latest->row});
      ++cell.seen.n_ok;
    }
    if (row.status == AttemptStatus::kFailed) {
      ++cell.seen.n_failed;
      if (cell.seen.first_failure.empty()) cell.seen.first_failure = row.reason;
    }
    WEIR_RETURN_IF_ERROR(writer.Finish(row));
    return whole;
  }

  Result<AttemptRow> RunWatched(Cell& cell, const Workload& load, AttemptWriter& writer) {
    const int64_t begin = NowNs();
    int64_t told = begin;
    Tell(0);
    const auto stop = [&] {
      if (NowNs() - told > kProgressNs) {
        told = NowNs();
        Tell(SecondsSince(begin));
      }
      return Stopped();
    };
    const Result<LoadPlan> plan = PlanLoad(load, cell.subject, FreshSalt(cell.subject));
    if (!plan) {
      AttemptRow row;
      row.status = AttemptStatus::kFailed;
      row.reason = plan.error().message;
      return row;
    }
    return weir::RunAttempt(cell.target, *plan, stop, writer);
  }

  const BenchOptions& options_;
  Store& store_;
  Instruments& instruments_;
  const OnBenchProgress& on_progress_;
  int64_t run_ = 0;
  bool stopped_ = false;
  std::string no_rates_;  // why, if rates cannot be measured
  std::string doing_;
  Estimate estimate_;
  std::vector<CellProfile> profiles_;
  std::vector<Decoded> decoded_;  // by the cells of the model at hand
  const int64_t begin_ns_ = NowNs();
};

}  // namespace

Status CheckOptions(const BenchOptions& options) {
  if (options.users.empty()) return BadInput("--users: expected at least one number");
  std::set<int> seen;
  for (int users : options.users) {
    WEIR_RETURN_IF_ERROR(CheckRange("--users", users, 1, kMostUsers));
    if (!seen.insert(users).second) return BadInput("--users: {} is named twice", users);
  }
  WEIR_RETURN_IF_ERROR(CheckRange("--prompt-tokens", options.prompt_tokens, 1, kMostTokens));
  WEIR_RETURN_IF_ERROR(CheckRange("--gen-tokens", options.gen_tokens, 1, kMostTokens));
  WEIR_RETURN_IF_ERROR(CheckRange("--requests", options.requests_per_user, 1, 1000));
  return CheckRange("--repeats", options.repeats, 1, 1000);
}

Status CheckContext(const BenchOptions& options, const Subject& subject) {
  const int64_t context = subject.context_length(),
                tokens = options.prompt_tokens + options.gen_tokens;
  if (context == 0 || tokens <= context) return {};
  return WithHint(
      BadInput("{}: a prompt of {} tokens and an answer of {} do not fit its context of {} tokens",
               subject.row().name, options.prompt_tokens, options.gen_tokens, context),
      "lower --prompt-tokens or --gen-tokens");
}

Result<BenchOutcome> RunBench(const BenchOptions& options, const RunRow& run,
                              const std::vector<std::unique_ptr<Subject>>& subjects, Store& store,
                              Instruments& instruments, const OnBenchProgress& on_progress) {
  return Bench(options, store, instruments, on_progress).Run(run, subjects);
}

}  // namespace weir
