#include "bench/workload.h"

namespace weir {
namespace {

/// splitmix64: small, and the same everywhere.
uint64_t NextRandom(uint64_t& state) {
  uint64_t x = state += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

RequestRow RowOf(const RequestRecord& record) {
  RequestRow row{record.user,         record.round,        record.gated,
                 record.scheduled_ns, record.submitted_ns, record.prompt_tokens.value_or(record.planned_prompt_tokens),
                 record.max_tokens};
  row.warm_up = record.warm_up;
  row.sent_ns = record.sent_ns;
  row.headers_ns = record.headers_ns;
  row.first_chunk_ns = record.first_chunk_ns;
  row.first_reasoning_ns = record.first_reasoning_ns;
  row.first_content_ns = record.first_content_ns;
  row.ended_ns = record.ended_ns;
  row.cached_tokens = record.cached_tokens;
  row.answer_tokens = record.generated_tokens;
  row.counted_by = record.counted_by;
  row.token_ns = TokenTimes(record);
  row.finish = record.finish;
  row.error = record.error;
  return row;
}

/// A load's requests as rows, each committed as soon as it has ended.
class Recorder : public LoadObserver {
 public:
  explicit Recorder(AttemptWriter& writer) : writer_(writer) {}

  Status OnEnded(const RequestRecord& record) override {
    writer_.AddRequest(RowOf(record));
    return {};
  }
  Status OnPoll(int64_t) override { return writer_.Flush(); }

 private:
  AttemptWriter& writer_;
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

LoadPlan PlanClosedLoop(const Workload& load, const std::vector<int32_t>& prompt_ids) {
  const auto prompts = MakePrompts(prompt_ids, load.users * load.requests_per_user,
                                   load.prompt_tokens, load.seed);
  LoadPlan plan;
  plan.pattern = "closed";
  plan.end_at_first_error = true;
  for (int round = 0; round < load.requests_per_user; ++round) {
    for (int user = 0; user < load.users; ++user) {
      const auto index = static_cast<int64_t>(plan.queries.size());
      PlannedQuery planned;
      planned.query.ids = prompts[index];
      planned.query.prompt_tokens = load.prompt_tokens;
      planned.query.max_tokens = load.gen_tokens;
      if (round == 0) planned.query.gate = Gate{0, load.users};
      planned.user = user;
      planned.round = round;
      if (round > 0) planned.after = index - load.users;
      plan.queries.push_back(std::move(planned));
    }
  }
  return plan;
}

Result<AttemptRow> RunAttempt(Target& target, const LoadPlan& plan, const ShouldStop& stop,
                              AttemptWriter& writer) {
  (void)target.TakeSteps();
  Recorder recorder(writer);
  WEIR_TRY(const LoadOutcome outcome, RunLoad(target, plan, stop, recorder));
  WEIR_RETURN_IF_ERROR(writer.Flush());
  WEIR_RETURN_IF_ERROR(writer.AddSteps(target.TakeSteps()));
  AttemptRow row;
  row.reason = outcome.first_error;
  row.status = outcome.n_failed > 0 ? AttemptStatus::kFailed
               : outcome.stopped    ? AttemptStatus::kInterrupted
                                    : AttemptStatus::kOk;
  row.logits_hash = outcome.logits_hash;
  return row;
}

}  // namespace weir
