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
  ClosedLoop(Target& target, const Workload& load, const std::vector<int32_t>& prompt_ids)
      : target_(target),
        load_(load),
        prompts_(MakePrompts(prompt_ids, load.users * load.requests_per_user, load.prompt_tokens,
                             load.seed)) {
    row_.requests.reserve(prompts_.size());
  }

  AttemptRow Run(const ShouldStop& stop) {
    (void)target_.TakeSteps();
    const int64_t begin = target_.Now();
    for (int user = 0; user < load_.users; ++user) Ask(user, 0, begin);
    while (!running_.empty() && row_.reason.empty() && !stopped_) {
      stopped_ = stop();
      if (std::optional<TargetEvent> event = target_.Next(kPollMs)) OnEvent(*event);
    }
    row_.status = !row_.reason.empty() ? AttemptStatus::kFailed
                  : stopped_           ? AttemptStatus::kInterrupted
                                       : AttemptStatus::kOk;
    if (row_.status != AttemptStatus::kOk) target_.CancelAll();
    row_.steps = target_.TakeSteps();
    return std::move(row_);
  }

 private:
  void Ask(int user, int round, int64_t scheduled_ns) {
    Request request;
    request.prompt = prompts_[round * load_.users + user];
    request.max_tokens = load_.gen_tokens;
    request.ignore_eos = true;
    if (round == 0) request.gate = Gate{0, load_.users};
    RequestRow asked{.user = user,
                     .round = round,
                     .gated = round == 0,
                     .scheduled_ns = scheduled_ns,
                     .submitted_ns = target_.Now(),
                     .ended_ns = {},
                     .prompt_tokens = load_.prompt_tokens,
                     .max_tokens = load_.gen_tokens,
                     .finish = {},
                     .error = {},
                     .token_ns = {}};
    asked.token_ns.reserve(load_.gen_tokens);
    const Result<int64_t> id = target_.Submit(std::move(request));
    if (id) {
      running_[*id] = row_.requests.size();
    } else {
      Fail(asked, id.error().message);
    }
    row_.requests.push_back(std::move(asked));
  }

  void Fail(RequestRow& request, const std::string& error) {
    request.finish = FinishReason::kError;
    request.error = error;
    row_.reason = error.empty() ? "the target gave no reason" : error;
  }

  void OnEvent(const TargetEvent& event) {
    const auto running = running_.find(event.request);
    if (running == running_.end()) return;
    RequestRow& request = row_.requests[running->second];
    if (event.token) request.token_ns.push_back(event.time_ns);
    if (!event.finished) return;
    running_.erase(running);
    request.ended_ns = event.time_ns;
    request.finish = event.finished;
    if (*event.finished == FinishReason::kError) return Fail(request, event.error);
    if (static_cast<int64_t>(request.token_ns.size()) != load_.gen_tokens) {
      return Fail(request, fmt::format("{} tokens arrived of {}", request.token_ns.size(),
                                       load_.gen_tokens));
    }
    AskAgain(request.user, request.round);
  }

  void AskAgain(int user, int round) {
    if (round > 0) return AskNext(user, round);
    if (!running_.empty()) return;  // those of the gate end in one step
    row_.logits_hash = target_.LogitsHash();
    for (int each = 0; each < load_.users; ++each) AskNext(each, 0);
  }

  void AskNext(int user, int round) {
    if (round + 1 == load_.requests_per_user) return;
    for (const RequestRow& request : row_.requests) {
      if (request.user == user && request.round == round)
        return Ask(user, round + 1, *request.ended_ns);
    }
  }

  Target& target_;
  const Workload& load_;
  const std::vector<std::vector<int32_t>> prompts_;
  std::map<int64_t, size_t> running_;  // index in row_.requests
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

AttemptRow RunClosedLoop(Target& target, const Workload& load,
                         const std::vector<int32_t>& prompt_ids, const ShouldStop& stop) {
  return ClosedLoop(target, load, prompt_ids).Run(stop);
}

}  // namespace weir
