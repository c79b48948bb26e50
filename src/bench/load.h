// Runs a planned load against a target and tells what became of each request.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/load_plan.h"
#include "bench/target.h"

namespace weir {

/// Tokens that came together.
struct Arrival {
  int64_t time_ns = 0;
  int32_t n_tokens = 1;
  bool reasoning = false;
};

/// One request from its schedule to its end. Times are of the target's clock. Latency is counted
/// from `scheduled_ns`, so that a target or a client that is late pays for it.
struct RequestRecord {
  int64_t query = 0;  // index in the plan
  int user = 0, round = 0;
  bool gated = false, warm_up = false;
  int64_t scheduled_ns = 0;
  int64_t submitted_ns = 0;  // given to the target
  std::optional<int64_t> sent_ns, headers_ns, first_chunk_ns;  // AnswerFacts
  // First text of any kind, of reasoning, and of the answer itself.
  std::optional<int64_t> first_token_ns, first_reasoning_ns, first_content_ns;
  std::optional<int64_t> ended_ns;  // nothing: cut off by the end of the load
  std::vector<Arrival> arrivals;
  int64_t planned_prompt_tokens = 0, max_tokens = 0;
  bool fixed_length = true;
  std::optional<int64_t> prompt_tokens, cached_tokens;  // as the target counted them
  int64_t generated_tokens = 0;
  std::optional<int64_t> recounted_tokens;  // AnswerFacts
  CountedBy counted_by = CountedBy::kEngine;
  std::optional<FinishReason> finish;
  std::string error;  // with kError; also an answer of the wrong length
};

/// One time per token, of all arrivals in order.
std::vector<int64_t> TokenTimes(const RequestRecord& record);

/// Follows a load while it runs. An Error ends the load.
class LoadObserver {
 public:
  virtual ~LoadObserver() = default;
  /// A request has been given to the target, or the target refused it and OnEnded follows.
  virtual Status OnSubmitted(const RequestRecord&) { return {}; }
  /// Tokens have come: the last of record.arrivals.
  virtual Status OnArrival(const RequestRecord&) { return {}; }
  /// Also for requests that were running when the load was stopped (without ended_ns).
  virtual Status OnEnded(const RequestRecord& record) = 0;
  /// Between events, at least every 50 ms.
  virtual Status OnPoll(int64_t /*now_ns*/) { return {}; }
};

/// Whether to stop; asked between events.
using ShouldStop = std::function<bool()>;

struct LoadOutcome {
  int64_t begin_ns = 0, end_ns = 0;
  int64_t n_ended = 0, n_failed = 0;  // failed ones are among those that ended
  std::string first_error;            // of the first that failed
  bool stopped = false;               // by ShouldStop
  /// Of the step in which the gated requests ended together.
  std::optional<std::string> logits_hash;
};

/// Sends everything that is planned. Failed requests are records; an Error is one of the observer's.
/// A query that continues one that failed is not sent and is a failed record itself.
Result<LoadOutcome> RunLoad(Target& target, const LoadPlan& plan, const ShouldStop& stop,
                            LoadObserver& observer);

}  // namespace weir
