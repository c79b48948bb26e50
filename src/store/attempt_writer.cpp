#include "store/attempt_writer.h"

#include <string_view>
#include <utility>

namespace weir {
namespace {

constexpr int64_t kCommitNs = 500'000'000;

std::string_view Name(AttemptStatus status) {
  switch (status) {
    case AttemptStatus::kOk:
      return "ok";
    case AttemptStatus::kFailed:
      return "failed";
    case AttemptStatus::kInterrupted:
      break;
  }
  return "interrupted";
}

std::string_view Name(FinishReason finish) {
  switch (finish) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kError:
      break;
  }
  return "error";
}

}  // namespace

std::string_view Name(CountedBy counted_by) {
  switch (counted_by) {
    case CountedBy::kEngine:
      return "engine";
    case CountedBy::kUsage:
      return "usage";
    case CountedBy::kTokenizer:
      return "tokenizer";
    case CountedBy::kChunks:
      break;
  }
  return "chunks";
}

Result<AttemptWriter> AttemptWriter::Begin(Database& database, int64_t cell, int repeat,
                                           std::optional<int64_t> rates_before) {
  WEIR_TRY(const int64_t id, database.Insert("INSERT INTO attempt (cell, repeat, status, "
                                             "rates_before) VALUES (?, ?, 'interrupted', ?)",
                                             cell, repeat, rates_before));
  WEIR_TRY(Statement add_request,
           database.Prepare("INSERT INTO request (attempt, user, round, gated, scheduled_ns, "
                            "submitted_ns, prompt_tokens, max_tokens) "
                            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  WEIR_TRY(Statement add_token, database.Prepare("INSERT INTO token_time VALUES (?, ?, ?)"));
  WEIR_TRY(Statement end_request, database.Prepare("UPDATE request SET ended_ns = ?, finish = ?, "
                                                   "error = ? WHERE id = ?"));
  return AttemptWriter(database, id, std::move(add_request), std::move(add_token),
                       std::move(end_request));
}

AttemptWriter::AttemptWriter(Database& database, int64_t id, Statement add_request,
                             Statement add_token, Statement end_request)
    : database_(&database),
      id_(id),
      add_request_(std::move(add_request)),
      add_token_(std::move(add_token)),
      end_request_(std::move(end_request)) {}

Status AttemptWriter::Open() {
  if (transaction_) return {};
  WEIR_TRY(Transaction transaction, Transaction::Begin(*database_));
  transaction_.emplace(std::move(transaction));
  return {};
}

Result<int64_t> AttemptWriter::AddRequest(const RequestRow& request) {
  WEIR_RETURN_IF_ERROR(Open());
  WEIR_RETURN_IF_ERROR(add_request_.Execute(id_, request.user, request.round, request.gated,
                                            request.scheduled_ns, request.submitted_ns,
                                            request.prompt_tokens, request.max_tokens));
  return database_->LastInsertId();
}

Status AttemptWriter::AddToken(int64_t request, int64_t ordinal, int64_t time_ns) {
  WEIR_RETURN_IF_ERROR(Open());
  return add_token_.Execute(request, ordinal, time_ns);
}

Status AttemptWriter::EndRequest(int64_t request, int64_t time_ns, FinishReason finish,
                                 const std::string& error) {
  WEIR_RETURN_IF_ERROR(Open());
  return end_request_.Execute(time_ns, Name(finish), NullIfEmpty(error), request);
}

Status AttemptWriter::AddSteps(const std::vector<StepRecord>& steps) {
  WEIR_RETURN_IF_ERROR(Open());
  WEIR_TRY(Statement add,
           database_->Prepare("INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepRecord& step = steps[i];
    const StepCost& cost = step.cost;
    WEIR_RETURN_IF_ERROR(add.Execute(id_, static_cast<int64_t>(i), step.begin_ns, step.end_ns,
                                     step.n_decode_rows, step.n_prefill_rows, cost.weight_bytes,
                                     cost.kv_bytes, cost.state_bytes, cost.int8_macs,
                                     cost.f32_macs));
  }
  return {};
}

Status AttemptWriter::CommitIfDue(int64_t now_ns) {
  if (now_ns - committed_ns_ < kCommitNs) return {};
  committed_ns_ = now_ns;
  return Commit();
}

Status AttemptWriter::Commit() {
  if (!transaction_) return {};
  Transaction transaction = std::move(*transaction_);
  transaction_.reset();
  return transaction.Commit();
}

Status AttemptWriter::Finish(const AttemptRow& row) {
  WEIR_RETURN_IF_ERROR(Open());
  WEIR_RETURN_IF_ERROR(database_->Execute(
      "UPDATE attempt SET status = ?, reason = ?, peak_memory_bytes = ?, logits_hash = ?, "
      "rates_after = ? WHERE id = ?",
      Name(row.status), NullIfEmpty(row.reason), row.peak_memory_bytes, row.logits_hash,
      row.rates_after, id_));
  WEIR_RETURN_IF_ERROR(Commit());
  return database_->Checkpoint();
}

}  // namespace weir
