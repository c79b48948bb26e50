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
// - With n_checkpoints > 0 a sequence begins where the longest known beginning of its prompt ends (prefix_cache.h).
//   Checkpoints are made at the positions that a request names, on a grid, where another prompt in the queue
//   parts from one that is being computed (it waits for that, and lets others pass), and at the end of a
//   sequence. Nobody waits for their memory: the least recently used ones make room.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "engine/pages.h"
#include "engine/prefix_cache.h"
#include "engine/request.h"
#include "model/model.h"

namespace weir {

using SequenceId = int64_t;

struct SchedulerLimits {
  int max_sequences = 1;       // admitted at the same time
  int64_t n_pages = 1;         // shared by all
  int64_t prefill_tokens = 1;  // prompt tokens per step
  int n_checkpoints = 0;       // kept beside the sequences, each with a slot; 0: nothing is reused
  bool recurrent = true;       // whether the model has recurrent state: PrefixCache::any_length if not
  int64_t checkpoint_interval = 0;  // tokens of a prompt between checkpoints that nobody named; 0: none
};

/// A sequence's part of a step: tokens [position, position + n_tokens) of its prompt and answer.
struct PlannedSlice {
  SequenceId id = 0;
  int64_t position = 0;
  int64_t n_tokens = 0;
  int64_t n_cached = 0;            // tokens that the sequence did not need to compute
  int32_t slot = 0;  // in [0, max_sequences + n_checkpoints), the sequence's own while it is admitted
  std::span<const int32_t> pages;  // of all its positions
  bool decoding = false;           // a further token of an answer, not prompt tokens
  bool samples = false;            // the logits of the last position give a token
  std::span<const Snapshot> snapshots;
};

/// Pages or slots to be copied before the step, in their order.
struct PlannedCopy {
  int32_t from = 0, to = 0;
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerLimits& limits);

  static int64_t PagesFor(int64_t n_tokens);

  /// Queues a sequence. `prompt` stays valid until Finish. The caller has checked that it fits when alone:
  /// PagesFor(prompt and max_tokens) <= n_pages, a prompt, max_tokens >= 1, and a gate no larger than
  /// max_sequences. `checkpoints` are positions after which the state is kept, at most n_checkpoints of them;
  /// those outside the prompt mean nothing.
  void Add(SequenceId id, std::span<const int32_t> prompt, int64_t max_tokens,
           std::optional<Gate> gate, std::span<const int64_t> checkpoints = {});

  /// Admits whom it can and plans a step; empty if there is nothing to do before the next Add or
  /// Finish. Valid until the next call of any function.
  std::span<const PlannedSlice> Plan();
  /// What the planned step needs copied first.
  std::span<const PlannedCopy> page_copies() const { return page_copies_; }
  std::span<const PlannedCopy> slot_copies() const { return slot_copies_; }
  /// The planned step has been computed; those that sample got a token.
  void Commit();
  /// Ends a sequence, wherever it stands, after `answer` (those tokens at least whose positions were
  /// computed). Not between Plan and Commit.
  void Finish(SequenceId id, std::span<const int32_t> answer = {});

  int64_t n_queued() const { return static_cast<int64_t>(queue_.size()); }
  int64_t n_admitted() const { return static_cast<int64_t>(admitted_.size()); }
  int64_t n_checkpoints() const { return cache_.size(); }
  const PagePool& pages() const { return pages_; }

 private:
  enum class Phase { kPrefill, kAtGate, kDecode };
  struct Sequence {
    SequenceId id;
    std::span<const int32_t> prompt;
    int64_t n_pages;
    std::optional<Gate> gate;
    std::vector<int64_t> checkpoints;  // positions, rising
    Phase phase = Phase::kPrefill;
    bool counted = false;    // by its gate
    int64_t n_computed = 0;  // positions whose state and KV exist
    int64_t n_cached = 0;    // as it was admitted
    int32_t slot = -1;
    BlockTable pages{};
    std::vector<Snapshot> snapshots{};  // of the planned slice
    int64_t n_prompt() const { return static_cast<int64_t>(prompt.size()); }
  };
  struct GateState {
    int n_arrived = 0, n_ended = 0;
    bool open = false;
  };

  void Admit();
  bool AwaitsPrefix(const Sequence& sequence);
  bool Enter(Sequence& sequence);
  bool MakeRoom(const Sequence& sequence);
  void PlanSlices();
  void PlanSnapshots(Sequence& sequence, int64_t end);
  int32_t TakeSlot();
  bool DropOldest();
  void Keep(Checkpoint checkpoint);
  void Release(Checkpoint& checkpoint);
  void ArriveAtGate(Sequence& sequence);
  void OpenGate(int64_t id);
  void EndAtGate(Sequence& sequence);

  const SchedulerLimits limits_;
  PagePool pages_;
  std::vector<int32_t> free_slots_;  // of sequences and checkpoints
  PrefixCache cache_;
  std::deque<Sequence> queue_;
  std::deque<Sequence> admitted_;       // in the order of admission
  std::map<int64_t, GateState> gates_;  // until `size` members have ended
  std::vector<PlannedSlice> plan_;
  std::vector<Sequence*> planned_;  // [plan_.size()]
  std::vector<PlannedCopy> page_copies_, slot_copies_;
};

}  // namespace weir
