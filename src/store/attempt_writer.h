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

/// A request, when it is sent.
struct RequestRow {
  int user = 0;
  int round = 0;
  bool gated = false;
  int64_t scheduled_ns = 0;
  int64_t submitted_ns = 0;
  int64_t prompt_tokens = 0;
  int64_t max_tokens = 0;
};

enum class AttemptStatus { kOk, kFailed, kInterrupted };

/// What an attempt came to.
struct AttemptRow {
  AttemptStatus status = AttemptStatus::kInterrupted;
  std::string reason;
  std::optional<int64_t> peak_memory_bytes;
  std::optional<std::string> logits_hash;
  std::optional<int64_t> rates_after;  // id
};

/// One attempt, `interrupted` until Finish. Rows collect in a transaction that CommitIfDue and
/// Commit close; a writer that is dropped loses those that are not committed. The store must stay
/// where it is, and keeps its write lock while a transaction is open.
class AttemptWriter {
 public:
  /// Starts the attempt, committed at once.
  static Result<AttemptWriter> Begin(Database& database, int64_t cell, int repeat,
                                     std::optional<int64_t> rates_before);

  /// The request's id in the database.
  Result<int64_t> AddRequest(const RequestRow& request);
  Status AddToken(int64_t request, int64_t ordinal, int64_t time_ns);
  Status EndRequest(int64_t request, int64_t time_ns, FinishReason finish,
                    const std::string& error);
  Status AddSteps(const std::vector<StepRecord>& steps);

  /// Commits every half second of the caller's clock: to be called about as often as that.
  Status CommitIfDue(int64_t now_ns);
  Status Commit();
  Status Finish(const AttemptRow& row);

 private:
  AttemptWriter(Database& database, int64_t id, Statement add_request, Statement add_token,
                Statement end_request);
  Status Open();

  Database* database_;
  int64_t id_;
  Statement add_request_, add_token_, end_request_;
  std::optional<Transaction> transaction_;
  int64_t committed_ns_ = 0;
};

}  // namespace weir
