#include "bench/own_cost.h"

#include <algorithm>

#include "bench/load.h"
#include "bench/null_target.h"

namespace weir {
namespace {

constexpr int kRounds = 3;
constexpr int64_t kTokens = 8192;

class Ignore : public LoadObserver {
 public:
  Status OnEnded(const RequestRecord&) override { return {}; }
};

/// Nanoseconds from the start of a load of about kTokens tokens to its end, for each of them.
std::optional<double> TokenNs(Subject& subject, int streams) {
  const Result<std::unique_ptr<Target>> target = subject.Start(streams, kTokens);
  if (!target) return std::nullopt;
  LoadPlan plan;
  for (int user = 0; user < streams; ++user) {
    PlannedQuery planned;
    planned.query.text = "a";
    planned.query.ids = {1};
    planned.query.max_tokens = std::max<int64_t>(kTokens / streams, 1);
    planned.user = user;
    plan.queries.push_back(std::move(planned));
  }
  std::optional<double> best;
  for (int round = 0; round < kRounds; ++round) {
    Ignore ignore;
    const auto outcome = RunLoad(**target, plan, [] { return false; }, ignore);
    if (!outcome || outcome->n_failed > 0) return std::nullopt;
    const auto n_tokens = static_cast<double>(plan.queries[0].query.max_tokens * streams);
    const double ns = static_cast<double>(outcome->end_ns - outcome->begin_ns) / n_tokens;
    best = std::min(best.value_or(ns), ns);
  }
  return best;
}

}  // namespace

OwnCost MeasureOwnCost(int streams) {
  OwnCost cost;
  cost.token_ns = TokenNs(*OpenNullSubject(), 1);
  if (streams < 1) return cost;
  if (const auto http = OpenNullHttpSubject({})) cost.client_token_ns = TokenNs(**http, streams);
  if (cost.client_token_ns) cost.client_streams = streams;
  return cost;
}

}  // namespace weir
