#include "engine/scheduler.h"

#include <algorithm>
#include <tuple>

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
  WEIR_CHECK(limits.max_sequences >= 1 && limits.n_checkpoints >= 0);
  const int n_slots = limits.max_sequences + limits.n_checkpoints;
  for (int slot = n_slots - 1; slot >= 0; --slot) free_slots_.push_back(slot);
  plan_.reserve(limits.max_sequences);
  planned_.reserve(limits.max_sequences);
}

int64_t Scheduler::PagesFor(int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

int64_t Scheduler::Sequence::n_pages() const {
  return gate ? n_pages_at_most() : PagesFor(static_cast<int64_t>(tokens.size()));
}

int64_t Scheduler::Sequence::n_pages_at_most() const { return PagesFor(n_prompt + max_tokens); }

std::vector<SequenceId> Scheduler::AdmittedIds() const {
  std::vector<SequenceId> ids;
  for (const Sequence& sequence : admitted_) ids.push_back(sequence.id);
  return ids;
}

int64_t Scheduler::n_decoding() const {
  return std::count_if(admitted_.begin(), admitted_.end(), [](const Sequence& sequence) {
    return sequence.decodes() && !sequence.at_gate;
  });
}

// --- Admission.

bool Scheduler::Before(const Sequence& a, const Sequence& b) {
  return std::tuple(-int64_t{a.priority}, a.turn, a.id) < std::tuple(-int64_t{b.priority}, b.turn, b.id);
}

int64_t Scheduler::TakeTurn(int64_t user) {
  ++turn_;
  std::erase_if(last_turns_, [this](const auto& last) { return last.second + kTurn <= turn_; });
  if (user < 0) return turn_;
  const auto [last, is_new] = last_turns_.try_emplace(user, turn_);
  if (!is_new) last->second += kTurn;
  return last->second;
}

void Scheduler::Add(SequenceId id, const Arrival& arrival) {
  const int64_t n_prompt = static_cast<int64_t>(arrival.prompt.size());
  WEIR_CHECK(n_prompt >= 1 && arrival.max_tokens >= 1 &&
             PagesFor(n_prompt + arrival.max_tokens) <= pages_.n_pages());
  Sequence sequence{.id = id,
                    .priority = arrival.priority,
                    .turn = TakeTurn(arrival.user),
                    .tokens = {arrival.prompt.begin(), arrival.prompt.end()},
                    .n_prompt = n_prompt,
                    .max_tokens = arrival.max_tokens,
                    .gate = arrival.gate,
                    .checkpoints = Checkpoints(arrival.checkpoints, limits_.checkpoint_interval,
                                               n_prompt, limits_.n_checkpoints),
                    .n_cached = -1};
  const auto at = std::upper_bound(queue_.begin(), queue_.end(), sequence, Before);
  queue_.insert(at, std::move(sequence));
}

void Scheduler::Admit() {
  for (auto next = queue_.begin(); next != queue_.end() && n_admitted() < limits_.max_sequences;) {
    const auto candidate = next++;
    if (AwaitsPrefix(*candidate)) continue;
    if (!Enter(*candidate)) return;
    turn_ = std::max(turn_, candidate->turn);
    const auto at = std::upper_bound(admitted_.begin(), admitted_.end(), *candidate, Before);
    admitted_.splice(at, queue_, candidate);
  }
}

/// Whether somebody is computing much of what this sequence needs, as far as nobody has before. There will be a
/// checkpoint where the two part.
bool Scheduler::AwaitsPrefix(const Sequence& sequence) {
  if (limits_.n_checkpoints == 0) return false;
  const int64_t n_known = cache_.Find(sequence.tokens).n_tokens;
  for (Sequence& other : admitted_) {
    if (other.decodes()) continue;
    const int64_t n_common = std::min(CommonPrefix(other.tokens, sequence.tokens), sequence.n_left() - 1);
    if (n_common <= other.n_computed || n_common - n_known < kWorthWaiting) continue;
    const auto at = std::lower_bound(other.checkpoints.begin(), other.checkpoints.end(), n_common);
    if (at == other.checkpoints.end() || *at != n_common) other.checkpoints.insert(at, n_common);
    return true;
  }
  return false;
}

/// Gives a sequence its pages and slot, if there are enough, and what is known of its tokens.
bool Scheduler::Enter(Sequence& sequence) {
  const PrefixCache::Match match =
      limits_.n_checkpoints > 0 ? cache_.Find(sequence.tokens) : PrefixCache::Match();
  const int64_t n_shared = match.n_tokens / kPageTokens;  // whole pages; of the next one, a copy
  const bool in_page = match.n_tokens % kPageTokens > 0;
  const int32_t from_page = in_page ? match.checkpoint->pages[n_shared] : -1;
  const int32_t from_slot = match.checkpoint ? match.checkpoint->slot : -1;
  if (match.checkpoint) {
    pages_.Share(std::span(match.checkpoint->pages).first(n_shared), sequence.pages);
  }
  // Those who are there may need their next page soon.
  const int64_t n_lacking = sequence.n_pages() - n_shared;
  const int64_t n_spare =
      std::count_if(admitted_.begin(), admitted_.end(), [](const Sequence& other) {
        return static_cast<int64_t>(other.pages.size()) < other.n_pages_at_most();
      });
  if (!MakeRoom(sequence, n_lacking, n_spare)) {
    pages_.Return(sequence.pages);
    return false;
  }
  // The checkpoint may be gone by now. Copies are made before anything is computed, in this order, so what
  // they read is still there.
  pages_.Take(n_lacking, sequence.pages);
  sequence.slot = TakeSlot();
  WEIR_CHECK(sequence.slot >= 0);
  if (in_page) page_copies_.push_back({from_page, sequence.pages[n_shared]});
  if (from_slot >= 0) slot_copies_.push_back({from_slot, sequence.slot});
  sequence.n_computed = match.n_tokens;
  if (sequence.n_cached < 0) {
    sequence.n_cached = match.n_tokens;
    n_cached_tokens_ += match.n_tokens;
  }
  return true;
}

/// Drops checkpoints until n_pages are free for a sequence, if that leaves n_spare that nobody admitted holds;
/// else none.
bool Scheduler::MakeRoom(const Sequence& sequence, int64_t n_pages, int64_t n_spare) {
  if (pages_.n_free() >= n_pages + n_spare) return true;
  std::vector<bool> held(pages_.n_pages());
  const auto mark = [&held](const BlockTable& table) {
    for (int32_t page : table) held[page] = true;
  };
  mark(sequence.pages);
  for (const Sequence& other : admitted_) mark(other.pages);
  if (std::count(held.begin(), held.end(), false) < n_pages + n_spare) return false;
  while (pages_.n_free() < n_pages) DropOldest();
  return true;
}

// --- The step.

std::span<const PlannedSlice> Scheduler::Plan(int64_t prefill_tokens) {
  WEIR_CHECK(prefill_tokens >= 1);
  page_copies_.clear();
  slot_copies_.clear();
  Admit();
  PlanSlices(prefill_tokens);
  if (plan_.empty() && !queue_.empty()) {
    // All who are admitted wait at gates, and the queue waits for what they hold.
    WEIR_CHECK(!admitted_.empty());
    OpenGate(admitted_.front().gate->id);
    PlanSlices(prefill_tokens);
  }
  return plan_;
}

void Scheduler::PlanSlices(int64_t prefill_tokens) {
  n_planned_snapshots_ = 0;
  plan_.clear();
  planned_.clear();
  PlanDecoding();
  PlanPrefill(prefill_tokens);
}

void Scheduler::PlanDecoding() {
  for (auto next = admitted_.begin(); next != admitted_.end();) {
    Sequence& sequence = *next;
    if (!sequence.decodes() || sequence.at_gate) {
      ++next;
    } else if (GrowOrPreempt(sequence)) {
      PlanSlice(sequence, 1);
      ++next;
    } else {  // now in the queue, and whoever of those after it could be preempted, too
      next = std::upper_bound(admitted_.begin(), admitted_.end(), sequence, Before);
    }
  }
}

/// Gives a decoding sequence the page of its next position, at the cost of the last by rank. False if that was
/// itself.
bool Scheduler::GrowOrPreempt(Sequence& sequence) {
  const int64_t n_lacking = std::max<int64_t>(
      sequence.n_pages() - static_cast<int64_t>(sequence.pages.size()), 0);
  while (!MakeRoom(sequence, n_lacking, 0)) {
    const auto victim = std::find_if(admitted_.rbegin(), admitted_.rend(), [&](const Sequence& last) {
      return !last.gate || &last == &sequence;
    });
    const bool is_itself = &*victim == &sequence;
    Preempt(*victim);
    if (is_itself) return false;
  }
  pages_.Take(n_lacking, sequence.pages);
  return true;
}

void Scheduler::Preempt(Sequence& sequence) {
  Leave(sequence);
  sequence.n_computed = 0;
  ++n_preempted_;
  const auto is_it = [&sequence](const Sequence& other) { return &other == &sequence; };
  const auto at = std::upper_bound(queue_.begin(), queue_.end(), sequence, Before);
  queue_.splice(at, admitted_, std::find_if(admitted_.begin(), admitted_.end(), is_it));
}

void Scheduler::PlanPrefill(int64_t budget) {
  struct Grant {
    Sequence* sequence;
    int64_t n_left;
    size_t rank;
    int64_t n_tokens = 0;
  };
  std::vector<Grant> grants;
  for (Sequence& sequence : admitted_) {
    if (!sequence.decodes()) grants.push_back({&sequence, sequence.n_left(), grants.size()});
  }
  if (grants.empty()) return;
  const auto give = [&budget](Grant& grant, int64_t most) {
    const int64_t n = std::min({most, budget, grant.n_left - grant.n_tokens});
    grant.n_tokens += n;
    budget -= n;
  };
  give(grants.front(), (budget + 3) / 4);
  std::sort(grants.begin(), grants.end(), [](const Grant& a, const Grant& b) {
    return std::pair(a.n_left, a.rank) < std::pair(b.n_left, b.rank);
  });
  for (Grant& grant : grants) give(grant, budget);
  for (const Grant& grant : grants) {
    if (grant.n_tokens > 0) PlanSlice(*grant.sequence, grant.n_tokens);
  }
}

void Scheduler::PlanSlice(Sequence& sequence, int64_t n_tokens) {
  const int64_t end = sequence.n_computed + n_tokens;
  PlanSnapshots(sequence, end);
  plan_.push_back({.id = sequence.id,
                   .tokens = std::span(sequence.tokens).subspan(sequence.n_computed, n_tokens),
                   .position = sequence.n_computed,
                   .n_cached = sequence.n_cached,
                   .slot = sequence.slot,
                   .pages = sequence.pages,
                   .decoding = sequence.decodes(),
                   .samples = n_tokens == sequence.n_left(),
                   .snapshots = sequence.snapshots});
  planned_.push_back(&sequence);
}

/// The checkpoints that the next slice, up to `end`, passes; without those for which there is no slot.
void Scheduler::PlanSnapshots(Sequence& sequence, int64_t end) {
  sequence.snapshots.clear();
  if (limits_.n_checkpoints == 0) return;
  for (int64_t position : sequence.checkpoints) {
    if (position <= sequence.n_computed || position > end) continue;
    // Those of this step that are not kept yet count, too.
    if (!TrimCache((n_planned_snapshots_ + 1) * limits_.slot_bytes)) return;
    const int32_t slot = TakeSlot();
    if (slot < 0) return;
    sequence.snapshots.push_back({position - sequence.n_computed, slot});
    ++n_planned_snapshots_;
  }
}

void Scheduler::Commit(std::span<const int32_t> sampled) {
  n_planned_snapshots_ = 0;
  auto token = sampled.begin();
  for (size_t i = 0; i < plan_.size(); ++i) {
    Sequence& sequence = *planned_[i];
    for (const Snapshot& snapshot : sequence.snapshots) {
      const int64_t n_tokens = sequence.n_computed + snapshot.n_tokens;
      const auto tokens = std::span(sequence.tokens).first(n_tokens);
      Checkpoint checkpoint{{tokens.begin(), tokens.end()}, {}, snapshot.slot};
      pages_.Keep(std::span(sequence.pages).first(PagesFor(n_tokens)), checkpoint.pages);
      Keep(std::move(checkpoint));
    }
    sequence.n_computed += static_cast<int64_t>(plan_[i].tokens.size());
    if (!plan_[i].samples) continue;
    const bool first = static_cast<int64_t>(sequence.tokens.size()) == sequence.n_prompt;
    sequence.tokens.push_back(*token++);
    if (!first) continue;
    sequence.at_gate = sequence.gate.has_value();
    ArriveAtGate(sequence);
  }
}

void Scheduler::Finish(SequenceId id) {
  const auto is_it = [id](const Sequence& sequence) { return sequence.id == id; };
  if (auto at = std::find_if(queue_.begin(), queue_.end(), is_it); at != queue_.end()) {
    EndAtGate(*at);
    queue_.erase(at);
    return;
  }
  auto at = std::find_if(admitted_.begin(), admitted_.end(), is_it);
  WEIR_CHECK(at != admitted_.end());
  EndAtGate(*at);
  Leave(*at);
  admitted_.erase(at);
}

// --- Memory.

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

/// Drops the least recently used until the budget has room for so many bytes more; false if it never will.
bool Scheduler::TrimCache(int64_t n_more_bytes) {
  if (n_more_bytes > limits_.cache_bytes) return false;
  while (CacheBytes() > limits_.cache_bytes - n_more_bytes) {
    if (!DropOldest()) return false;
  }
  return true;
}

void Scheduler::Release(Checkpoint& checkpoint) {
  pages_.Drop(checkpoint.pages);
  free_slots_.push_back(checkpoint.slot);
}

/// Takes a sequence's pages and slot; they become a checkpoint as they are.
void Scheduler::Leave(Sequence& sequence) {
  const int32_t slot = std::exchange(sequence.slot, -1);
  if (limits_.n_checkpoints == 0 || sequence.n_computed == 0) {
    free_slots_.push_back(slot);
  } else {
    const auto tokens = std::span(sequence.tokens).first(sequence.n_computed);
    Checkpoint checkpoint{{tokens.begin(), tokens.end()}, {}, slot};
    pages_.Keep(std::span(sequence.pages).first(PagesFor(sequence.n_computed)), checkpoint.pages);
    Keep(std::move(checkpoint));
  }
  pages_.Return(sequence.pages);
  // Also where nothing was kept: pages that this sequence shared with checkpoints are only theirs now.
  TrimCache(n_planned_snapshots_ * limits_.slot_bytes);
}

// --- Gates.

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
    if (sequence.gate && sequence.gate->id == id) sequence.at_gate = false;
  }
}

void Scheduler::EndAtGate(Sequence& sequence) {
  if (!sequence.gate) return;
  ArriveAtGate(sequence);
  GateState& gate = gates_[sequence.gate->id];
  if (++gate.n_ended >= sequence.gate->size) gates_.erase(sequence.gate->id);
}

}  // namespace weir
