#include "bench/estimate.h"

#include <algorithm>

namespace weir {
namespace {

// What desktops and small servers of the last years reach: half of 40 GB/s and of 500 GMAC/s.
constexpr double kBytesPerSecond = 20e9, kMacsPerSecond = 250e9, kPackedBytesPerSecond = 1e9;

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
  const int rounds = load.warm_up_rounds + load.requests_per_user;
  // A conversation sends all that was said before, which a target without a cache of prompts computes again. One more
  // prompt of each user is that of the warm-up, which comes before most repeats.
  double prompts = static_cast<double>(load.depth_tokens + load.prompt_tokens);
  for (int round = 0; round < rounds; ++round) {
    const int before = round % load.turns;
    prompts += static_cast<double>(load.depth_tokens + (before + 1) * load.prompt_tokens + before * load.gen_tokens);
  }
  const double prefill = macs * prompts * load.users / kMacsPerSecond;
  const double work = prefill + rounds * static_cast<double>(load.gen_tokens - 1) * step;
  if (load.arrivals == Arrivals::kClosed) return work + load.ramp_s + (rounds - 1) * load.think_s;
  return std::max(work, (load.users * load.requests_per_user - 1) / load.rate);
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
