// A target that computes nothing, on a clock that only it moves: what the bench makes of known
// timings.
#pragma once

#include <deque>
#include <set>

#include "bench/bench.h"

namespace weir {

inline constexpr int64_t kMs = 1'000'000;

/// What all targets of a test share.
struct NullScript {
  int64_t clock_ns = 0;
  int64_t prefill_ns_per_token = kMs;
  int64_t decode_ns = 10 * kMs;
  std::vector<double> speed_of_repeat;  // decode time is divided by it; 1 past the end
  StepCost decode_cost{80'000'000, 0, 0, 800'000'000, 0};
  std::set<int> failing_attempts;  // counted over the run, the warm-ups too
  std::string hash = "0123456789abcdef";
  bool hash_changes = false;
  bool shows_steps = true;
  bool gathers = false;     // an answer is sent when it is complete, all of it at once
  int tokens_per_step = 1;  // of a user
  std::vector<Query> requests;  // all that were submitted
  int n_attempts = 0;             // begun
};

/// One slot per user; a step prefills one prompt, or else decodes all who may.
class NullTarget : public Target {
 public:
  explicit NullTarget(NullScript& script) : script_(script) {}

  Result<int64_t> Submit(const Query& query) override {
    script_.requests.push_back(query);
    sequences_.push_back({next_id_, query, 0});
    return next_id_++;
  }

  std::optional<TargetEvent> Next(int64_t timeout_ns) override {
    if (events_.empty()) Step();
    if (events_.empty()) {
      script_.clock_ns += timeout_ns;
      return std::nullopt;
    }
    TargetEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  void CancelAll() override {
    sequences_.clear();
    events_.clear();
  }
  int64_t Now() const override { return script_.clock_ns; }
  std::vector<StepRecord> TakeSteps() override {
    if (sequences_.empty() && steps_.empty()) ++script_.n_attempts;
    auto steps = std::exchange(steps_, {});
    if (!script_.shows_steps) steps.clear();
    return steps;
  }
  std::optional<std::string> LogitsHash() override {
    return script_.hash_changes ? fmt::format("{}", script_.n_attempts) : script_.hash;
  }

 private:
  struct Sequence {
    int64_t id;
    Query request;
    int64_t n_tokens;
  };

  void Step() {
    for (Sequence& sequence : sequences_) {
      if (sequence.n_tokens == 0) return Prefill(sequence);
    }
    if (!sequences_.empty()) Decode();
  }

  void Prefill(Sequence& sequence) {
    const auto n_prompt = static_cast<int64_t>(sequence.request.ids.size());
    AddStep(n_prompt * script_.prefill_ns_per_token, 0, static_cast<int>(n_prompt), {});
    if (script_.gathers) {
      script_.clock_ns += (sequence.request.max_tokens - 1) * script_.decode_ns;
      for (int64_t left = sequence.request.max_tokens; left > 1; --left) {
        Give(sequence);
        script_.clock_ns += 1000;
      }
    }
    Give(sequence);
    End();
  }

  void Decode() {
    const size_t repeat = script_.n_attempts - 2;  // after the warm-up
    const double speed =
        repeat < script_.speed_of_repeat.size() ? script_.speed_of_repeat[repeat] : 1;
    AddStep(static_cast<int64_t>(static_cast<double>(script_.decode_ns) / speed),
            static_cast<int>(sequences_.size()), 0, script_.decode_cost);
    for (Sequence& sequence : sequences_) {
      const int64_t left = sequence.request.max_tokens - sequence.n_tokens;
      for (int64_t i = std::min<int64_t>(script_.tokens_per_step, left); i > 0; --i) Give(sequence);
    }
    End();
  }

  void AddStep(int64_t ns, int decode_rows, int prefill_rows, StepCost cost) {
    steps_.push_back({script_.clock_ns, script_.clock_ns + ns, decode_rows, prefill_rows, cost});
    script_.clock_ns += ns;
  }

  void Give(Sequence& sequence) {
    TargetEvent event{sequence.id, true, script_.clock_ns};
    if (script_.failing_attempts.contains(script_.n_attempts) && sequence.n_tokens == 2) {
      event = {sequence.id, false, script_.clock_ns, FinishReason::kError,
               "the null target was told to fail"};
    } else if (++sequence.n_tokens == sequence.request.max_tokens) {
      event.finished = FinishReason::kLength;
    }
    events_.push_back(event);
  }

  void End() {
    std::erase_if(sequences_, [](const Sequence& s) { return s.n_tokens == s.request.max_tokens; });
  }

  NullScript& script_;
  int64_t next_id_ = 0;
  std::deque<Sequence> sequences_;
  std::deque<TargetEvent> events_;
  std::vector<StepRecord> steps_;
};

class NullSubject : public Subject {
 public:
  explicit NullSubject(std::string name = "null.gguf") { row_.name = std::move(name); }

  const ModelRow& row() const override { return row_; }
  int64_t context_length() const override { return 1000; }
  const std::vector<int32_t>& prompt_ids() const override { return ids_; }
  TargetFacts facts() const override { return {"null", "", "", n_threads_, gates_}; }
  std::optional<StepCost> LeastStep(int users, int64_t position) const override {
    if (script_.shows_steps) return std::nullopt;
    return StepCost{least_weight_bytes_, users * position, 0, users, 0};
  }
  Result<int64_t> Plan(int users, int64_t) const override {
    if (users > most_users_) return Refused("{} users need too much", users);
    return 1000 * users;
  }
  Status Load(const OnProgress& on_progress) override {
    for (int64_t i = 0; i < 3; ++i) {
      if (!on_progress(i, 3)) return Error{ErrorCode::kInterrupted, "interrupted", {}};
    }
    return load_;
  }
  void Unload() override {}
  Result<std::unique_ptr<Target>> Start(int, int64_t) override {
    script_.n_attempts = 0;
    std::unique_ptr<Target> target = std::make_unique<NullTarget>(script_);
    return target;
  }

  ModelRow row_{"", "null", "Q8_0", false, 0, 0, 0, "f"};
  NullScript script_;
  std::vector<int32_t> ids_{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  int most_users_ = 1000;
  int64_t least_weight_bytes_ = 0;  // if it shows no steps
  int n_threads_ = 1;
  bool gates_ = true;
  Status load_;
};

class NullInstruments : public Instruments {
 public:
  void Release() override {}
  Status Prepare(int64_t) override { return prepare_; }
  Result<RatesRow> MeasureRates() override {
    ++n_measured_;
    if (n_measured_ == 2) return second_;
    return rates_;
  }
  void ResetPeakMemory() override {}
  std::optional<int64_t> PeakMemory() override { return 4096; }
  int threads() const override { return 1; }
  int64_t cache_bytes() const override { return cache_bytes_; }
  void EndWatch(AttemptRow& row) override {
    row.disturbance = DisturbanceRow{};
    row.disturbance->swap_pages = disturbed_.contains(++n_watched_) ? 99 : 0;
  }
  bool Stopped() override {
    if (when_asked_) when_asked_();
    return --stop_after_ < 0;
  }

  RatesRow rates_{0, 10, 10, 200, 50, false}, second_ = rates_;
  Status prepare_;
  int n_measured_ = 0;
  int64_t cache_bytes_ = 0;
  std::set<int> disturbed_;  // attempts, from 1, warm-ups too
  int n_watched_ = 0;
  int64_t stop_after_ = 1 << 30;      // questions whether to stop: one before each event
  std::function<void()> when_asked_;  // called at each
};

}  // namespace weir
