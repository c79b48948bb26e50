#include "engine/scheduler.h"

#include <algorithm>

#include "kernels/kernel_table.h"
#include "util/error.h"

namespace weir {
namespace {

// What a prompt waits for rather than computing it beside somebody who does just that: a page, the work of a
// step or less.
constexpr int64_t kWorthWaiting = kPageTokens;

/// The positions in the prompt that a request names or that lie on the grid: the last `max` of them, rising.
std::vector<int64_t> Checkpoints(std::span<const int64_t> named, int64_t interval, int64_t n_prompt,
                                 int max) {
  if (max == 0) return {};
  std::vector<int64_t> positions;
  for (int64_t position : named) {
    if (position >= 1 && position <= n_prompt) positions.push_back(position);
  }
  if (interval > 0) {
    for (int64_t at = interval; at <= n_prompt; at += interval) positions.push_back(at);
  }
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  const auto too_many = std::max<int64_t>(static_cast<int64_t>(positions.size()) - max, 0);
  positions.erase(positions.begin(), positions.begin() + too_many);
  return positions;
}

}  // namespace

Scheduler::Scheduler(const SchedulerLimits& limits)
    : limits_(limits), pages_(limits.n_pages), cache_(!limits.recurrent) {
  WEIR_CHECK(limits.max_sequences >= 1 && limits.prefill_tokens >= 1 && limits.n_checkpoints >= 0);
  const int n_slots = limits.max_sequences + limits.n_checkpoints;
  for (int slot = n_slots - 1; slot >= 0; --slot) free_slots_.push_back(slot);
  plan_.reserve(limits.max_sequences);
  planned_.reserve(limits.max_sequences);
}

int64_t Scheduler::PagesFor(int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

void Scheduler::Add(SequenceId id, std::span<const int32_t> prompt, int64_t max_tokens,
                    std::optional<Gate> gate, std::span<const int64_t> checkpoints) {
  const int64_t n_prompt = static_cast<int64_t>(prompt.size());
  const int64_t n_pages = PagesFor(n_prompt + max_tokens);
  WEIR_CHECK(n_prompt >= 1 && max_tokens >= 1 && n_pages <= pages_.n_pages());
  queue_.push_back({.id = id,
                    .prompt = prompt,
                    .n_pages = n_pages,
                    .gate = gate,
                    .checkpoints = Checkpoints(checkpoints, limits_.checkpoint_interval, n_prompt,
                                               limits_.n_checkpoints)});
}

void Scheduler::Admit() {
  for (auto next = queue_.begin(); next != queue_.end() && n_admitted() < limits_.max_sequences;) {
    if (AwaitsPrefix(*next)) {
      ++next;
      continue;
    }
    if (!Enter(*next)) return;
    admitted_.push_back(std::move(*next));
    next = queue_.erase(next);
  }
}

/// Whether somebody is computing much of this prompt, as far as nobody has before. There will be a checkpoint
/// where the two part.
bool Scheduler::AwaitsPrefix(const Sequence& sequence) {
  if (limits_.n_checkpoints == 0) return false;
  const int64_t n_known = cache_.Find(sequence.prompt).n_tokens;
  for (Sequence& other : admitted_) {
    if (other.n_computed >= other.n_prompt()) continue;
    const int64_t n_common =
        std::min(CommonPrefix(other.prompt, sequence.prompt), sequence.n_prompt() - 1);
    if (n_common <= other.n_computed || n_common - n_known < kWorthWaiting) continue;
    const auto at = std::lower_bound(other.checkpoints.begin(), other.checkpoints.end(), n_common);
    if (at == other.checkpoints.end() || *at != n_common) other.checkpoints.insert(at, n_common);
    return true;
  }
  return false;
}

/// Gives a sequence its pages and slot, if there are enough, and what is known of its prompt.
bool Scheduler::Enter(Sequence& sequence) {
  const PrefixCache::Match match =
      limits_.n_checkpoints > 0 ? cache_.Find(sequence.prompt) : PrefixCache::Match();
  const int64_t n_shared = match.n_tokens / kPageTokens;  // whole pages; of the next one, a copy
  const bool in_page = match.n_tokens % kPageTokens > 0;
  const int32_t from_page = in_page ? match.checkpoint->pages[n_shared] : -1;
  const int32_t from_slot = match.checkpoint ? match.checkpoint->slot : -1;
  if (match.checkpoint) {
    pages_.Share(std::span(match.checkpoint->pages).first(n_shared), sequence.pages);
  }
  if (!MakeRoom(sequence)) {
    pages_.Return(sequence.pages);
    return false;
  }
  // The checkpoint may be gone by now. Copies are made before anything is computed, in this order, so what
  // they read is still there.
  pages_.Take(sequence.n_pages - n_shared, sequence.pages);
  sequence.slot = TakeSlot();
  WEIR_CHECK(sequence.slot >= 0);
  if (in_page) page_copies_.push_back({from_page, sequence.pages[n_shared]});
  if (from_slot >= 0) slot_copies_.push_back({from_slot, sequence.slot});
  sequence.n_computed = sequence.n_cached = match.n_tokens;
  return true;
}

/// Drops checkpoints until a sequence can have the pages that it lacks; none if that is not enough.
bool Scheduler::MakeRoom(const Sequence& sequence) {
  const int64_t n_lacking = sequence.n_pages - static_cast<int64_t>(sequence.pages.size());
  if (pages_.n_free() >= n_lacking) return true;
  std::vector<bool> held(pages_.n_pages());
  const auto mark = [&held](const BlockTable& table) {
    for (int32_t page : table) held[page] = true;
  };
  mark(sequence.pages);
  for (const Sequence& other : admitted_) mark(other.pages);
  if (std::count(held.begin(), held.end(), false) < n_lacking) return false;
  while (pages_.n_free() < n_lacking) DropOldest();
  return true;
}

std::span<const PlannedSlice> Scheduler::Plan() {
  page_copies_.clear();
  slot_copies_.clear();
  Admit();
  PlanSlices();
  if (plan_.empty() && !queue_.empty()) {
    // All who are admitted wait at gates, and the queue waits for what they hold.
    WEIR_CHECK(!admitted_.empty());
    OpenGate(admitted_.front().gate->id);
    PlanSlices();
  }
  return plan_;
}

void Scheduler::PlanSlices() {
  plan_.clear();
  planned_.clear();
  const auto add = [this](Sequence& sequence, int64_t n_tokens) {
    const bool decoding = sequence.phase == Phase::kDecode;
    const int64_t end = sequence.n_computed + n_tokens;
    PlanSnapshots(sequence, end);
    plan_.push_back({.id = sequence.id,
                     .position = sequence.n_computed,
                     .n_tokens = n_tokens,
                     .n_cached = sequence.n_cached,
                     .slot = sequence.slot,
                     .pages = sequence.pages,
                     .decoding = decoding,
                     .samples = end >= sequence.n_prompt(),
                     .snapshots = sequence.snapshots});
    planned_.push_back(&sequence);
  };
  for (Sequence& sequence : admitted_) {
    if (sequence.phase == Phase::kDecode) add(sequence, 1);
  }
  int64_t budget = limits_.prefill_tokens;
  for (Sequence& sequence : admitted_) {
    if (budget == 0) return;
    if (sequence.phase != Phase::kPrefill) continue;
    const int64_t n_tokens = std::min(budget, sequence.n_prompt() - sequence.n_computed);
    add(sequence, n_tokens);
    budget -= n_tokens;
  }
}

/// The checkpoints that the next slice, up to `end`, passes; without those for which there is no slot.
void Scheduler::PlanSnapshots(Sequence& sequence, int64_t end) {
  sequence.snapshots.clear();
  for (int64_t position : sequence.checkpoints) {
    if (position <= sequence.n_computed || position > end) continue;
    const int32_t slot = TakeSlot();
    if (slot < 0) return;
    sequence.snapshots.push_back({position - sequence.n_computed, slot});
  }
}

/// A free slot, if need be that of a checkpoint; -1 if there is none.
int32_t Scheduler::TakeSlot() {
  if (free_slots_.empty() && !DropOldest()) return -1;
  const int32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

bool Scheduler::DropOldest() {
  std::optional<Checkpoint> oldest = cache_.DropOldest();
  if (oldest) Release(*oldest);
  return oldest.has_value();
}

void Scheduler::Keep(Checkpoint checkpoint) {
  for (Checkpoint& dropped : cache_.Keep(std::move(checkpoint))) Release(dropped);
}

void Scheduler::Release(Checkpoint& checkpoint) {
  pages_.Return(checkpoint.pages);
  free_slots_.push_back(checkpoint.slot);
}

void Scheduler::Commit() {
  for (size_t i = 0; i < plan_.size(); ++i) {
    Sequence& sequence = *planned_[i];
    for (const Snapshot& snapshot : sequence.snapshots) {
      const int64_t n_tokens = sequence.n_computed + snapshot.n_tokens;
      const std::span<const int32_t> tokens = sequence.prompt.first(n_tokens);
      Checkpoint checkpoint{{tokens.begin(), tokens.end()}, {}, snapshot.slot};
      pages_.Share(std::span(sequence.pages).first(PagesFor(n_tokens)), checkpoint.pages);
      Keep(std::move(checkpoint));
    }
    sequence.n_computed += plan_[i].n_tokens;
    if (plan_[i].decoding || !plan_[i].samples) continue;
    sequence.phase = sequence.gate ? Phase::kAtGate : Phase::kDecode;
    ArriveAtGate(sequence);
  }
}

void Scheduler::Finish(SequenceId id, std::span<const int32_t> answer) {
  const auto is_it = [id](const Sequence& sequence) { return sequence.id == id; };
  if (auto at = std::find_if(queue_.begin(), queue_.end(), is_it); at != queue_.end()) {
    EndAtGate(*at);
    queue_.erase(at);
    return;
  }
  auto at = std::find_if(admitted_.begin(), admitted_.end(), is_it);
  WEIR_CHECK(at != admitted_.end());
  EndAtGate(*at);
  // Its pages and slot become the checkpoint's as they are.
  Checkpoint checkpoint{{}, std::move(at->pages), at->slot};
  const int64_t n_of_prompt = std::min(at->n_computed, at->n_prompt());
  if (limits_.n_checkpoints > 0 && n_of_prompt > 0) {
    const auto generated = answer.first(at->n_computed - n_of_prompt);
    checkpoint.tokens.assign(at->prompt.begin(), at->prompt.begin() + n_of_prompt);
    checkpoint.tokens.insert(checkpoint.tokens.end(), generated.begin(), generated.end());
    BlockTable unused(checkpoint.pages.begin() + PagesFor(at->n_computed), checkpoint.pages.end());
    checkpoint.pages.resize(PagesFor(at->n_computed));
    pages_.Return(unused);
    Keep(std::move(checkpoint));
  } else {
    Release(checkpoint);
  }
  admitted_.erase(at);
}

void Scheduler::ArriveAtGate(Sequence& sequence) {
  if (!sequence.gate || sequence.counted) return;
  sequence.counted = true;
  GateState& gate = gates_[sequence.gate->id];
  ++gate.n_arrived;
  if (gate.open || gate.n_arrived >= sequence.gate->size) OpenGate(sequence.gate->id);
}

void Scheduler::OpenGate(int64_t id) {
  gates_[id].open = true;
  for (Sequence& sequence : admitted_) {
    if (sequence.phase == Phase::kAtGate && sequence.gate->id == id) {
      sequence.phase = Phase::kDecode;
    }
  }
}

void Scheduler::EndAtGate(Sequence& sequence) {
  if (!sequence.gate) return;
  ArriveAtGate(sequence);
  GateState& gate = gates_[sequence.gate->id];
  if (++gate.n_ended >= sequence.gate->size) gates_.erase(sequence.gate->id);
}

}  // namespace weir
