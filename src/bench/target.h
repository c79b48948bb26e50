// What the bench measures, seen through a keyhole: requests go in, time-stamped events come out.
// The instrument knows nothing else of an engine, so that one in process and one behind HTTP are
// measured alike.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "store/store.h"

namespace weir {

struct TargetEvent {
  int64_t request = 0;  // as Submit numbered it
  bool token = false;
  int64_t time_ns = 0;
  std::optional<FinishReason> finished;
  std::string error;
};

/// Accepts requests of a fixed number of users.
class Target {
 public:
  virtual ~Target() = default;
  /// Sends a request; its number in events.
  virtual Result<int64_t> Submit(Request request) = 0;
  /// The next event of any request, waiting at most timeout_ms.
  virtual std::optional<TargetEvent> Next(int64_t timeout_ms) = 0;
  virtual void CancelAll() = 0;
  /// The clock of all stamps.
  virtual int64_t Now() const = 0;
  /// Records of the steps since the last call; none from a target that does not show its steps.
  virtual std::vector<StepRecord> TakeSteps() = 0;
  /// Where the time of the steps since the last call went; empty from a target that does not know.
  virtual EngineProfile TakeProfile() { return {}; }
  /// Of the last step, while no request is running; nothing from a target that does not show it.
  virtual std::optional<std::string> LogitsHash() = 0;
};

/// Told how far a long job is; false: stop it.
using OnProgress = std::function<bool(int64_t done, int64_t total)>;

/// A model to measure with different numbers of users; loaded once for all of them.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual const ModelRow& row() const = 0;
  /// Positions that the model was made for.
  virtual int64_t context_length() const = 0;
  /// Token ids that prompts may be made of: ordinary text.
  virtual const std::vector<int32_t>& prompt_ids() const = 0;
  /// Bytes that `users` sequences of `tokens` positions take, weights included. kRefused if they do
  /// not fit; any other Error says why this model cannot run at all.
  virtual Result<int64_t> Plan(int users, int64_t tokens) const = 0;
  /// kInterrupted if on_progress says so.
  virtual Status Load(const OnProgress& on_progress) = 0;
  virtual void Unload() = 0;
  /// After Load.
  virtual Result<std::unique_ptr<Target>> Start(int users, int64_t tokens) = 0;
};

}  // namespace weir
