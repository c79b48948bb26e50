#include "model/step_profile.h"

#include <algorithm>

#include "util/clock.h"

namespace weir {

StepProfile& StepProfile::operator+=(const StepProfile& other) {
  n_steps += other.n_steps;
  n_rows += other.n_rows;
  n_threads = other.n_threads;
  for (size_t i = 0; i < kStepParts; ++i) {
    parts[i].ns += other.parts[i].ns;
    parts[i].busy_ns += other.parts[i].busy_ns;
    parts[i].cost += other.parts[i].cost;
  }
  cost += other.cost;
  return *this;
}

std::string StepPartName(size_t part) {
  constexpr const char* kNames[] = {
      "scheduling, events", "rows, rotations, embedding", "norms, quantisation",
      "heads: norms, rotation, store", "attention", "convolution, gates", "delta rule",
      "activation, quantisation", "routing", "residual, biases", "LM head", "sampling"};
  if (part < std::size(kNames)) return kNames[part];
  const uint32_t id = static_cast<uint32_t>(part - static_cast<size_t>(StepPart::kProjection));
  return fmt::format("projections {}", NameOfId(id).value_or("?"));
}

StepProfiler::StepProfiler(ThreadPool& threads) : threads_(threads) { threads_.Measure(); }

void StepProfiler::Begin(int64_t begin_ns) {
  step_ = {};
  step_.n_steps = 1;
  step_.n_threads = threads_.n_threads();
  part_ = StepPart::kBetween;
  since_ns_ = begin_ns;
  since_ = threads_.times();
}

void StepProfiler::Enter(StepPart part) {
  Leave(NowNs());
  part_ = part;
}

void StepProfiler::End(int64_t end_ns) { Leave(end_ns); }

/// Charges the time since the last call to the part that ends. Outside of parallel calls one thread is busy.
void StepProfiler::Leave(int64_t now_ns) {
  const ThreadPool::Times times = threads_.times();
  const int64_t ns = now_ns - since_ns_;
  const int64_t alone_ns = ns - (times.calls_ns - since_.calls_ns);
  const int64_t busy_ns = alone_ns + times.busy_ns - since_.busy_ns;
  since_ns_ = now_ns;
  since_ = times;

  if (part_ == StepPart::kProjection) return DivideByType(ns, busy_ns);
  Of(part_).ns += ns;
  Of(part_).busy_ns += busy_ns;
}

/// By the time that threads spent on each type since this was last asked.
void StepProfiler::DivideByType(int64_t ns, int64_t busy_ns) {
  double all_types_ns = 0;
  for (const auto& type_ns : type_ns_) all_types_ns += static_cast<double>(type_ns);
  for (size_t i = 0; i < kTypeIds; ++i) {
    const double share = static_cast<double>(type_ns_[i].exchange(0)) / std::max(1.0, all_types_ns);
    PartProfile& part = Of(static_cast<TensorType>(i));
    part.ns += static_cast<int64_t>(share * static_cast<double>(ns));
    part.busy_ns += static_cast<int64_t>(share * static_cast<double>(busy_ns));
  }
}

void StepProfiler::AddProjection(StepPart part, const PackedMatrix& matrix, int64_t n_rows) {
  StepCost cost;
  cost.weight_bytes = matrix.n_rows * RowBytes(matrix.type, matrix.n_cols);
  const int64_t macs = n_rows * matrix.n_rows * matrix.n_cols;
  (IsQuantized(matrix.type) ? cost.int8_macs : cost.f32_macs) = macs;
  (part == StepPart::kProjection ? Of(matrix.type) : Of(part)).cost += cost;
}

}  // namespace weir
