#include "engine/scheduler.h"

#include <algorithm>

#include "kernels/kernel_table.h"
#include "util/error.h"

namespace weir {

Scheduler::Scheduler(const SchedulerLimits& limits)
    : prefill_tokens_(limits.prefill_tokens), pages_(limits.n_pages) {
  WEIR_CHECK(limits.max_sequences >= 1 && limits.prefill_tokens >= 1);
  for (int slot = limits.max_sequences - 1; slot >= 0; --slot) free_slots_.push_back(slot);
  plan_.reserve(limits.max_sequences);
  planned_.reserve(limits.max_sequences);
}

int64_t Scheduler::PagesFor(int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

void Scheduler::Add(SequenceId id, int64_t n_prompt, int64_t max_tokens, std::optional<Gate> gate) {
  const int64_t n_pages = PagesFor(n_prompt + max_tokens);
  WEIR_CHECK(n_prompt >= 1 && max_tokens >= 1 && n_pages <= pages_.n_pages());
  queue_.push_back({.id = id, .n_prompt = n_prompt, .n_pages = n_pages, .gate = gate});
}

void Scheduler::Admit() {
  while (!queue_.empty() && !free_slots_.empty()) {
    Sequence& next = queue_.front();
    if (!pages_.Take(next.n_pages, next.pages)) return;
    next.slot = free_slots_.back();
    free_slots_.pop_back();
    admitted_.push_back(std::move(next));
    queue_.pop_front();
  }
}

std::span<const PlannedSlice> Scheduler::Plan() {
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
    plan_.push_back({.id = sequence.id,
                     .position = sequence.n_computed,
                     .n_tokens = n_tokens,
                     .slot = sequence.slot,
                     .pages = sequence.pages,
                     .decoding = decoding,
                     .samples = end >= sequence.n_prompt});
    planned_.push_back(&sequence);
  };
  for (Sequence& sequence : admitted_) {
    if (sequence.phase == Phase::kDecode) add(sequence, 1);
  }
  int64_t budget = prefill_tokens_;
  for (Sequence& sequence : admitted_) {
    if (budget == 0) return;
    if (sequence.phase != Phase::kPrefill) continue;
    const int64_t n_tokens = std::min(budget, sequence.n_prompt - sequence.n_computed);
    add(sequence, n_tokens);
    budget -= n_tokens;
  }
}

void Scheduler::Commit() {
  for (size_t i = 0; i < plan_.size(); ++i) {
    Sequence& sequence = *planned_[i];
    sequence.n_computed += plan_[i].n_tokens;
    if (plan_[i].decoding || !plan_[i].samples) continue;
    sequence.phase = sequence.gate ? Phase::kAtGate : Phase::kDecode;
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
  pages_.Return(at->pages);
  free_slots_.push_back(at->slot);
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
