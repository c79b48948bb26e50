#include "bench/cache_probe.h"

#include <algorithm>

#include "bench/load.h"
#include "bench/prompts.h"
#include "bench/statistics.h"

namespace weir {
namespace {

constexpr int64_t kPromptTokens = 256;
constexpr uint64_t kSalt = 0x70726f6265;

class Pair : public LoadObserver {
 public:
  explicit Pair(CacheProbe& probe) : probe_(probe) {}
  Status OnEnded(const RequestRecord& record) override {
    if (!record.first_token_ns) return {};
    (record.round == 0 ? probe_.new_ms : probe_.again_ms)
        .push_back(static_cast<double>(*record.first_token_ns - record.scheduled_ns) / 1e6);
    if (record.round == 1) {
      probe_.cached_tokens = std::max(probe_.cached_tokens, record.cached_tokens.value_or(0));
    }
    return {};
  }

 private:
  CacheProbe& probe_;
};

}  // namespace

std::optional<Flag> JudgeCache(CacheProbe probe) {
  if (probe.cached_tokens > 0) {
    return Flag{"hidden_prompt_cache",
                fmt::format("the server keeps prompts: of one sent twice it did not compute {} tokens",
                            probe.cached_tokens)};
  }
  if (probe.new_ms.size() < 3 || probe.again_ms.size() < 3) return std::nullopt;
  const double fresh = Median(probe.new_ms), again = Median(probe.again_ms);
  const bool apart = *std::max_element(probe.again_ms.begin(), probe.again_ms.end()) <
                     *std::min_element(probe.new_ms.begin(), probe.new_ms.end());
  if (!apart || again > 0.75 * fresh) return std::nullopt;
  return Flag{"hidden_prompt_cache",
              fmt::format("the server keeps prompts: TTFT is {:.0f} ms for a new one, {:.0f} ms for the same again",
                          fresh, again)};
}

Result<CacheProbe> ProbeCache(Target& target, const Subject& subject, int n_pairs, int64_t most_ns) {
  CacheProbe probe;
  Workload load;
  load.prompt_tokens = kPromptTokens;
  load.gen_tokens = 1;
  // Other prompts in each run: what the server still has of the last one is not new.
  load.seed = static_cast<uint64_t>(target.Now());
  WEIR_TRY(const Prompts prompts, Prompts::Create(load, subject, kSalt));
  const int64_t begin = target.Now();
  for (int i = 0; i <= n_pairs && target.Now() - begin < most_ns; ++i) {
    LoadPlan plan;
    plan.end_at_first_error = true;
    for (int round = 0; round < 2; ++round) {
      PlannedQuery planned;
      WEIR_TRY(planned.query, prompts.Make(i));
      planned.round = round;
      if (round == 1) planned.after = 0;
      plan.queries.push_back(std::move(planned));
    }
    CacheProbe first;  // opens connections and touches weights: measured, and thrown away
    Pair pair(i == 0 ? first : probe);
    WEIR_TRY(const LoadOutcome outcome, RunLoad(target, plan, [] { return false; }, pair));
    if (outcome.n_failed > 0) return Failed("{}", outcome.first_error);
  }
  return probe;
}

}  // namespace weir
