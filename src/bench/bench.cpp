#include "bench/bench.h"

#include <algorithm>
#include <optional>
#include <random>

#include "bench/estimate.h"
#include "bench/model_row.h"
#include "bench/sentinel.h"
#include "bench/statistics.h"
#include "bench/tap.h"
#include "util/clock.h"

namespace weir {
namespace {

constexpr int kMostUsers = 256;
constexpr int64_t kMostTokens = 1 << 20;
constexpr int64_t kWarmUpTokens = 4;
constexpr double kRoughProbeSeconds = 1;
constexpr int64_t kProgressNs =
    500'000'000;  // during a repeat: rarely, it takes time from the target
// Rates are measured with an error, and a repeat can meet a better moment than the probes around it.
constexpr double kImpossibleShare = 1.25;
constexpr int64_t kCacheTimes = 2;  // weights this many times the caches cannot come from there
constexpr std::string_view kTimeout = "timeout";
constexpr int kTriesPerRepeat = 3;  // with --strict

Status CheckRange(const char* flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return {};
  return BadInput("{} {}: expected {} to {}", flag, value, least, most);
}

double SecondsSince(int64_t begin_ns) { return static_cast<double>(NowNs() - begin_ns) * 1e-9; }

std::string Words(const Error& why) {
  return why.hint.empty() ? why.message : why.message + "; " + why.hint;
}

std::string Users(int n) { return fmt::format("{} user{}", n, n == 1 ? "" : "s"); }

class Bench {
 public:
  Bench(const BenchOptions& options, Store& store, Instruments& instruments,
        const OnBenchProgress& on_progress)
      : options_(options), store_(store), instruments_(instruments), on_progress_(on_progress) {}

  Result<BenchOutcome> Run(const RunRow& run, const std::vector<PlannedCell>& cells) {
    WEIR_TRY(run_, store_.BeginRun(run));
    progress_.n_cells = static_cast<int>(cells.size());
    std::vector<Group> groups;
    for (const PlannedCell& cell : cells) {
      auto group = std::find_if(groups.begin(), groups.end(),
                                [&](const Group& g) { return g.subject == cell.subject; });
      if (group == groups.end()) {
        group = groups.insert(groups.end(), Group{cell.subject, {}});
        estimate_.Plan(RoughLoadSeconds(cell.subject->row()));
      }
      group->cells.emplace_back().spec = cell.spec;
      estimate_.Plan(RoughCellSeconds(group->cells.back(), *cell.subject));
    }
    const Status written = MeasureAll(groups);
    return BenchOutcome{run_, stopped_, written, std::move(profiles_)};
  }

 private:
  struct Rates {
    int64_t id;
    RatesRow row;
  };

  struct Cell {
    CellSpec spec;
    Result<int64_t> plan = Failed("not planned");
    std::optional<int64_t> id;  // once it is a row
    int n_attempts = 0;         // repeats, whole or not
    AttemptsSeen seen;
    std::vector<RatesAround> rates;
    EngineProfile profile;  // of the whole repeats
    StreamWatch watch;      // of all repeats
    std::vector<Flag> target_flags;
    bool ended = false;

    std::string Name() const { return Users(spec.load.users); }
  };

  /// The cells of one subject.
  struct Group {
    Subject* subject;
    std::vector<Cell> cells;
  };

  /// The target at work, which only some cells can use.
  struct Running {
    std::unique_ptr<Target> target;
    const Cell* cell = nullptr;
  };

  /// Cells at least as large as one that could not run cannot run either.
  struct TooLarge {
    int users;
    int64_t tokens;
    std::string reason;
  };

  double RoughRepeatSeconds(const Cell& cell, const Subject& subject) const {
    return RoughSeconds(subject.row(), cell.spec.load) + kRoughProbeSeconds;
  }
  double RoughCellSeconds(const Cell& cell, const Subject& subject) const {
    return options_.repeats * RoughRepeatSeconds(cell, subject);
  }

  bool Stopped() {
    if (!stopped_ && instruments_.Stopped()) stopped_ = true;
    return stopped_;
  }

  void Tell(double current_seconds) {
    if (!on_progress_) return;
    const double past = SecondsSince(begin_ns_);
    const double left = estimate_.Left(current_seconds);
    progress_.done_ms = static_cast<int64_t>(past * 1000);
    progress_.total_ms = static_cast<int64_t>((past + left) * 1000);
    on_progress_(progress_);
  }

  Status BeginCell(Cell& cell) {
    const Workload& load = cell.spec.load;
    CellRow row{load.users, load.prompt_tokens, load.gen_tokens, load.requests_per_user,
                options_.repeats, cell.plan ? std::optional(*cell.plan) : std::nullopt};
    row.target = cell.spec.target;
    row.key = KeyOf(cell.spec);
    row.config = ConfigOf(cell.spec);
    row.model_file = model_file_;
    WEIR_TRY(cell.id, store_.BeginCell(run_, model_, row));
    return {};
  }

  /// The last word on a cell, whether it was measured or not.
  Status EndCell(Cell& cell, CellStatus status, const std::string& reason,
                 const std::vector<Flag>& flags = {}) {
    if (!cell.id) WEIR_RETURN_IF_ERROR(BeginCell(cell));
    cell.ended = true;
    ++progress_.n_ended;
    for (const Flag& flag : flags) progress_.flags.push_back(flag.name);
    return store_.EndCell(*cell.id, status, reason, flags);
  }
  Status EndUntried(Cell& cell, const Subject& subject, const Error& why) {
    const bool refused = why.code == ErrorCode::kRefused;
    return EndUntried(cell, subject, refused ? CellStatus::kRefused : CellStatus::kFailed, Words(why));
  }
  Status EndUntried(Cell& cell, const Subject& subject, CellStatus status, const std::string& reason) {
    estimate_.Done(RoughCellSeconds(cell, subject), 0);
    return EndCell(cell, status, reason);
  }

  void NoteTooLarge(const Cell& cell, const std::string& what) {
    const Workload& load = cell.spec.load;
    too_large_.push_back(
        {load.users, TokensOf(load),
         fmt::format("{} with {} tokens each {}", cell.Name(), TokensOf(load), what)});
  }
  /// Why the cell need not be tried; empty if it need.
  std::string TooLargeToTry(const Cell& cell) const {
    const int64_t tokens = TokensOf(cell.spec.load);
    for (const TooLarge& smaller : too_large_) {
      if (cell.spec.load.users >= smaller.users && tokens >= smaller.tokens) return smaller.reason;
    }
    return "";
  }

  Status MeasureAll(std::vector<Group>& groups) {
    for (Group& group : groups) {
      if (Stopped()) return {};
      WEIR_RETURN_IF_ERROR(MeasureGroup(group));
      group.subject->Unload();
    }
    return stopped_ ? Status() : store_.EndRun(run_);
  }

  Status MeasureGroup(Group& group) {
    Subject& subject = *group.subject;
    WEIR_TRY(model_, store_.AddModel(subject.row()));
    WEIR_TRY(model_file_, IdOfFile(subject.source_file()));
    decoded_.clear();
    too_large_.clear();
    latest_.reset();
    instruments_.Release();  // what they hold is not available to the plan
    int64_t most = 0;
    for (Cell& cell : group.cells) {
      cell.plan = subject.Plan(cell.spec.load.users, TokensOf(cell.spec.load));
      if (cell.plan) most = std::max(most, *cell.plan);
    }
    const bool any = std::any_of(group.cells.begin(), group.cells.end(),
                                 [](const Cell& cell) { return cell.plan.ok(); });
    const Status loaded = any ? Load(subject, most) : Status();
    estimate_.Done(RoughLoadSeconds(subject.row()), 0);
    if (Stopped()) return {};
    WEIR_RETURN_IF_ERROR(EndImpossible(group, loaded));
    WEIR_RETURN_IF_ERROR(MeasureBlocks(group));
    if (stopped_) WEIR_RETURN_IF_ERROR(EndInterrupted(group));
    for (const Decoded& cell : decoded_) {
      const std::optional<Flag> cliff = FindCliff(cell, decoded_);
      if (cliff) WEIR_RETURN_IF_ERROR(store_.AddFlag(cell.id, *cliff));
    }
    return {};
  }

  /// Of no file, or of one that cannot be read to its end, there is none.
  Result<std::optional<int64_t>> IdOfFile(ModelFileRow file) {
    if (file.path.empty()) return std::optional<int64_t>();
    WEIR_TRY(const std::optional<std::string> known, store_.KnownHash(file));
    if (known) {
      file.sha256 = *known;
    } else {
      progress_.doing = fmt::format("{}: hashing the file", file.path);
      const int64_t begin = NowNs();
      const Result<std::string> hash = HashFile(file.path, [&](int64_t, int64_t) {
        Tell(SecondsSince(begin));
        return !Stopped();
      });
      if (!hash) return std::optional<int64_t>();
      file.sha256 = *hash;
    }
    WEIR_TRY(const int64_t id, store_.AddModelFile(model_, file));
    return std::optional(id);
  }

  Status Load(Subject& subject, int64_t planned_bytes) {
    progress_.doing = fmt::format("{}: packing the weights", subject.row().name);
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

  /// Cells that do not fit, larger ones, and all of them if the model did not load.
  Status EndImpossible(Group& group, const Status& loaded) {
    bool load_failed_in_row = false;
    for (Cell& cell : group.cells) {
      if (const std::string reason = TooLargeToTry(cell); !reason.empty()) {
        WEIR_RETURN_IF_ERROR(EndUntried(cell, *group.subject, CellStatus::kSkipped, "already " + reason));
      } else if (!cell.plan) {
        WEIR_RETURN_IF_ERROR(EndUntried(cell, *group.subject, cell.plan.error()));
        NoteTooLarge(cell, "did not fit");
      } else if (load_failed_in_row) {
        WEIR_RETURN_IF_ERROR(
            EndUntried(cell, *group.subject, CellStatus::kSkipped, "the model did not load"));
      } else if (!loaded.ok()) {
        WEIR_RETURN_IF_ERROR(EndUntried(cell, *group.subject, loaded.error()));
        load_failed_in_row = true;
      }
    }
    return {};
  }

  Status EndInterrupted(Group& group) {
    for (Cell& cell : group.cells) {
      if (cell.ended || !cell.id) continue;
      cell.seen.interrupted = true;
      WEIR_RETURN_IF_ERROR(EndMeasured(cell));
    }
    return {};
  }

  Status MeasureBlocks(Group& group) {
    std::mt19937_64 random(options_.order_seed);
    Running running;
    for (int64_t block = 1; !Stopped(); ++block) {
      std::vector<Cell*> cells;
      for (Cell& cell : group.cells) {
        if (!cell.ended) cells.push_back(&cell);
      }
      if (cells.empty()) return {};
      for (size_t i = cells.size() - 1; i > 0; --i) std::swap(cells[i], cells[random() % (i + 1)]);
      for (Cell* cell : cells) {
        if (Stopped()) return {};
        WEIR_RETURN_IF_ERROR(MeasureOnce(group, *cell, running, block));
      }
    }
    return {};
  }

  /// One repeat of a cell, and its end if it was the last.
  Status MeasureOnce(Group& group, Cell& cell, Running& running, int64_t block) {
    if (!cell.id) {
      if (const std::string reason = TooLargeToTry(cell); !reason.empty()) {
        return EndUntried(cell, *group.subject, CellStatus::kSkipped, "already " + reason);
      }
    }
    const std::string name = fmt::format("{}, {}", group.subject->row().name, cell.Name());
    if (running.cell != &cell) {
      WEIR_TRY(const bool warm, StartTarget(group, cell, running, name));
      if (!warm) return {};
    }
    progress_.doing = fmt::format("{}: repeat {} of {}", name, cell.n_attempts + 1,
                                  options_.precision ? options_.most_repeats : options_.repeats);
    const int64_t begin = NowNs();
    ++cell.n_attempts;
    WEIR_TRY([[maybe_unused]] const bool whole,
             RunAttempt(cell, *running.target, cell.n_attempts, cell.spec.load,
                        *group.subject, block));
    estimate_.Done(RoughRepeatSeconds(cell, *group.subject), SecondsSince(begin));
    if (stopped_) return {};
    WEIR_TRY(const bool enough, Enough(cell));
    return enough ? EndMeasured(cell) : Status();
  }

  /// Starts the target for a cell and warms it up; false if the cell ended with that.
  Result<bool> StartTarget(Group& group, Cell& cell, Running& running, const std::string& name) {
    running = {};  // two of them need not fit
    const Workload& load = cell.spec.load;
    Result<std::unique_ptr<Target>> target = group.subject->Start(load.users, TokensOf(load));
    if (!target) {
      WEIR_RETURN_IF_ERROR(EndUntried(cell, *group.subject, target.error()));
      NoteTooLarge(cell, "could not start");
      return false;
    }
    running = {std::move(*target), &cell};
    cell.target_flags = group.subject->facts().flags;
    if (!cell.id) WEIR_RETURN_IF_ERROR(BeginCell(cell));
    Workload warm_up = load;
    warm_up.requests_per_user = 1;
    warm_up.turns = 1;
    warm_up.warm_up_rounds = 0;
    warm_up.think_s = warm_up.ramp_s = 0;
    warm_up.gen_tokens = std::min(load.gen_tokens, kWarmUpTokens);
    warm_up.seed = load.seed + 1;  // the target must not know a prompt of the repeats
    progress_.doing = name + ": warming up";
    WEIR_TRY(const bool warm, RunAttempt(cell, *running.target, -cell.n_attempts, warm_up,
                                         *group.subject, std::nullopt));
    if (!warm) {
      estimate_.Done(RoughCellSeconds(cell, *group.subject), 0);
      if (!stopped_) WEIR_RETURN_IF_ERROR(EndMeasured(cell));
      return false;
    }
    if (!latest_) WEIR_RETURN_IF_ERROR(MeasureRates(latest_));
    return !stopped_;
  }

  Result<bool> Enough(const Cell& cell) {
    const AttemptsSeen& seen = cell.seen;
    if (cell.n_attempts < options_.repeats) return false;
    const int most = options_.precision ? options_.most_repeats : options_.repeats;
    if (cell.n_attempts >= (options_.strict ? kTriesPerRepeat : 1) * most) return true;
    if (seen.n_ok + seen.n_failed < options_.repeats) return !options_.strict;
    if (!options_.precision || seen.n_ok == 0) return true;
    WEIR_TRY(const CellResult result, store_.ResultOfCell(*cell.id));
    for (const auto* samples : {&result.decode_samples, &result.aggregate_samples}) {
      if (!samples->empty() && !IsPrecise(*samples, *options_.precision)) return false;
    }
    return true;
  }

  Status EndMeasured(Cell& cell) {
    if (cell.profile.decode.n_steps + cell.profile.prefill.n_steps > 0) {
      profiles_.push_back({*cell.id, cell.profile});
    }
    WEIR_TRY(const CellResult result, store_.ResultOfCell(*cell.id));
    Verdict verdict = Judge(result, cell.seen);
    std::vector<Flag> flags = FindFlags(result, cell.seen, cell.rates);
    for (const std::vector<Flag>& more : {options_.flags, cell.target_flags, cell.watch.Flags()}) {
      flags.insert(flags.end(), more.begin(), more.end());
    }
    if (const Figure* decode = result.Find("decode_tok_s")) {
      decoded_.push_back({*cell.id, cell.spec.load.users, TokensOf(cell.spec.load), decode->median});
    }
    if (!no_rates_.empty() && cell.seen.n_ok > 0) flags.push_back({"rates_missing", no_rates_});
    if (options_.precision && verdict.status == CellStatus::kOk &&
        !IsPrecise(result.decode_samples, *options_.precision)) {
      flags.push_back({"imprecise", fmt::format("after {} repeats the median is not known to {:.3g} %",
                                                cell.seen.n_ok, *options_.precision * 100)});
    }
    WEIR_TRY(const std::optional<Flag> changed, AnswerChanged(result));
    if (changed) {
      flags.push_back(*changed);
      if (options_.strict && verdict.status == CellStatus::kOk) {
        verdict = {CellStatus::kFailed, "wrong answer: " + changed->detail};
      }
    }
    return EndCell(cell, verdict.status, verdict.reason, flags);
  }

  /// The same cell, weights, build and instruction set must give the same bits.
  Result<std::optional<Flag>> AnswerChanged(const CellResult& cell) {
    const std::optional<std::string>& hash = cell.logits_hash ? cell.logits_hash : cell.answers_hash;
    if (!hash) return std::optional<Flag>();
    WEIR_TRY(const std::optional<std::string> earlier, store_.EarlierHash(cell.id));
    if (!earlier || *earlier == *hash) return std::optional<Flag>();
    return std::optional(
        Flag{"answer_changed", fmt::format("hash {} here, {} earlier with the same build", *hash, *earlier)});
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

  /// One attempt into the store, with the rates before and after it unless it is a warm-up. True if it was whole.
  Result<bool> RunAttempt(Cell& cell, Target& target, int repeat, const Workload& load,
                          const Subject& subject, std::optional<int64_t> block) {
    const std::optional<Rates> before = repeat > 0 ? latest_ : std::nullopt;
    WEIR_TRY(
        AttemptWriter writer,
        store_.BeginAttempt(*cell.id, repeat, before ? std::optional(before->id) : std::nullopt));
    WEIR_TRY(AttemptRow row, RunWatched(target, load, subject, writer, repeat > 0 ? &cell.watch : nullptr));
    ForgetOurselves(cell, subject, row);
    row.block = block;
    const bool whole = row.status == AttemptStatus::kOk;
    const EngineProfile profile = target.TakeProfile();
    if (whole && repeat > 0) {
      cell.profile += profile;
      WEIR_RETURN_IF_ERROR(MeasureRates(latest_));
      if (latest_) row.rates_after = latest_->id;
      if (before && latest_) cell.rates.push_back({before->row, latest_->row});
      if (row.disturbance) cell.seen.disturbances.push_back(*row.disturbance);
      if (options_.strict && row.disturbance) row.rejected = WhyDisturbed(*row.disturbance);
    }
    if (row.status == AttemptStatus::kFailed) {
      if (row.reason.starts_with(kTimeout)) NoteTooLarge(cell, "took too long");
      ++cell.seen.n_failed;
      if (cell.seen.first_failure.empty()) cell.seen.first_failure = row.reason;
    }
    WEIR_RETURN_IF_ERROR(writer.Finish(row));
    if (whole && repeat > 0) WEIR_RETURN_IF_ERROR(CountWhole(cell, writer.id(), row.rejected));
    return whole;
  }

  Status CountWhole(Cell& cell, int64_t attempt, std::string rejected) {
    WEIR_TRY(const Store::Decoding decoding, store_.DecodingOf(*cell.id, attempt));
    if (const std::string impossible = WhyImpossible(decoding); rejected.empty() && !impossible.empty()) {
      rejected = impossible;
      WEIR_RETURN_IF_ERROR(store_.RejectAttempt(attempt, rejected));
    }
    if (rejected.empty()) {
      ++cell.seen.n_ok;
    } else {
      ++cell.seen.n_rejected;
      cell.seen.last_rejection = rejected;
    }
    return {};
  }

  /// A decode rate that this machine's memory and multipliers cannot give; empty if it can.
  std::string WhyImpossible(const Store::Decoding& decoding) const {
    if (!decoding.tok_s || !decoding.limit_tok_s || !decoding.step_bytes) return "";
    if (*decoding.tok_s <= kImpossibleShare * *decoding.limit_tok_s) return "";
    if (*decoding.step_bytes < static_cast<double>(kCacheTimes * instruments_.cache_bytes())) return "";
    return fmt::format(
        "impossible: {:.4g} tok/s, where the rates measured around it allow {:.4g} for {:.3g} MB a step, more "
        "than the caches hold",
        *decoding.tok_s, *decoding.limit_tok_s, *decoding.step_bytes * 1e-6);
  }

  /// A server is another process: what this one holds is not its memory, and what others compute may be its work.
  static void ForgetOurselves(const Cell& cell, const Subject& subject, AttemptRow& row) {
    if (cell.spec.target == "engine") return;
    if (row.disturbance) row.disturbance->other_share.reset();
    if (!subject.facts().url.empty()) row.peak_memory_bytes.reset();
  }

  Result<AttemptRow> RunWatched(Target& target, const Workload& load, const Subject& subject,
                                AttemptWriter& writer,
                                StreamWatch* watch) {
    Tap tap(target);
    const int64_t begin = NowNs();
    int64_t told = begin;
    bool timed_out = false;
    progress_.history.clear();
    progress_.tok_s = 0;
    Tell(0);
    const auto stop = [&] {
      const int64_t now = NowNs();
      if (now - told > kProgressNs) {
        progress_.tok_s = static_cast<double>(tap.TakeTokens()) * 1e9 / static_cast<double>(now - told);
        progress_.history.push_back(progress_.tok_s);
        progress_.ttft_ms = tap.ttft_ms();
        told = now;
        instruments_.Watch();
        Tell(SecondsSince(begin));
      }
      timed_out = options_.timeout_ns > 0 && now - begin > options_.timeout_ns;
      return timed_out || Stopped();
    };
    const Result<LoadPlan> plan = PlanLoad(load, subject, FreshSalt(subject));
    if (!plan) {
      AttemptRow row;
      row.status = AttemptStatus::kFailed;
      row.reason = plan.error().message;
      return row;
    }
    instruments_.ResetPeakMemory();
    instruments_.BeginWatch();
    const int64_t begin_ns = target.Now();
    WEIR_TRY(AttemptRow row, weir::RunAttempt(tap, *plan, stop, writer, watch));
    row.begin_ns = begin_ns;
    row.end_ns = target.Now();
    instruments_.EndWatch(row);
    row.peak_memory_bytes = instruments_.PeakMemory();
    if (subject.facts().gates) row.answers_hash = tap.AnswersHash();  // others get new prompts each time
    if (timed_out && row.status == AttemptStatus::kInterrupted) {
      row.status = AttemptStatus::kFailed;
      row.reason = fmt::format("{}: not done after {:.3g} s", kTimeout, static_cast<double>(options_.timeout_ns) * 1e-9);
    }
    return row;
  }

  const BenchOptions& options_;
  Store& store_;
  Instruments& instruments_;
  const OnBenchProgress& on_progress_;
  int64_t run_ = 0;
  bool stopped_ = false;
  Estimate estimate_;
  BenchProgress progress_;
  std::vector<CellProfile> profiles_;
  const int64_t begin_ns_ = NowNs();

  // Of the model at hand.
  int64_t model_ = 0;
  std::optional<int64_t> model_file_;
  std::string no_rates_;         // why, if rates cannot be measured
  std::optional<Rates> latest_;  // measured after the first warm-up and after each repeat
  std::vector<Decoded> decoded_;
  std::vector<TooLarge> too_large_;
};

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
      "lower --prompt-tokens or --gen-tokens");
}

Result<BenchOutcome> RunBench(const BenchOptions& options, const RunRow& run,
                              const std::vector<PlannedCell>& cells, Store& store,
                              Instruments& instruments, const OnBenchProgress& on_progress) {
  return Bench(options, store, instruments, on_progress).Run(run, cells);
}

}  // namespace weir
