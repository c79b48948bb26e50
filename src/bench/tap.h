// A look at what passes between a load and its target, for those who watch, and a hash of the answers.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "bench/target.h"

namespace weir {

class Tap : public Target {
 public:
  explicit Tap(Target& target) : target_(target) {}

  Result<int64_t> Submit(const Query& query) override;
  std::optional<TargetEvent> Next(int64_t timeout_ns) override;
  void CancelAll() override { target_.CancelAll(); }
  int64_t Now() const override { return target_.Now(); }
  std::vector<StepRecord> TakeSteps() override { return target_.TakeSteps(); }
  EngineProfile TakeProfile() override { return target_.TakeProfile(); }
  std::optional<std::string> LogitsHash() override { return target_.LogitsHash(); }

  /// Events with tokens since the last call.
  int64_t TakeTokens() { return std::exchange(n_tokens_, 0); }
  /// Of the request that began to answer last.
  std::optional<double> ttft_ms() const { return ttft_ms_; }
  /// Of ids and text of all answers, in the order in which they were asked for; nothing if the target shows
  /// neither.
  std::optional<std::string> AnswersHash() const;

 private:
  struct Answer {
    int64_t submitted_ns = 0;
    uint64_t hash = 0;  // 0: nothing yet
  };

  Target& target_;
  std::map<int64_t, Answer> answers_;
  int64_t n_tokens_ = 0;
  std::optional<double> ttft_ms_;
};

}  // namespace weir
