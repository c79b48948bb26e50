// The two queues between the engine thread and everybody else.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/request.h"

namespace weir {

struct Sequence;

/// What the engine thread is told between steps. Streams may outlive the engine, so they share it.
struct Inbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::unique_ptr<Sequence>> arrivals;
  bool some_cancelled = false;  // look at the outboxes
  bool stopping = false;
};

/// What a stream reads: the events of one request.
struct Outbox {
  explicit Outbox(std::shared_ptr<Inbox> engine_inbox) : inbox(std::move(engine_inbox)) {}

  const std::shared_ptr<Inbox> inbox;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Event> events;
  bool ended = false;      // the last event is in `events` or was read
  bool cancelled = false;  // by its reader
};

}  // namespace weir
