// Writes what happens during an attempt while it happens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "store/database.h"

namespace weir {

/// Who counted the tokens of an answer.
enum class CountedBy {
  kEngine,     // each token is an event of its own
  kUsage,      // the server, in the answer's `usage`
  kTokenizer,  // weir, with a tokenizer that the user named
  kChunks,     // nobody: pieces of text as they arrived, at least one token each
};
std::string_view Name(CountedBy counted_by);

/// A request and what came of it. Stamps are those of one monotonic clock; what the target does not show, or what
/// did not happen, is absent.
struct RequestRow {
  int user = 0;
  int round = 0;
  bool gated = false;
  int64_t scheduled_ns = 0;
  int64_t submitted_ns = 0;
  int64_t prompt_tokens = 0;
  int64_t max_tokens = 0;
  bool warm_up = false;  // in no figure
  std::optional<int64_t> sent_ns = {}, headers_ns = {}, first_chunk_ns = {};
  std::optional<int64_t> first_reasoning_ns = {}, first_content_ns = {};
  std::optional<int64_t> ended_ns = {};  // absent: it was still running when the attempt ended
  std::optional<int64_t> cached_tokens = {};
  std::optional<int64_t> answer_tokens = {};   // absent: as many as there are times
  CountedBy counted_by = CountedBy::kEngine;
  std::vector<int64_t> token_ns = {};  // of each token
  std::optional<FinishReason> finish = {};
  std::string error = {};
};

enum class AttemptStatus { kOk, kFailed, kInterrupted };

/// What others did to the machine during an attempt; absent where the system does not say.
struct DisturbanceRow {
  std::optional<double> steal_share, other_share;  // of the processors' time
  std::optional<int64_t> throttles, swap_pages, major_faults;
  std::optional<double> frequency_share;  // least / greatest
};

struct EnergyRow {
  std::string boundary, source;
  double joules = 0, seconds = 0;
  std::optional<double> idle_w;
};

/// One reading during an attempt.
struct SampleRow {
  int64_t time_ns = 0;
  std::string name;
  double value = 0;
};

/// Whether an attempt held an objective (view `figure_value`: goodput).
struct ObjectiveRow {
  std::string objective;
  bool holds = false;
  int64_t n_requests = 0, n_failed = 0, n_good = 0;
  double goodput_per_s = 0, goodput_tok_s = 0;
};

/// What an attempt came to.
struct AttemptRow {
  AttemptStatus status = AttemptStatus::kInterrupted;
  std::string reason;
  std::optional<int64_t> peak_memory_bytes;
  std::optional<std::string> logits_hash;
  std::optional<int64_t> rates_after;  // id
  std::optional<std::string> answers_hash = {};
  std::string rejected = {};  // why it is in no figure although it is whole
  std::optional<int64_t> begin_ns = {}, end_ns = {}, block = {};
  std::optional<DisturbanceRow> disturbance = {};
  std::vector<EnergyRow> energy = {};
  std::vector<SampleRow> samples = {};
  std::optional<ObjectiveRow> objective = {};
};

/// One attempt, `interrupted` until Finish. Requests are kept in memory until Flush writes them in one short
/// transaction: nobody else waits for the database while a target works. The store must stay where it is.
class AttemptWriter {
 public:
  /// Starts the attempt, committed at once.
  static Result<AttemptWriter> Begin(Database& database, int64_t cell, int repeat,
                                     std::optional<int64_t> rates_before);

  /// A request that has ended, or that will not be waited for any longer.
  void AddRequest(RequestRow request) { pending_.push_back(std::move(request)); }
  bool HasPending() const { return !pending_.empty(); }
  /// Commits the requests that were added: to be called as soon as there is nothing else to do.
  Status Flush();
  Status AddSteps(const std::vector<StepRecord>& steps);
  Status Finish(const AttemptRow& row);
  int64_t id() const { return id_; }

 private:
  AttemptWriter(Database& database, int64_t id, Statement add_request);
  Status AddSide(const AttemptRow& row);

  Database* database_;
  int64_t id_;
  Statement add_request_;
  std::vector<RequestRow> pending_;
};

}  // namespace weir
