// Which tokens of which sequences the next step computes: arithmetic on numbers, without tensors,
// threads, clocks or I/O.
//
// - Sequences rank by their priority, then by their users' turns (start-time fair queueing, each sequence the same
//   work), then by the order of Add. A user's next sequence has its turn a turn after the one before, or now if that
//   is later, so who asks for much at once does not keep out who asks for little. They are admitted in that order:
//   the first in the queue waits until a place and pages for all its tokens are free, and nobody overtakes it but
//   those who come later and rank higher: of equal priority at most kTurn for each turn that it waits for.
// - A step has one row for every decoding sequence, then prompt tokens within a budget. A quarter of that is for
//   the first by rank; the rest goes to those with the least left to compute, so that a short prompt does not
//   wait for a long one, and a long one does not wait for ever.
// - A decoding sequence takes a page when it reaches it. Where none is left, checkpoints make room, and then the
//   last by rank is preempted: it queues again with the tokens that it has, and computes again what nobody
//   remembers. The first by rank always advances, so everybody's turn comes.
// - A sequence with a gate waits after its first token (see Gate in request.h). It has all its pages from the
//   beginning and is not preempted: those who measure together are not to be disturbed.
// - With n_checkpoints > 0 a sequence begins where the longest known beginning of its tokens ends
//   (prefix_cache.h). Checkpoints are made at the positions that a request names, on a grid, where another
//   sequence in the queue parts from one that is being computed (it waits for that, and lets others pass), and
//   at the end of a sequence. Nobody waits for their memory: the least recently used ones make room, for
//   sequences and, within cache_bytes, for each other.
#pragma once

#include <cstdint>
#include <list>
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
  int max_sequences = 1;            // admitted at the same time
  int64_t n_pages = 1;              // shared by all
  int n_checkpoints = 0;            // kept beside the sequences, each with a slot; 0: nothing is reused
  bool recurrent = true;            // whether the model has recurrent state: PrefixCache::any_length if not
  int64_t checkpoint_interval = 0;  // tokens of a prompt between checkpoints that nobody named; 0: none
  // The budget of all checkpoints: their slots, and the pages that no sequence has.
  int64_t cache_bytes = INT64_MAX;
  int64_t slot_bytes = 0, page_bytes = 0;
};

/// What a sequence asks for. The caller has checked that it fits when alone: a prompt, max_tokens >= 1,
/// PagesFor(both together) <= n_pages, and a gate no larger than max_sequences.
struct Arrival {
  std::span<const int32_t> prompt;
  int64_t max_tokens = 1;
  std::optional<Gate> gate = {};
  // Positions after which the state is kept, at most n_checkpoints; those outside the prompt mean nothing.
  std::span<const int64_t> checkpoints = {};
  int priority = 0;  // the higher, the earlier
  int64_t user = -1;  // whose turns it takes; -1: of somebody who asks for nothing else
};

/// A sequence's part of a step.
struct PlannedSlice {
  SequenceId id = 0;
  std::span<const int32_t> tokens;  // of its prompt and answer, from
  int64_t position = 0;
  int64_t n_cached = 0;            // tokens of the prompt that needed no computing
  int32_t slot = 0;                // in [0, max_sequences + n_checkpoints), its own while it is admitted
  std::span<const int32_t> pages;  // of all its positions so far, at least
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

  /// Queues a sequence, with an id larger than all before.
  void Add(SequenceId id, const Arrival& arrival);

  /// Admits whom it can and plans a step of at most prefill_tokens (at least 1) that are not decoded; empty if
  /// there is nothing to do before the next Add or Finish. Valid until the next call of any function.
  std::span<const PlannedSlice> Plan(int64_t prefill_tokens);
  /// What the planned step needs copied first.
  std::span<const PlannedCopy> page_copies() const { return page_copies_; }
  std::span<const PlannedCopy> slot_copies() const { return slot_copies_; }
  /// The planned step has been computed; those that sample got these tokens, in the order of the plan.
  void Commit(std::span<const int32_t> sampled);
  /// Ends a sequence, wherever it stands. Not between Plan and Commit.
  void Finish(SequenceId id);

  int64_t n_queued() const { return static_cast<int64_t>(queue_.size()); }
  int64_t n_admitted() const { return static_cast<int64_t>(admitted_.size()); }
  std::vector<SequenceId> AdmittedIds() const;  // by rank
  int64_t n_decoding() const;  // those that the next plan gives a further token, if memory suffices
  int64_t n_checkpoints() const { return cache_.size(); }
  /// What checkpoints hold: at most SchedulerLimits::cache_bytes whenever no function runs.
  int64_t CacheBytes() const {
    return cache_.size() * limits_.slot_bytes + pages_.n_kept() * limits_.page_bytes;
  }
  // Since the beginning.
  int64_t n_preempted() const { return n_preempted_; }
  int64_t n_cached_tokens() const { return n_cached_tokens_; }  // of prompts, when they were first admitted
  const PagePool& pages() const { return pages_; }

 private:
  struct Sequence {
    SequenceId id;
    int priority;
    int64_t turn;
    std::vector<int32_t> tokens;  // the prompt and what was sampled
    int64_t n_prompt, max_tokens;
    std::optional<Gate> gate;
    std::vector<int64_t> checkpoints;  // positions in the prompt, rising
    bool at_gate = false;              // has its first token, and waits
    bool counted = false;              // by its gate
    int64_t n_computed = 0;            // positions whose state and KV exist
    int64_t n_cached = 0;              // when it was first admitted; -1 before
    int32_t slot = -1;
    BlockTable pages{};
    std::vector<Snapshot> snapshots{};  // of the planned slice

    int64_t n_left() const { return static_cast<int64_t>(tokens.size()) - n_computed; }
    bool decodes() const {
      return n_left() == 1 && static_cast<int64_t>(tokens.size()) > n_prompt;
    }
    /// The pages that it is admitted with, and those that it may come to need.
    int64_t n_pages() const;
    int64_t n_pages_at_most() const;
  };
  struct GateState {
    int n_arrived = 0, n_ended = 0;
    bool open = false;
  };

  // Turns are counted in such parts: one passes with each arrival, so that nobody waits for ever.
  static constexpr int64_t kTurn = 256;

  static bool Before(const Sequence& a, const Sequence& b);
  int64_t TakeTurn(int64_t user);
  void Admit();
  bool AwaitsPrefix(const Sequence& sequence);
  bool Enter(Sequence& sequence);
  bool MakeRoom(const Sequence& sequence, int64_t n_pages, int64_t n_spare);

  void PlanSlices(int64_t prefill_tokens);
  void PlanDecoding();
  void PlanPrefill(int64_t budget);
  void PlanSlice(Sequence& sequence, int64_t n_tokens);
  void PlanSnapshots(Sequence& sequence, int64_t end);
  bool GrowOrPreempt(Sequence& sequence);
  void Preempt(Sequence& sequence);

  int32_t TakeSlot();
  bool DropOldest();
  void Keep(Checkpoint checkpoint);
  bool TrimCache(int64_t n_more_bytes);
  void Release(Checkpoint& checkpoint);
  void Leave(Sequence& sequence);

  void ArriveAtGate(Sequence& sequence);
  void OpenGate(int64_t id);
  void EndAtGate(Sequence& sequence);

  const SchedulerLimits limits_;
  PagePool pages_;
  std::vector<int32_t> free_slots_;  // of sequences and checkpoints
  PrefixCache cache_;
  std::list<Sequence> queue_, admitted_;  // by rank
  int64_t turn_ = 0;                      // now
  std::map<int64_t, int64_t> last_turns_;  // of users who cannot have the next one now
  std::map<int64_t, GateState> gates_;    // until `size` members have ended
  int64_t n_preempted_ = 0, n_cached_tokens_ = 0;

  std::vector<PlannedSlice> plan_;
  std::vector<Sequence*> planned_;  // [plan_.size()]
  std::vector<PlannedCopy> page_copies_, slot_copies_;
  int64_t n_planned_snapshots_ = 0;
};

}  // namespace weir
