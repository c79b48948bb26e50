#include <chrono>

#include "engine/engine.h"
#include "engine/outbox.h"
#include "engine/sequence.h"

namespace weir {

Stream::Stream(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
Stream::Stream(Stream&&) noexcept = default;

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  Cancel();
  outbox_ = std::move(other.outbox_);
  return *this;
}

Stream::~Stream() { Cancel(); }

std::optional<Event> Stream::Next(int64_t timeout_ms) {
  std::unique_lock lock(outbox_->mutex);
  const auto something = [this] { return !outbox_->events.empty() || outbox_->ended; };
  if (timeout_ms < 0) {
    outbox_->changed.wait(lock, something);
  } else {
    outbox_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), something);
  }
  if (outbox_->events.empty()) return std::nullopt;
  Event event = std::move(outbox_->events.front());
  outbox_->events.pop_front();
  return event;
}

void Stream::Cancel() {
  if (!outbox_) return;  // moved from
  {
    std::lock_guard lock(outbox_->mutex);
    if (outbox_->ended || outbox_->cancelled) return;
    outbox_->cancelled = true;
  }
  Inbox& inbox = *outbox_->inbox;
  {
    std::lock_guard lock(inbox.mutex);
    inbox.some_cancelled = true;
  }
  inbox.changed.notify_one();
}

}  // namespace weir
