#include "bench/load.h"

#include <algorithm>
#include <map>
#include <queue>

namespace weir {
namespace {

constexpr int64_t kPollNs = 50'000'000;  // how soon a stop is noticed while nothing happens

void Append(std::vector<int32_t>& to, const std::vector<int32_t>& ids) {
  to.insert(to.end(), ids.begin(), ids.end());
}

class Load {
 public:
  Load(Target& target, const LoadPlan& plan, LoadObserver& observer)
      : target_(target), plan_(plan), observer_(observer), followers_(plan.queries.size()) {
    for (size_t i = 0; i < plan.queries.size(); ++i) {
      const PlannedQuery& planned = plan.queries[i];
      n_gated_ += planned.query.gate.has_value();
      if (planned.after == PlannedQuery::kStart) continue;
      WEIR_CHECK(planned.after >= 0 && planned.after < static_cast<int64_t>(i));
      followers_[planned.after].push_back(static_cast<int64_t>(i));
    }
  }

  Result<LoadOutcome> Run(const ShouldStop& stop) {
    outcome_.begin_ns = target_.Now();
    for (size_t i = 0; i < plan_.queries.size(); ++i) {
      const PlannedQuery& planned = plan_.queries[i];
      if (planned.after != PlannedQuery::kStart) continue;
      due_.push({outcome_.begin_ns + planned.delay_ns, static_cast<int64_t>(i)});
    }
    const Status observed = Loop(stop);
    outcome_.end_ns = target_.Now();
    if (outcome_.n_failed > 0 || !running_.empty()) target_.CancelAll();
    WEIR_RETURN_IF_ERROR(observed);
    for (auto& [id, running] : running_) WEIR_RETURN_IF_ERROR(observer_.OnEnded(running.record));
    return std::move(outcome_);
  }

 private:
  struct Running {
    RequestRecord record;
    Query query;  // as it was sent; only where a later one continues it
    std::vector<int32_t> answer_ids;
    std::string answer;
  };
  struct Due {
    int64_t time_ns;
    int64_t query;
    bool operator>(const Due& other) const {
      return time_ns != other.time_ns ? time_ns > other.time_ns : query > other.query;
    }
  };

  bool Ended() const {
    return (running_.empty() && due_.empty()) || outcome_.stopped ||
           (plan_.end_at_first_error && outcome_.n_failed > 0);
  }

  Status Loop(const ShouldStop& stop) {
    while (true) {
      while (!Ended() && !due_.empty() && due_.top().time_ns <= target_.Now()) {
        const Due due = due_.top();
        due_.pop();
        WEIR_RETURN_IF_ERROR(Send(due));
      }
      if (Ended()) return {};
      outcome_.stopped = stop();
      const int64_t until_due = due_.empty() ? kPollNs : due_.top().time_ns - target_.Now();
      const int64_t timeout = std::clamp<int64_t>(until_due, 0, kPollNs);
      if (const std::optional<TargetEvent> event = target_.Next(timeout)) {
        WEIR_RETURN_IF_ERROR(OnEvent(*event));
      }
      WEIR_RETURN_IF_ERROR(observer_.OnPoll(target_.Now()));
    }
  }

  bool IsContinued(int64_t query) const {
    return std::any_of(followers_[query].begin(), followers_[query].end(),
                       [&](int64_t next) { return plan_.queries[next].continues; });
  }

  static RequestRecord RecordOf(const PlannedQuery& planned, const Due& due) {
    RequestRecord record;
    record.query = due.query;
    record.user = planned.user;
    record.round = planned.round;
    record.gated = planned.query.gate.has_value();
    record.warm_up = planned.warm_up;
    record.scheduled_ns = due.time_ns;
    record.planned_prompt_tokens = planned.query.prompt_tokens;
    record.max_tokens = planned.query.max_tokens;
    record.fixed_length = planned.query.fixed_length;
    return record;
  }

  Status Send(const Due& due) {
    const PlannedQuery& planned = plan_.queries[due.query];
    RequestRecord record = RecordOf(planned, due);
    Query continued;
    const Query* query = &planned.query;
    if (planned.continues) {
      const auto before = conversations_.find(planned.after);
      record.submitted_ns = target_.Now();
      if (before == conversations_.end()) {
        return Refuse(record, "not sent: the turn before it failed");
      }
      continued = Continued(before->second, planned.query);
      conversations_.erase(before);
      query = &continued;
    }
    record.submitted_ns = target_.Now();
    const Result<int64_t> id = target_.Submit(*query);
    if (!id) return Refuse(record, id.error().message);
    Running& running = running_[*id];
    running.record = std::move(record);
    if (IsContinued(due.query)) running.query = *query;
    return observer_.OnSubmitted(running.record);
  }

  static Query Continued(const Running& before, const Query& next) {
    Query query = before.query;
    if (!query.ids.empty()) {
      Append(query.ids, before.answer_ids);
      Append(query.ids, next.ids);
    }
    if (!query.text.empty()) query.text += before.answer + next.text;
    if (!query.turns.empty()) {
      query.turns.push_back({"assistant", before.answer});
      query.turns.insert(query.turns.end(), next.turns.begin(), next.turns.end());
    }
    query.prompt_tokens = 0;  // depends on the answer
    query.max_tokens = next.max_tokens;
    query.fixed_length = next.fixed_length;
    query.gate = next.gate;
    return query;
  }

  /// A request that the target would not take.
  Status Refuse(RequestRecord& record, const std::string& error) {
    WEIR_RETURN_IF_ERROR(observer_.OnSubmitted(record));
    record.ended_ns = target_.Now();
    record.finish = FinishReason::kError;
    record.error = error;
    return End(record);
  }

  Status OnEvent(const TargetEvent& event) {
    const auto found = running_.find(event.request);
    if (found == running_.end()) return {};
    Running& running = found->second;
    if (event.token) {
      AddArrival(running, event);
      WEIR_RETURN_IF_ERROR(observer_.OnArrival(running.record));
    }
    if (!event.finished) return {};
    Running ended = std::move(running);
    running_.erase(found);
    Complete(ended.record, event);
    if (ended.record.error.empty() && IsContinued(ended.record.query)) {
      const RequestRecord record = ended.record;
      conversations_[record.query] = std::move(ended);
      return End(record);
    }
    return End(ended.record);
  }

  static void AddArrival(Running& running, const TargetEvent& event) {
    RequestRecord& record = running.record;
    record.arrivals.push_back({event.time_ns, 1, event.reasoning});
    std::optional<int64_t>& first =
        event.reasoning ? record.first_reasoning_ns : record.first_content_ns;
    if (!first) first = event.time_ns;
    if (!record.first_token_ns) record.first_token_ns = event.time_ns;
    ++record.generated_tokens;
    if (event.id >= 0) running.answer_ids.push_back(event.id);
    // What a model thought is not part of the next turn's prompt.
    if (!event.reasoning) running.answer += event.text;
  }

  static void Complete(RequestRecord& record, const TargetEvent& event) {
    record.ended_ns = event.time_ns;
    record.finish = event.finished;
    record.error = event.error;
    if (event.facts) AddFacts(record, *event.facts);
    if (*event.finished == FinishReason::kError) {
      if (record.error.empty()) record.error = "the target gave no reason";
    } else if (record.counted_by == CountedBy::kEngine && record.fixed_length &&
               record.generated_tokens != record.max_tokens) {
      record.finish = FinishReason::kError;
      record.error =
          fmt::format("{} tokens arrived of {}", record.generated_tokens, record.max_tokens);
    }
  }

  static void AddFacts(RequestRecord& record, const AnswerFacts& facts) {
    record.sent_ns = facts.sent_ns;
    record.headers_ns = facts.headers_ns;
    record.first_chunk_ns = facts.first_chunk_ns;
    record.prompt_tokens = facts.prompt_tokens;
    record.cached_tokens = facts.cached_tokens;
    record.counted_by = facts.counted_by;
    record.recounted_tokens = facts.recounted_tokens;
    if (facts.counted_by != CountedBy::kEngine) record.generated_tokens = facts.generated_tokens;
    if (facts.tokens_of_event.size() != record.arrivals.size()) return;
    for (size_t i = 0; i < record.arrivals.size(); ++i) {
      record.arrivals[i].n_tokens = facts.tokens_of_event[i];
    }
  }

  Status End(const RequestRecord& record) {
    ++outcome_.n_ended;
    if (record.finish == FinishReason::kError) {
      if (outcome_.n_failed++ == 0) outcome_.first_error = record.error;
    }
    WEIR_RETURN_IF_ERROR(observer_.OnEnded(record));
    for (int64_t next : followers_[record.query]) {
      held_.push_back({*record.ended_ns + plan_.queries[next].delay_ns, next});
    }
    // Those of a gate end in one step: the hash of its logits is of a batch that is always the same,
    // and nobody may ask again before it was taken.
    if (record.gated && --n_gated_ == 0 && running_.empty() && outcome_.n_failed == 0) {
      outcome_.logits_hash = target_.LogitsHash();
    }
    if (n_gated_ > 0) return {};
    for (const Due& due : held_) due_.push(due);
    held_.clear();
    return {};
  }

  Target& target_;
  const LoadPlan& plan_;
  LoadObserver& observer_;
  std::vector<std::vector<int64_t>> followers_;  // of each query
  int n_gated_ = 0;                              // that have not ended
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::vector<Due> held_;  // until the gated ones have ended
  std::map<int64_t, Running> running_;
  std::map<int64_t, Running> conversations_;  // ended queries whose continuation is not sent yet
  LoadOutcome outcome_;
};

}  // namespace

std::vector<int64_t> TokenTimes(const RequestRecord& record) {
  std::vector<int64_t> times;
  for (const Arrival& arrival : record.arrivals) {
    times.insert(times.end(), std::max(arrival.n_tokens, 0), arrival.time_ns);
  }
  return times;
}

Result<LoadOutcome> RunLoad(Target& target, const LoadPlan& plan, const ShouldStop& stop,
                            LoadObserver& observer) {
  return Load(target, plan, observer).Run(stop);
}

}  // namespace weir
