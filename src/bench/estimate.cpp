#include "bench/estimate.h"

#include <algorithm>

namespace weir {
namespace {

constexpr double kBytesPerSecond = 8e9, kMacsPerSecond = 40e9, kPackedBytesPerSecond = 0.5e9;

}  // namespace

double RoughSeconds(const ModelRow& model, const Workload& load) {
  const double bytes = static_cast<double>(model.file_tensor_bytes);
  const double macs = static_cast<double>(model.n_params);
  const double step = std::max(bytes / kBytesPerSecond, macs * load.users / kMacsPerSecond);
  if (load.arrivals == Arrivals::kTrace) {
    const double work = macs * static_cast<double>(load.traced.prompt_tokens) / kMacsPerSecond +
                        static_cast<double>(load.traced.gen_tokens) / load.users * step;
    return std::max(load.traced.seconds, work);
  }
  const double prefill =
      macs * static_cast<double>(load.prompt_tokens) * load.users / kMacsPerSecond;
  return load.requests_per_user * (prefill + static_cast<double>(load.gen_tokens - 1) * step);
}

double RoughLoadSeconds(const ModelRow& model) {
  return static_cast<double>(model.packed_bytes) / kPackedBytesPerSecond;
}

void Estimate::Done(double rough_seconds, double seconds) {
  planned_ = std::max(0.0, planned_ - rough_seconds);
  if (seconds <= 0) return;
  rough_done_ += rough_seconds;
  seconds_done_ += seconds;
}

double Estimate::Left(double current) const {
  const double ratio = rough_done_ > 0 ? seconds_done_ / rough_done_ : 1;
  return std::max(0.0, planned_ * ratio - current);
}

}  // namespace weir
