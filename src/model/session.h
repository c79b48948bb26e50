// One sequence on one model, without an engine: for logits, perplexity and tests.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/input_observer.h"
#include "model/model.h"

namespace weir {

class Session {
 public:
  /// What a session takes beside the model. kBadInput if max_tokens exceeds the model's context.
  static Result<int64_t> Plan(const ModelConfig& config, Dtype dtype, KvType kv_type,
                              int64_t max_tokens, int64_t max_chunk);
  /// A sequence of at most max_tokens tokens, fed in chunks of at most max_chunk. The caller has checked that
  /// the plan fits.
  static Result<std::unique_ptr<Session>> Open(const Model& model, KvType kv_type,
                                               int64_t max_tokens, int64_t max_chunk,
                                               ThreadPool& threads);

  ~Session();

  /// Appends tokens (at most max_chunk, ids in the vocabulary) and returns the logits of the last n_logits of
  /// them, [n_logits][n_vocab], valid until the next call.
  const float* Feed(std::span<const int32_t> tokens, int64_t n_logits);
  /// Shows `observer` (null: nobody) what enters the matrices from now on.
  void Watch(InputObserver* observer);
  /// Back to an empty context.
  void Reset() { position_ = 0; }

  int64_t position() const { return position_; }
  int64_t max_tokens() const { return max_tokens_; }
  int64_t max_chunk() const { return max_chunk_; }

 private:
  Session(const Model& model, ThreadPool& threads);

  const Model& model_;
  ThreadPool& threads_;
  int64_t max_tokens_ = 0, max_chunk_ = 0, position_ = 0;
  Cache cache_;
  std::unique_ptr<Model::Workspace> workspace_;
  std::vector<int32_t> pages_;
};

/// The id of the largest logit, the lowest one at a tie.
int32_t ArgMax(std::span<const float> logits);

/// kFailed if one of the logits is not a finite number, as with weights that are none.
Status CheckFinite(std::span<const float> logits, int64_t position);

}  // namespace weir
