// The engine: requests in, events out. One thread owns the model's state and steps; callers only
// see this file and request.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/request.h"
#include "machine/rates.h"
#include "model/model.h"
#include "model/step_profile.h"
#include "util/error.h"

namespace weir {

class Tokenizer;
struct Outbox;

struct EngineOptions {
  int max_sequences = 1;       // admitted at the same time; more wait
  int64_t context_tokens = 0;  // longest sequence, prompt and answer (0: the model's)
  // Positions that all sequences share (0: max_sequences * context_tokens), and checkpoints, which can use more.
  int64_t kv_tokens = 0;
  int64_t prefill_tokens = 256;  // prompt tokens per step at most, beside the decoding rows
  int64_t itl_target_ns = 0;  // fewer of them where a step would keep decoding users longer; 0: never fewer
  // States of earlier prompts and answers that are kept, so that a prompt that begins like one of them is not
  // computed again: each takes the recurrent state of a sequence, and pages that nobody else needs.
  int n_checkpoints = 0;
  // Most bytes that those states, and pages that only they hold, may take together; 0: all that the plan has
  // for them. The memory is that of the plan: the engine never asks for more.
  int64_t cache_bytes = 0;
  int64_t checkpoint_interval = 0;  // tokens between those within a prompt; 0: only where a request asks
  int n_threads = 1;
  // Of this machine with so many threads: EngineStatus then has the limit of the steps.
  std::optional<MachineRates> rates = {};
  bool profile = false;  // measure where the time of steps goes: TakeProfile
  std::optional<KvType> kv_type = {};  // of keys and values (nothing: DefaultKvType)
};

/// What the engine will take, before it takes it.
struct EnginePlan {
  EngineOptions options;  // for Start: what was 0 is filled in
  int64_t weights_bytes = 0, kv_bytes = 0, state_bytes = 0, workspace_bytes = 0;
  int64_t total_bytes() const { return weights_bytes + kv_bytes + state_bytes + workspace_bytes; }
};

/// One step of the engine, as it was.
struct StepRecord {
  int64_t begin_ns = 0, end_ns = 0;  // begins where the previous one ended, if there was no waiting
  int n_decode_rows = 0;             // users that got a further token
  int n_prefill_rows = 0;            // prompt tokens
  StepCost cost;
};

/// Where the time of steps went, added up.
struct EngineProfile {
  StepProfile decode;   // steps in which max_sequences users got a further token, and nothing else
  StepProfile prefill;  // steps of prompt tokens only
  EngineProfile& operator+=(const EngineProfile& other);
};

/// How the engine is, for metrics and watchdogs.
struct EngineStatus {
  int64_t n_queued = 0, n_active = 0, n_decoding = 0;  // requests
  int64_t n_pages = 0, n_free_pages = 0;
  int64_t n_kept_pages = 0;  // that only checkpoints hold
  int64_t n_checkpoints = 0, cache_bytes = 0;  // their states, and those pages
  // Since the start.
  int64_t n_preempted = 0;
  int64_t n_prefilled_tokens = 0, n_cached_tokens = 0, n_generated_tokens = 0;
  int64_t steps_ns = 0;  // time in steps
  // Where the rates are known: the least time that those steps could have taken (model/limit.h), and its share of
  // the time of the last steps, each of which counts for less than the one after it.
  std::optional<double> limit_ns, recent_share;
  // NowNs() when the last step ended, or, if there was nothing to compute then, when something came; 0 while
  // there is nothing. Long ago: the engine is stuck, in a step or between two.
  int64_t waiting_since_ns = 0;
};

/// The stream of one request. Dropping it cancels the request.
class Stream {
 public:
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  /// The next event, waiting at most timeout_ms (-1: for ever); nothing when the time is up or
  /// after the end.
  std::optional<Event> Next(int64_t timeout_ms = -1);
  /// Ends the request before its next step, with FinishReason::kCancelled unless it has ended by
  /// then.
  void Cancel();

 private:
  friend class Engine;
  explicit Stream(std::shared_ptr<Outbox> outbox);
  std::shared_ptr<Outbox> outbox_;
};

class Engine {
 public:
  /// The checkpoints that a budget is worth setting slots aside for: each has a state and some thousand tokens.
  static int CheckpointsFor(const ModelConfig& config, KvType kv_type, int64_t cache_bytes);
  /// kRefused, with the numbers and what would fit, when the plan exceeds `available_bytes`; a
  /// context of 0 becomes the longest that fits. kBadInput for options out of range.
  static Result<EnginePlan> Plan(const ModelConfig& config, const ModelFootprint& footprint,
                                 Dtype dtype, const EngineOptions& options,
                                 int64_t available_bytes);
  /// `options` are those of a plan that fits. `model` and `tokenizer` (may be null: no text, no
  /// stop strings, no end but max_tokens) must outlive the engine.
  static Result<std::unique_ptr<Engine>> Start(const Model& model, const Tokenizer* tokenizer,
                                               const EngineOptions& options);
  /// Ends all requests with FinishReason::kCancelled. Streams may be read afterwards.
  ~Engine();

  /// Checks the request (kBadInput: empty prompt, ids out of range, longer than the context...) and
  /// queues it. Any thread may call.
  Result<Stream> Submit(Request request);

  const EngineOptions& options() const;

  /// As of the last step; any thread may call.
  EngineStatus CurrentStatus() const;

  /// Records of all steps since the last call; recording starts with the first call.
  std::vector<StepRecord> TakeSteps();
  /// Of all steps since the last call; empty without options.profile.
  EngineProfile TakeProfile();
  /// Hash of the bits of the logits of the last step that had any, as 16 hex digits; empty before
  /// that.
  std::string LogitsHash() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weir
