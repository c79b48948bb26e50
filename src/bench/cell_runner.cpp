#include "bench/cell_runner.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "bench/model_row.h"
#include "bench/questions.h"
#include "bench/sentinel.h"
#include "bench/tap.h"
#include "machine/machine.h"
#include "util/clock.h"

namespace weir {
namespace {

constexpr int64_t kWarmUpTokens = 4;
constexpr double kRoughProbeSeconds = 1;
// During a repeat: rarely, it takes time from the target.
constexpr int64_t kProgressNs = 500'000'000;
// Rates are measured with an error, and a repeat can meet a better moment than the probes around it.
constexpr double kImpossibleShare = 1.25;
constexpr double kAbsurdShare = 3;
constexpr int64_t kCacheTimes = 2;  // weights this many times the caches cannot come from there
constexpr std::string_view kTimeout = "timeout";
constexpr int kTriesPerRepeat = 3;  // with --strict

double SecondsSince(int64_t begin_ns) { return static_cast<double>(NowNs() - begin_ns) * 1e-9; }

std::string Words(const Error& why) {
  return why.hint.empty() ? why.message : why.message + "; " + why.hint;
}

/// A cell's configuration with who it is that serves it, by its own account.
std::string WithFacts(const std::string& config, const TargetFacts& facts) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(config);
  if (!facts.engine.empty()) json["engine"] = facts.engine;
  if (!facts.version.empty()) json["engine_version"] = facts.version;
  if (facts.threads) json["engine_threads"] = *facts.threads;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// Whether a server's tokens came so that a decode rate above the limit is nobody's: whole answers, or lumps at a rate
/// that speculation does not explain.
bool HidesDecode(const StreamWatch& watch, double share) {
  if (watch.AllAtOnce()) return true;
  const std::vector<Flag> flags = watch.Flags();
  return share > kAbsurdShare &&
         std::any_of(flags.begin(), flags.end(), [](const Flag& flag) { return flag.name == "clumped_stream"; });
}

/// Of a model: the folders before it would push everything else out of a line.
std::string BaseName(const std::string& name) { return name.substr(name.rfind('/') + 1); }

std::string NameOf(const RunningCell& cell) {
  const Workload& load = cell.spec.load;
  if (load.rate > 0) return fmt::format("{:.3g} requests a second", load.rate);
  return fmt::format("{} user{}", load.users, load.users == 1 ? "" : "s");
}

void NoteTooLarge(Side& side, const RunningCell& cell, const std::string& what) {
  const Workload& load = cell.spec.load;
  side.too_large.push_back({load.users, TokensOf(load),
                            fmt::format("{} with {} tokens each {}", NameOf(cell), TokensOf(load), what)});
}

/// Why the cell need not be tried; empty if it need.
std::string TooLargeToTry(const Side& side, const RunningCell& cell) {
  const int64_t tokens = TokensOf(cell.spec.load);
  for (const TooLarge& smaller : side.too_large) {
    if (cell.spec.load.users >= smaller.users && tokens >= smaller.tokens) return "already " + smaller.reason;
  }
  return "";
}

/// A server is another process: what this one holds is not its memory, and what others compute may be its work.
void ForgetOurselves(const RunningCell& cell, const Subject& subject, AttemptRow& row) {
  if (cell.spec.target == "engine") return;
  if (row.disturbance) row.disturbance->other_share.reset();
  if (!subject.facts().url.empty()) row.peak_memory_bytes.reset();
}

Workload WarmUpOf(const Workload& load) {
  Workload warm_up = load;
  warm_up.requests_per_user = 1;
  warm_up.turns = 1;
  warm_up.warm_up_rounds = 0;
  warm_up.think_s = warm_up.ramp_s = 0;
  warm_up.gen_tokens = std::min(load.gen_tokens, kWarmUpTokens);
  warm_up.seed = WarmUpSeed(load);
  return warm_up;
}

ObjectiveRow RowOf(const std::string& objective, const SloResult& result) {
  return {objective,     result.holds,         result.n_requests,   result.n_failed,
          result.n_good, result.goodput_per_s, result.goodput_tok_s};
}

}  // namespace

bool CellRunner::Stopped() {
  if (!stopped_ && instruments_.Stopped()) stopped_ = true;
  return stopped_;
}

void CellRunner::Expect(int n_cells, double rough_seconds) {
  progress_.n_cells += n_cells;
  estimate_.Plan(rough_seconds);
}

double CellRunner::RoughRepeatSeconds(const RunningCell& cell, const Subject& subject) const {
  return RoughSeconds(subject.row(), cell.spec.load) + kRoughProbeSeconds;
}

double CellRunner::RoughCellSeconds(const RunningCell& cell, const Subject& subject) const {
  return options_.repeats * RoughRepeatSeconds(cell, subject);
}

void CellRunner::Tell(double current_seconds) {
  if (!on_progress_) return;
  const double past = SecondsSince(begin_ns_);
  const double left = estimate_.Left(current_seconds);
  progress_.done_ms = static_cast<int64_t>(past * 1000);
  progress_.total_ms = static_cast<int64_t>((past + left) * 1000);
  on_progress_(progress_);
}

Status CellRunner::Open(Side& side) {
  Subject& subject = *side.subject;
  WEIR_TRY(side.model, store_.AddModel(subject.row()));
  WEIR_TRY(side.model_file, IdOfFile(subject.source_file(), side.model));
  instruments_.Release();  // what they hold is not available to the plan
  latest_.reset();
  int64_t most = 0;
  bool any = side.searched;
  for (RunningCell& cell : side.cells) {
    cell.plan = subject.Plan(cell.spec.load.users, TokensOf(cell.spec.load));
    any = any || cell.plan.ok();
    if (cell.plan) most = std::max(most, *cell.plan);
  }
  WEIR_TRY(const std::vector<int64_t> waiting, BeginWaiting(side));
  if (any) side.loaded = Load(side);
  estimate_.Done(RoughLoadSeconds(subject.row()), 0);
  if (any && side.loaded.ok()) WEIR_RETURN_IF_ERROR(Ask(side));
  WEIR_RETURN_IF_ERROR(store_.RemoveCells(waiting));
  if (any && side.loaded.ok()) {
    const Status prepared = instruments_.Prepare(most - std::min(most, subject.row().packed_bytes));
    no_rates_ = prepared.ok() ? "" : prepared.error().message;
  }
  estimate_.Done(RoughAskingSeconds(subject, side.spec), 0);
  if (Stopped()) return {};
  return EndImpossible(side);
}

/// Rows of the cells that need the model, for the time until it is loaded and has answered: what ends this program then,
/// for want of memory say, leaves them behind, and a campaign that goes on knows where it died.
Result<std::vector<int64_t>> CellRunner::BeginWaiting(Side& side) {
  std::vector<int64_t> ids;
  WEIR_TRY(Transaction transaction, Transaction::Begin(store_.database()));
  for (RunningCell& cell : side.cells) {
    if (!cell.plan) continue;
    WEIR_RETURN_IF_ERROR(BeginCell(side, cell));
    ids.push_back(*std::exchange(cell.id, std::nullopt));
  }
  WEIR_RETURN_IF_ERROR(transaction.Commit());
  return ids;
}

Result<bool> CellRunner::Plan(Side& side, RunningCell& cell) {
  cell.plan = side.subject->Plan(cell.spec.load.users, TokensOf(cell.spec.load));
  WEIR_RETURN_IF_ERROR(EndImpossible(side));
  return !cell.ended;
}

/// Of no file, or of one that cannot be read to its end, there is none.
Result<std::optional<int64_t>> CellRunner::IdOfFile(ModelFileRow file, int64_t model) {
  if (file.path.empty()) return std::optional<int64_t>();
  WEIR_TRY(const std::optional<std::string> known, store_.KnownHash(file));
  if (known) {
    file.sha256 = *known;
  } else {
    progress_.doing = "hashing " + BaseName(file.path);
    const int64_t begin = NowNs();
    const Result<std::string> hash = HashFile(file.path, [&](int64_t, int64_t) {
      Tell(SecondsSince(begin));
      return !Stopped();
    });
    if (!hash) return std::optional<int64_t>();
    file.sha256 = *hash;
  }
  WEIR_TRY(const int64_t id, store_.AddModelFile(model, file));
  return std::optional(id);
}

Status CellRunner::Load(Side& side) {
  Subject& subject = *side.subject;
  progress_.doing = "packing the weights of " + BaseName(subject.row().name);
  const int64_t begin = NowNs();
  return subject.Load([&](int64_t, int64_t) {
    Tell(SecondsSince(begin));
    return !Stopped();
  });
}

/// Before anything is measured, so that a target that answers wrongly is known as that.
Status CellRunner::Ask(Side& side) {
  progress_.doing = "asking " + BaseName(side.subject->row().name) + " the fixed questions";
  const int64_t begin = NowNs();
  AskedRow row = AskQuestions(*side.subject, side.spec, kMostAskingNs, [&] {
    Tell(SecondsSince(begin));
    return Stopped();
  });
  row.model = side.model;
  WEIR_TRY(side.asked, store_.AddAsked(run_, row));
  return {};
}

/// Cells that do not fit, larger ones, and all of them if the model did not load.
Status CellRunner::EndImpossible(Side& side) {
  bool load_failed_in_row = false;
  for (RunningCell& cell : side.cells) {
    if (cell.ended || cell.id) continue;
    if (const std::string reason = TooLargeToTry(side, cell); !reason.empty()) {
      WEIR_RETURN_IF_ERROR(EndUntried(side, cell, CellStatus::kSkipped, reason));
    } else if (!cell.plan) {
      // A server that does not answer says nothing about size.
      if (cell.plan.error().code == ErrorCode::kRefused) NoteTooLarge(side, cell, "did not fit");
      WEIR_RETURN_IF_ERROR(EndUntried(side, cell, cell.plan.error()));
    } else if (load_failed_in_row) {
      WEIR_RETURN_IF_ERROR(EndUntried(side, cell, CellStatus::kSkipped, "the model did not load"));
    } else if (!side.loaded.ok()) {
      WEIR_RETURN_IF_ERROR(EndUntried(side, cell, side.loaded.error()));
      load_failed_in_row = true;
    }
  }
  return {};
}

Status CellRunner::BeginCell(const Side& side, RunningCell& cell) {
  const Workload& load = cell.spec.load;
  CellRow row{load.users, load.prompt_tokens, load.gen_tokens, load.requests_per_user,
              options_.repeats, cell.plan ? std::optional(*cell.plan) : std::nullopt};
  row.target = cell.spec.target;
  row.key = KeyOf(cell.spec);
  row.config = ConfigOf(cell.spec);
  if (side.loaded.ok() && cell.spec.target != "engine") row.config = WithFacts(row.config, side.subject->facts());
  row.model_file = side.model_file;
  row.search = cell.spec.slo;
  row.asked = side.asked;
  row.least_step = LeastStepOf(side, cell);
  WEIR_TRY(cell.id, store_.BeginCell(run_, side.model, row));
  return {};
}

/// Only of users who wait, of whom never more than N are served at once, and only of a target that has no more threads
/// than the rates were measured with.
std::optional<StepCost> CellRunner::LeastStepOf(const Side& side, const RunningCell& cell) const {
  const Workload& load = cell.spec.load;
  const Subject& subject = *side.subject;
  const std::optional<int> threads = subject.facts().threads;
  const int measured = instruments_.threads();
  if (measured < DefaultThreads() && (!threads || *threads > measured)) return std::nullopt;
  if (load.arrivals != Arrivals::kClosed) return std::nullopt;
  // Without a tokenizer the length of a prompt is a guess, so nothing is said of its keys and values.
  return subject.LeastStep(load.users, subject.tokenizer() ? load.depth_tokens + load.prompt_tokens : 0);
}

Status CellRunner::EndCell(const Side& side, RunningCell& cell, CellStatus status, const std::string& reason,
                           const std::vector<Flag>& flags) {
  if (!cell.id) WEIR_RETURN_IF_ERROR(BeginCell(side, cell));
  cell.ended = true;
  ++progress_.n_ended;
  for (const Flag& flag : flags) progress_.flags.push_back(flag.name);
  return store_.EndCell(*cell.id, status, reason, flags);
}

Status CellRunner::EndUntried(const Side& side, RunningCell& cell, const Error& why) {
  const bool refused = why.code == ErrorCode::kRefused;
  return EndUntried(side, cell, refused ? CellStatus::kRefused : CellStatus::kFailed, Words(why));
}

Status CellRunner::EndUntried(const Side& side, RunningCell& cell, CellStatus status, const std::string& reason) {
  estimate_.Done(RoughCellSeconds(cell, *side.subject), 0);
  return EndCell(side, cell, status, reason);
}

Status CellRunner::Close(Side& side) {
  if (stopped_) {
    for (RunningCell& cell : side.cells) {
      if (cell.ended || !cell.id) continue;
      cell.seen.interrupted = true;
      WEIR_RETURN_IF_ERROR(EndMeasured(side, cell));
    }
  }
  for (const Decoded& cell : side.decoded) {
    const std::optional<Flag> cliff = FindCliff(cell, side.decoded);
    if (cliff) WEIR_RETURN_IF_ERROR(store_.AddFlag(cell.id, *cliff));
  }
  return {};
}

Result<bool> CellRunner::Repeat(Side& side, RunningCell& cell, int64_t block) {
  if (!cell.id) {
    if (const std::string reason = TooLargeToTry(side, cell); !reason.empty()) {
      WEIR_RETURN_IF_ERROR(EndUntried(side, cell, CellStatus::kSkipped, reason));
      return false;
    }
  }
  const std::string name = fmt::format("{}, {}", NameOf(cell), BaseName(side.subject->row().name));
  if (running_.cell != &cell) {
    WEIR_TRY(const bool warm, StartTarget(side, cell, name));
    if (!warm) return false;
  }
  progress_.doing = fmt::format("repeat {} of {} with {}", cell.n_attempts + 1,
                                options_.precision ? options_.most_repeats : options_.repeats, name);
  const int64_t begin = NowNs();
  ++cell.n_attempts;
  WEIR_TRY([[maybe_unused]] const bool whole, RunAttempt(side, cell, cell.n_attempts, cell.spec.load, block));
  estimate_.Done(RoughRepeatSeconds(cell, *side.subject), SecondsSince(begin));
  return true;
}

/// Starts the target for a cell and warms it up; false if the cell ended with that, or the user stopped.
Result<bool> CellRunner::StartTarget(Side& side, RunningCell& cell, const std::string& name) {
  running_ = {};  // two of them need not fit
  const Workload& load = cell.spec.load;
  const bool first = !cell.id;
  if (first) WEIR_RETURN_IF_ERROR(BeginCell(side, cell));  // so that there is a row if this program does not survive it
  Result<std::unique_ptr<Target>> target = side.subject->Start(load.users, TokensOf(load));
  if (!target) {
    WEIR_RETURN_IF_ERROR(EndUntried(side, cell, target.error()));
    NoteTooLarge(side, cell, "could not start");
    return false;
  }
  running_ = {std::move(*target), &cell};
  const std::vector<Flag> target_flags = side.subject->facts().flags;
  if (first) cell.flags.insert(cell.flags.end(), target_flags.begin(), target_flags.end());
  progress_.doing = "warming up with " + name;
  WEIR_TRY(const bool warm, RunAttempt(side, cell, -cell.n_attempts, WarmUpOf(load), std::nullopt));
  if (!warm) {
    estimate_.Done(RoughCellSeconds(cell, *side.subject), 0);
    if (!stopped_) WEIR_RETURN_IF_ERROR(EndMeasured(side, cell));
    return false;
  }
  if (!latest_) WEIR_RETURN_IF_ERROR(MeasureRates(latest_));
  return !stopped_;
}

Result<bool> CellRunner::Enough(const RunningCell& cell) {
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

Status CellRunner::EndMeasured(Side& side, RunningCell& cell) {
  if (cell.profile.decode.n_steps + cell.profile.prefill.n_steps > 0) {
    profiles_.push_back({*cell.id, cell.profile});
  }
  WEIR_TRY(const CellResult result, store_.ResultOfCell(*cell.id));
  cell.seen.open_loop = cell.spec.load.arrivals != Arrivals::kClosed;
  Verdict verdict = Judge(result, cell.seen);
  std::vector<Flag> flags = FindFlags(result, cell.seen, cell.rates);
  // Probes of a search are few on purpose.
  if (!cell.slo.terms.empty()) std::erase_if(flags, [](const Flag& flag) { return flag.name == "few_repeats"; });
  for (const std::vector<Flag>& more : {options_.flags, cell.flags, cell.watch.Flags()}) {
    flags.insert(flags.end(), more.begin(), more.end());
  }
  if (const Figure* decode = result.Find("decode_tok_s")) {
    side.decoded.push_back({*cell.id, cell.spec.load.users, TokensOf(cell.spec.load), decode->median});
  }
  if (!no_rates_.empty() && cell.seen.n_ok > 0) flags.push_back({"rates_missing", no_rates_});
  if (options_.precision && cell.slo.terms.empty() && verdict.status == CellStatus::kOk &&
      !(cell.seen.open_loop && result.decode_samples.empty()) &&
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
  return EndCell(side, cell, verdict.status, verdict.reason, flags);
}

/// The same cell, weights, build and instruction set must give the same bits.
Result<std::optional<Flag>> CellRunner::AnswerChanged(const CellResult& cell) {
  const std::optional<std::string>& hash = cell.logits_hash ? cell.logits_hash : cell.answers_hash;
  if (!hash) return std::optional<Flag>();
  WEIR_TRY(const std::optional<std::string> earlier, store_.EarlierHash(cell.id));
  if (!earlier || *earlier == *hash) return std::optional<Flag>();
  return std::optional(
      Flag{"answer_changed", fmt::format("hash {} here, {} earlier with the same build", *hash, *earlier)});
}

/// Leaves `rates` empty if they cannot be measured or the user stops.
Status CellRunner::MeasureRates(std::optional<Rates>& rates) {
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
Result<bool> CellRunner::RunAttempt(Side& side, RunningCell& cell, int repeat, const Workload& load,
                                    std::optional<int64_t> block) {
  const std::optional<Rates> before = repeat > 0 ? latest_ : std::nullopt;
  WEIR_TRY(AttemptWriter writer,
           store_.BeginAttempt(*cell.id, repeat, before ? std::optional(before->id) : std::nullopt));
  WEIR_TRY(AttemptRow row, RunWatched(side, cell, repeat, load, writer));
  ForgetOurselves(cell, *side.subject, row);
  row.block = block;
  const bool whole = row.status == AttemptStatus::kOk;
  const EngineProfile profile = running_.target->TakeProfile();
  if (whole && repeat > 0) {
    cell.profile += profile;
    WEIR_RETURN_IF_ERROR(MeasureRates(latest_));
    if (latest_) row.rates_after = latest_->id;
    if (before && latest_) cell.rates.push_back({before->row, latest_->row});
    if (row.disturbance) cell.seen.disturbances.push_back(*row.disturbance);
    if (options_.strict && row.disturbance) row.rejected = WhyDisturbed(*row.disturbance);
  }
  if (row.status == AttemptStatus::kFailed) {
    if (row.reason.starts_with(kTimeout)) NoteTooLarge(side, cell, "took too long");
    ++cell.seen.n_failed;
    if (cell.seen.first_failure.empty()) cell.seen.first_failure = row.reason;
  }
  WEIR_RETURN_IF_ERROR(writer.Finish(row));
  if (whole && repeat > 0) WEIR_RETURN_IF_ERROR(CountWhole(cell, writer.id(), row.rejected));
  return whole;
}

Status CellRunner::CountWhole(RunningCell& cell, int64_t attempt, std::string rejected) {
  WEIR_TRY(const Store::Decoding decoding, store_.DecodingOf(*cell.id, attempt));
  if (const std::string impossible = WhyImpossible(cell, decoding); rejected.empty() && !impossible.empty()) {
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

/// A decode rate that this machine's memory and multipliers cannot give; empty if it can. A server that speculates gets
/// more than one token out of a step, which is nothing impossible and shows in its stream. Of answers that came whole
/// the rate is nobody's, whatever the caches hold.
std::string CellRunner::WhyImpossible(const RunningCell& cell, const Store::Decoding& decoding) const {
  if (!decoding.tok_s || !decoding.limit_tok_s || !decoding.step_bytes) return "";
  if (*decoding.tok_s <= kImpossibleShare * *decoding.limit_tok_s) return "";
  if (cell.spec.target != "engine" && HidesDecode(cell.watch, *decoding.tok_s / *decoding.limit_tok_s)) {
    return fmt::format(
        "impossible: {:.4g} tok/s, where the rates measured around it allow {:.4g}: answers came at once or in lumps "
        "(clumped_stream), so that decode cannot be seen: does a proxy gather them?",
        *decoding.tok_s, *decoding.limit_tok_s);
  }
  if (*decoding.step_bytes < static_cast<double>(kCacheTimes * instruments_.cache_bytes())) return "";
  const bool server = cell.spec.target != "engine";
  if (server && cell.watch.SeveralAtOnce()) return "";
  return fmt::format(
      "impossible: {:.4g} tok/s, where the rates measured around it allow {:.4g} for {:.3g} MB a step, more "
      "than the caches hold{}",
      *decoding.tok_s, *decoding.limit_tok_s, *decoding.step_bytes * 1e-6,
      server ? ": does the server compute this file, and here?" : "");
}

Result<AttemptRow> CellRunner::RunWatched(Side& side, RunningCell& cell, int repeat, const Workload& load,
                                          AttemptWriter& writer) {
  Target& target = *running_.target;
  const Subject& subject = *side.subject;
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
  const bool judged = repeat > 0 && !cell.slo.terms.empty();
  std::vector<RequestRecord> records;
  cell.judged.reset();
  instruments_.ResetPeakMemory();
  instruments_.BeginWatch();
  const int64_t begin_ns = target.Now();
  WEIR_TRY(AttemptRow row, weir::RunAttempt(tap, *plan, stop, writer, repeat > 0 ? &cell.watch : nullptr,
                                            judged ? &records : nullptr));
  row.begin_ns = begin_ns;
  row.end_ns = target.Now();
  instruments_.EndWatch(row);
  row.peak_memory_bytes = instruments_.PeakMemory();
  if (subject.facts().gates) row.answers_hash = tap.AnswersHash();  // others get new prompts each time
  if (timed_out && row.status == AttemptStatus::kInterrupted) {
    row.status = AttemptStatus::kFailed;
    row.reason = fmt::format("{}: not done after {:.3g} s", kTimeout, static_cast<double>(options_.timeout_ns) * 1e-9);
  }
  if (judged && row.status == AttemptStatus::kOk) {
    cell.judged = Evaluate(cell.slo, records);
    row.objective = RowOf(cell.spec.slo, *cell.judged);
  }
  return row;
}

}  // namespace weir
