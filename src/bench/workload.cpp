#include "bench/workload.h"

#include <algorithm>
#include <cmath>

#include "bench/prompts.h"
#include "bench/random.h"
#include "bench/trace.h"
#include "util/clock.h"
#include "util/read_file.h"

namespace weir {
namespace {

// Streams of random numbers of one seed.
constexpr uint64_t kArrivals = 0x61727269;
constexpr uint64_t kThinking = 0x7468696e;

int64_t Ns(double seconds) { return std::llround(seconds * 1e9); }

class Planner {
 public:
  Planner(const Workload& load, const Subject& subject, Prompts prompts)
      : load_(load),
        prompts_(std::move(prompts)),
        arrivals_(load.seed, kArrivals),
        thinking_(load.seed, kThinking),
        gated_(subject.facts().gates && load.arrivals == Arrivals::kClosed && load.think_s == 0 &&
               load.ramp_s == 0 && load.warm_up_rounds == 0) {}

  Result<LoadPlan> PlanClosed() {
    const int rounds = load_.warm_up_rounds + load_.requests_per_user;
    for (int round = 0; round < rounds; ++round) {
      for (int user = 0; user < load_.users; ++user) {
        WEIR_TRY(PlannedQuery planned, Ask(user, round, round % load_.turns != 0));
        planned.warm_up = round < load_.warm_up_rounds;
        if (gated_ && round == 0) planned.query.gate = Gate{0, load_.users};
        if (round == 0) {
          planned.delay_ns = Ns(load_.ramp_s * user / load_.users);
        } else {
          planned.after = Index() - load_.users;
          if (load_.think_s > 0) planned.delay_ns = Ns(thinking_.Exponential(load_.think_s));
        }
        plan_.queries.push_back(std::move(planned));
      }
    }
    // A user whose answer is missing would leave the others alone: that is no measurement of N users.
    plan_.end_at_first_error = gated_;
    return Finish();
  }

  Result<LoadPlan> PlanOpen() {
    const int n = load_.users * load_.requests_per_user;
    double at_s = 0;
    for (int i = 0; i < n; ++i) {
      WEIR_TRY(PlannedQuery planned, Ask(i, 0, false));
      planned.delay_ns = Ns(at_s);
      plan_.queries.push_back(std::move(planned));
      at_s += GapAfter(i);
    }
    return Finish();
  }

  Result<LoadPlan> PlanTrace(const Subject& subject, uint64_t salt) {
    WEIR_TRY(const std::string text, ReadFile(load_.trace, kMostTraceBytes));
    WEIR_TRY(const std::vector<TracedRequest> trace, ParseTrace(text, load_.trace));
    for (const TracedRequest& traced : trace) {
      Workload one = load_;
      one.prompt_tokens = traced.prompt_tokens;
      one.gen_tokens = traced.gen_tokens;
      one.shared_tokens = traced.shared_tokens;
      one.depth_tokens = 0;
      // What a group shares depends on the group.
      one.seed = Random(load_.seed, static_cast<uint64_t>(traced.group) + 1).Next();
      WEIR_TRY(const Prompts prompts, Prompts::Create(one, subject, salt));
      PlannedQuery planned;
      planned.user = static_cast<int>(Index());
      WEIR_TRY(planned.query, traced.blocks.empty() || load_.chat
                                  ? prompts.Make(Index())
                                  : prompts.FromBlocks(Index(), traced.blocks, traced.block_tokens));
      planned.delay_ns = Ns(traced.at_s);
      plan_.queries.push_back(std::move(planned));
    }
    return Finish();
  }

 private:
  int64_t Index() const { return static_cast<int64_t>(plan_.queries.size()); }

  Result<PlannedQuery> Ask(int user, int round, bool continues) {
    PlannedQuery planned;
    planned.user = user;
    planned.round = round;
    planned.continues = continues;
    WEIR_TRY(planned.query, prompts_.Make(Index(), continues));
    return planned;
  }

  double GapAfter(int index) {
    switch (load_.arrivals) {
      case Arrivals::kPoisson:
        return arrivals_.Exponential(1 / load_.rate);
      case Arrivals::kBurst:
        return (index + 1) % load_.burst == 0 ? load_.burst / load_.rate : 0;
      default:
        return 1 / load_.rate;
    }
  }

  LoadPlan Finish() {
    plan_.pattern = Describe(load_);
    return std::move(plan_);
  }

  const Workload& load_;
  const Prompts prompts_;
  Random arrivals_, thinking_;
  const bool gated_;
  LoadPlan plan_;
};

}  // namespace

Result<LoadPlan> PlanLoad(const Workload& load, const Subject& subject, uint64_t salt) {
  WEIR_RETURN_IF_ERROR(CheckLoad(load));
  WEIR_TRY(Prompts prompts, Prompts::Create(load, subject, salt));
  Planner planner(load, subject, std::move(prompts));
  if (load.arrivals == Arrivals::kClosed) return planner.PlanClosed();
  if (load.arrivals == Arrivals::kTrace) return planner.PlanTrace(subject, salt);
  return planner.PlanOpen();
}

uint64_t FreshSalt(const Subject& subject) {
  return subject.facts().url.empty() ? 0 : static_cast<uint64_t>(NowNs());
}

}  // namespace weir
