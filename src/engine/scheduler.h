// Which tokens of which sequences the next step computes: arithmetic on numbers, without tensors,
// threads, clocks or I/O.
//
// - A step has one row for every decoding sequence, then prompt tokens, at most prefill_tokens of
//   them, in the order of admission: a long prompt never holds up those who decode.
// - Sequences are admitted in the order of Add. The first in the queue waits until a slot is free
//   and pages for its whole prompt and answer; nobody overtakes it, so nobody starves. Because all
//   pages are taken at admission, an admitted sequence never runs out of them: there is no
//   preemption.
// - A sequence with a gate waits after its first token (see Gate in request.h).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "engine/pages.h"
#include "engine/request.h"

namespace weir {

using SequenceId = int64_t;

struct SchedulerLimits {
  int max_sequences = 1;       // admitted at the same time
  int64_t n_pages = 1;         // shared by all
  int64_t prefill_tokens = 1;  // prompt tokens per step
};

/// A sequence's part of a step: tokens [position, position + n_tokens) of its prompt and answer.
struct PlannedSlice {
  SequenceId id = 0;
  int64_t position = 0;
  int64_t n_tokens = 0;
  int32_t slot = 0;                // in [0, max_sequences), the sequence's own while it is admitted
  std::span<const int32_t> pages;  // of all its positions
  bool decoding = false;           // a further token of an answer, not prompt tokens
  bool samples = false;            // the logits of the last position give a token
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerLimits& limits);

  static int64_t PagesFor(int64_t n_tokens);

  /// Queues a sequence. The caller has checked that it fits when alone: PagesFor(n_prompt +
  /// max_tokens) <= n_pages, n_prompt >= 1, max_tokens >= 1, and a gate no larger than
  /// max_sequences.
  void Add(SequenceId id, int64_t n_prompt, int64_t max_tokens, std::optional<Gate> gate);

  /// Admits whom it can and plans a step; empty if there is nothing to do before the next Add or
  /// Finish. Valid until the next call of any function.
  std::span<const PlannedSlice> Plan();
  /// The planned step has been computed; those that sample got a token.
  void Commit();
  /// Ends a sequence, wherever it stands. Not between Plan and Commit.
  void Finish(SequenceId id);

  int64_t n_queued() const { return static_cast<int64_t>(queue_.size()); }
  int64_t n_admitted() const { return static_cast<int64_t>(admitted_.size()); }
  const PagePool& pages() const { return pages_; }

 private:
  enum class Phase { kPrefill, kAtGate, kDecode };
  struct Sequence {
    SequenceId id;
    int64_t n_prompt;
    int64_t n_pages;
    std::optional<Gate> gate;
    Phase phase = Phase::kPrefill;
    bool counted = false;    // by its gate
    int64_t n_computed = 0;  // positions whose state and KV exist
    int32_t slot = -1;
    BlockTable pages{};
  };
  struct GateState {
    int n_arrived = 0, n_ended = 0;
    bool open = false;
  };

  void Admit();
  void PlanSlices();
  void ArriveAtGate(Sequence& sequence);
  void OpenGate(int64_t id);
  void EndAtGate(Sequence& sequence);

  int64_t prefill_tokens_;
  PagePool pages_;
  std::vector<int32_t> free_slots_;
  std::deque<Sequence> queue_;
  std::deque<Sequence> admitted_;       // in the order of admission
  std::map<int64_t, GateState> gates_;  // until `size` members have ended
  std::vector<PlannedSlice> plan_;
  std::vector<Sequence*> planned_;  // [plan_.size()]
};

}  // namespace weir
