#include "bench/workload.h"

#include <map>

namespace weir {
namespace {

constexpr int64_t kPollMs = 50;  // how soon a stop is noticed while nothing happens

/// splitmix64: small, and the same everywhere.
uint64_t NextRandom(uint64_t& state) {
  uint64_t x = state += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class ClosedLoop {
 public:
  ClosedLoop(Target& target, const Workload& load, const std::vector<int32_t>& prompt_ids,
             AttemptWriter& writer)
      : target_(target),
        load_(load),
        writer_(writer),
        prompts_(MakePrompts(prompt_ids, load.users * load.requests_per_user, load.prompt_tokens,
                             load.seed)),
        ended_ns_(load.users) {}

  Result<AttemptRow> Run(const ShouldStop& stop) {
    (void)target_.TakeSteps();
    const Status written = Loop(stop);
    row_.status = !row_.reason.empty() ? AttemptStatus::kFailed
                  : stopped_           ? AttemptStatus::kInterrupted
                                       : AttemptStatus::kOk;
    if (row_.status != AttemptStatus::kOk || !written.ok()) target_.CancelAll();
    WEIR_RETURN_IF_ERROR(written);
    WEIR_RETURN_IF_ERROR(writer_.AddSteps(target_.TakeSteps()));
    WEIR_RETURN_IF_ERROR(writer_.Commit());
    return std::move(row_);
  }

 private:
  struct Running {
    int64_t row;  // id in the database
    int user, round;
    int64_t n_tokens;
  };

  Status Loop(const ShouldStop& stop) {
    const int64_t begin = target_.Now();
    for (int user = 0; user < load_.users; ++user) WEIR_RETURN_IF_ERROR(Ask(user, 0, begin));
    while (!running_.empty() && row_.reason.empty() && !stopped_) {
      stopped_ = stop();
      if (std::optional<TargetEvent> event = target_.Next(kPollMs)) {
        WEIR_RETURN_IF_ERROR(OnEvent(*event));
      }
      WEIR_RETURN_IF_ERROR(writer_.CommitIfDue(target_.Now()));
    }
    return {};
  }

  Status Ask(int user, int round, int64_t scheduled_ns) {
    Request request;
    request.prompt = prompts_[round * load_.users + user];
    request.max_tokens = load_.gen_tokens;
    request.ignore_eos = true;
    if (round == 0) request.gate = Gate{0, load_.users};
    const int64_t submitted_ns = target_.Now();
    const Result<int64_t> id = target_.Submit(std::move(request));
    WEIR_TRY(const int64_t row,
             writer_.AddRequest({user, round, round == 0, scheduled_ns, submitted_ns,
                                 load_.prompt_tokens, load_.gen_tokens}));
    if (!id) return Fail(row, target_.Now(), id.error().message);
    running_[*id] = {row, user, round, 0};
    return {};
  }

  /// Ends the attempt, for a request that cannot be answered.
  Status Fail(int64_t row, int64_t time_ns, const std::string& error) {
    row_.reason = error.empty() ? "the target gave no reason" : error;
    return writer_.EndRequest(row, time_ns, FinishReason::kError, row_.reason);
  }

  Status OnEvent(const TargetEvent& event) {
    const auto found = running_.find(event.request);
    if (found == running_.end()) return {};
    Running& running = found->second;
    if (event.token) {
      WEIR_RETURN_IF_ERROR(writer_.AddToken(running.row, running.n_tokens++, event.time_ns));
    }
    if (!event.finished) return {};
    const Running ended = running;
    running_.erase(found);
    ended_ns_[ended.user] = event.time_ns;
    if (*event.finished == FinishReason::kError) {
      return Fail(ended.row, event.time_ns, event.error);
    }
    if (ended.n_tokens != load_.gen_tokens) {
      return Fail(ended.row, event.time_ns,
                  fmt::format("{} tokens arrived of {}", ended.n_tokens, load_.gen_tokens));
    }
    WEIR_RETURN_IF_ERROR(writer_.EndRequest(ended.row, event.time_ns, *event.finished, ""));
    return AskAgain(ended.user, ended.round);
  }

  Status AskAgain(int user, int round) {
    if (round > 0) return AskNext(user, round);
    if (!running_.empty()) return {};  // those of the gate end in one step
    row_.logits_hash = target_.LogitsHash();
    for (int each = 0; each < load_.users; ++each) WEIR_RETURN_IF_ERROR(AskNext(each, 0));
    return {};
  }

  Status AskNext(int user, int round) {
    if (round + 1 == load_.requests_per_user) return {};
    return Ask(user, round + 1, ended_ns_[user]);
  }

  Target& target_;
  const Workload& load_;
  AttemptWriter& writer_;
  const std::vector<std::vector<int32_t>> prompts_;
  std::map<int64_t, Running> running_;
  std::vector<int64_t> ended_ns_;  // of each user's last request
  bool stopped_ = false;
  AttemptRow row_;
};

}  // namespace

std::vector<std::vector<int32_t>> MakePrompts(const std::vector<int32_t>& ids, int n_prompts,
                                              int64_t n_tokens, uint64_t seed) {
  uint64_t state = seed;
  std::vector<int32_t> first = ids;
  for (size_t i = first.size() - 1; i > 0; --i)
    std::swap(first[i], first[NextRandom(state) % (i + 1)]);
  std::vector<std::vector<int32_t>> prompts(n_prompts);
  for (int i = 0; i < n_prompts; ++i) {
    prompts[i].push_back(first[i % first.size()]);
    for (int64_t j = 1; j < n_tokens; ++j)
      prompts[i].push_back(ids[NextRandom(state) % ids.size()]);
  }
  return prompts;
}

Result<AttemptRow> RunClosedLoop(Target& target, const Workload& load,
                                 const std::vector<int32_t>& prompt_ids, const ShouldStop& stop,
                                 AttemptWriter& writer) {
  return ClosedLoop(target, load, prompt_ids, writer).Run(stop);
}

}  // namespace weir
