#include "store/attempt_writer.h"

#include <iterator>
#include <string_view>
#include <utility>

namespace weir {
namespace {

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

/// "[1200,3400]", after `begin_ns`.
std::string Offsets(const std::vector<int64_t>& times_ns, int64_t begin_ns) {
  fmt::memory_buffer text;
  text.push_back('[');
  for (size_t i = 0; i < times_ns.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{}", i > 0 ? "," : "", times_ns[i] - begin_ns);
  }
  text.push_back(']');
  return fmt::to_string(text);
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
           database.Prepare(
               "INSERT INTO request (attempt, user, round, gated, scheduled_ns, submitted_ns, ended_ns, "
               "prompt_tokens, max_tokens, finish, error, warm_up, sent_ns, headers_ns, first_chunk_ns, first_reasoning_ns, "
               "first_content_ns, cached_tokens, answer_tokens, counted_by, token_offsets_ns) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  return AttemptWriter(database, id, std::move(add_request));
}

AttemptWriter::AttemptWriter(Database& database, int64_t id, Statement add_request)
    : database_(&database), id_(id), add_request_(std::move(add_request)) {}

Status AttemptWriter::Flush() {
  if (pending_.empty()) return {};
  WEIR_TRY(Transaction transaction, Transaction::Begin(*database_));
  for (const RequestRow& row : pending_) {
    const auto finish = row.finish ? std::optional(Name(*row.finish)) : std::nullopt;
    WEIR_RETURN_IF_ERROR(add_request_.Execute(
        id_, row.user, row.round, row.gated, row.scheduled_ns, row.submitted_ns, row.ended_ns,
        row.prompt_tokens, row.max_tokens, finish, NullIfEmpty(row.error), row.warm_up,
        row.sent_ns, row.headers_ns, row.first_chunk_ns, row.first_reasoning_ns, row.first_content_ns, row.cached_tokens,
        row.answer_tokens.value_or(static_cast<int64_t>(row.token_ns.size())), Name(row.counted_by),
        Offsets(row.token_ns, row.scheduled_ns)));
  }
  WEIR_RETURN_IF_ERROR(transaction.Commit());
  pending_.clear();
  return {};
}

Status AttemptWriter::AddSteps(const std::vector<StepRecord>& steps) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(*database_));
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
  return transaction.Commit();
}

Status AttemptWriter::AddSide(const AttemptRow& row) {
  if (const auto& d = row.disturbance) {
    WEIR_RETURN_IF_ERROR(database_->Execute("INSERT INTO disturbance VALUES (?, ?, ?, ?, ?, ?, ?)", id_,
                                            d->steal_share, d->other_share, d->throttles,
                                            d->swap_pages, d->major_faults, d->frequency_share));
  }
  for (const EnergyRow& energy : row.energy) {
    WEIR_RETURN_IF_ERROR(database_->Execute("INSERT INTO energy VALUES (?, ?, ?, ?, ?, ?)", id_,
                                            energy.boundary, energy.source, energy.joules,
                                            energy.seconds, energy.idle_w));
  }
  if (const auto& o = row.objective) {
    WEIR_RETURN_IF_ERROR(database_->Execute("INSERT INTO objective VALUES (?, ?, ?, ?, ?, ?, ?, ?)", id_, o->objective,
                                            o->holds, o->n_requests, o->n_failed, o->n_good, o->goodput_per_s,
                                            o->goodput_tok_s));
  }
  WEIR_TRY(Statement add, database_->Prepare("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?)"));
  for (const SampleRow& sample : row.samples) {
    WEIR_RETURN_IF_ERROR(add.Execute(id_, sample.time_ns, sample.name, sample.value));
  }
  return {};
}

Status AttemptWriter::Finish(const AttemptRow& row) {
  WEIR_RETURN_IF_ERROR(Flush());
  WEIR_TRY(Transaction transaction, Transaction::Begin(*database_));
  WEIR_RETURN_IF_ERROR(database_->Execute(
      "UPDATE attempt SET status = ?, reason = ?, peak_memory_bytes = ?, logits_hash = ?, "
      "rates_after = ?, answers_hash = ?, rejected = ?, begin_ns = ?, end_ns = ?, block = ? WHERE id = ?",
      Name(row.status), NullIfEmpty(row.reason), row.peak_memory_bytes, row.logits_hash,
      row.rates_after, row.answers_hash, NullIfEmpty(row.rejected), row.begin_ns, row.end_ns,
      row.block, id_));
  WEIR_RETURN_IF_ERROR(AddSide(row));
  WEIR_RETURN_IF_ERROR(transaction.Commit());
  return database_->Checkpoint();
}

}  // namespace weir
