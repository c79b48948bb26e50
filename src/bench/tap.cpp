#include "bench/tap.h"

#include <utility>

namespace weir {
namespace {

constexpr uint64_t kBasis = 0xcbf29ce484222325, kPrime = 0x100000001b3;  // FNV-1a

uint64_t Add(uint64_t hash, std::string_view bytes) {
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * kPrime;
  return hash;
}

}  // namespace

Result<int64_t> Tap::Submit(const Query& query) {
  const int64_t now = target_.Now();
  Result<int64_t> id = target_.Submit(query);
  if (id) answers_[*id].submitted_ns = now;
  return id;
}

std::optional<TargetEvent> Tap::Next(int64_t timeout_ns) {
  std::optional<TargetEvent> event = target_.Next(timeout_ns);
  if (!event || !event->token) return event;
  ++n_tokens_;
  Answer& answer = answers_[event->request];
  if (answer.submitted_ns > 0) {
    ttft_ms_ = static_cast<double>(event->time_ns - answer.submitted_ns) * 1e-6;
    answer.submitted_ns = 0;
  }
  if (event->id < 0 && event->text.empty()) return event;
  if (answer.hash == 0) answer.hash = kBasis;
  // Pieces of text are cut anywhere: only their sum says something.
  answer.hash = event->text.empty() ? Add(answer.hash, fmt::format("{},", event->id))
                                    : Add(answer.hash, event->text);
  return event;
}

std::optional<std::string> Tap::AnswersHash() const {
  uint64_t hash = kBasis;
  for (const auto& [id, answer] : answers_) {
    if (answer.hash == 0) return std::nullopt;
    hash = Add(hash, fmt::format("{:x};", answer.hash));
  }
  return answers_.empty() ? std::nullopt : std::optional(fmt::format("{:016x}", hash));
}

}  // namespace weir
