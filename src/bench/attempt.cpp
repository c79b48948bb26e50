// Planned load to rows.
#include "bench/workload.h"

namespace weir {
namespace {

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
  Recorder(AttemptWriter& writer, StreamWatch* watch, std::vector<RequestRecord>* records)
      : writer_(writer), watch_(watch), records_(records) {}

  Status OnEnded(const RequestRecord& record) override {
    writer_.AddRequest(RowOf(record));
    if (watch_) watch_->Add(record);
    if (records_) records_->push_back(record);
    return {};
  }
  Status OnPoll(int64_t) override { return writer_.Flush(); }

 private:
  AttemptWriter& writer_;
  StreamWatch* const watch_;
  std::vector<RequestRecord>* const records_;
};

}  // namespace

Result<AttemptRow> RunAttempt(Target& target, const LoadPlan& plan, const ShouldStop& stop,
                              AttemptWriter& writer, StreamWatch* watch, std::vector<RequestRecord>* records) {
  (void)target.TakeSteps();
  Recorder recorder(writer, watch, records);
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
