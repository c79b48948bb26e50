// Where the time of a step goes, part by part, and the work of each part in the terms of the limit.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "gguf/tensor_type.h"
#include "kernels/packed_matrix.h"
#include "model/model.h"
#include "util/thread_pool.h"

namespace weir {

/// In the order in which a step meets them. Projections are kept apart by the type of their weights:
/// their indices are kProjection + type.
enum class StepPart {
  kBetween,      // from the end of the previous step: events, the scheduler
  kPrepare,      // rows, rotations, embeddings
  kNorm,         // norms of the residual stream, and quantising them
  kHeads,        // attention: norms and rotation of heads, storing keys and values
  kAttention,    // attention: over the context
  kConvolution,  // Gated DeltaNet: convolution and gates
  kDeltaRule,    // Gated DeltaNet: the recurrence and its output norm
  kActivation,   // silu(gate) * up, and quantising it
  kRouting,      // mixture of experts
  kResidual,     // additions to the residual stream, biases
  kHead,         // LM head
  kSampling,     // logits to tokens
  kProjection,   // all other matrices
};

inline constexpr size_t kTypeIds = 64;  // more than there are tensor types
inline constexpr size_t kStepParts = static_cast<size_t>(StepPart::kProjection) + kTypeIds;

struct PartProfile {
  int64_t ns = 0;       // elapsed
  int64_t busy_ns = 0;  // of the threads together; n_threads * ns - busy_ns is waiting and hand-out
  StepCost cost;
};

/// A step, or the sum of several.
struct StepProfile {
  int64_t n_steps = 0;
  int64_t n_rows = 0;
  int n_threads = 1;
  std::array<PartProfile, kStepParts> parts{};
  StepCost cost;  // of the whole: also what belongs to no part, such as the weights of norms

  StepProfile& operator+=(const StepProfile& other);
};

/// "delta rule", "projections Q8_0".
std::string StepPartName(size_t part);

/// Fills a StepProfile while a step runs: one clock read for each part that is entered. All calls come
/// from the thread that runs the step, but for AddProjectionTime.
class StepProfiler {
 public:
  /// Makes `threads` measure, from now on.
  explicit StepProfiler(ThreadPool& threads);

  /// A step begins; the time since begin_ns is kBetween's.
  void Begin(int64_t begin_ns);
  /// What runs from now on belongs to `part`.
  void Enter(StepPart part);
  void End(int64_t end_ns);

  void AddCost(StepPart part, const StepCost& cost) { Of(part).cost += cost; }
  /// n_rows products with a matrix; `part` is kProjection or kHead.
  void AddProjection(StepPart part, const PackedMatrix& matrix, int64_t n_rows);
  /// A thread has spent `ns` on weights of that type: how the time of projections of several types,
  /// which run together, is divided.
  void AddProjectionTime(TensorType type, int64_t ns) {
    type_ns_[static_cast<size_t>(type)].fetch_add(ns, std::memory_order_relaxed);
  }

  /// After End.
  StepProfile& step() { return step_; }

 private:
  PartProfile& Of(StepPart part) { return step_.parts[static_cast<size_t>(part)]; }
  PartProfile& Of(TensorType type) {
    return step_.parts[static_cast<size_t>(StepPart::kProjection) + static_cast<size_t>(type)];
  }
  void Leave(int64_t now_ns);
  void DivideByType(int64_t ns, int64_t busy_ns);

  ThreadPool& threads_;
  StepProfile step_;
  StepPart part_ = StepPart::kBetween;
  int64_t since_ns_ = 0;
  ThreadPool::Times since_;
  std::array<std::atomic<int64_t>, kTypeIds> type_ns_{};  // in the projections at hand
};

}  // namespace weir
