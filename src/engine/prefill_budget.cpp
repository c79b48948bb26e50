#include "engine/prefill_budget.h"

#include <algorithm>

namespace weir {
namespace {

constexpr int64_t kLeastTokens = 16;
constexpr double kLeastShare = 0.2;  // of a step
// Weight of the newest step in the averages: ten or so steps count, so that a machine that slows down is
// believed, and a hiccup is not.
constexpr double kNewest = 0.1;

void Average(double& mean, double value) {
  mean = mean == 0 ? value : mean + kNewest * (value - mean);
}

}  // namespace

PrefillBudget::PrefillBudget(int64_t target_ns, int64_t max_tokens, int max_sequences)
    : target_ns_(target_ns), max_tokens_(max_tokens), decode_ns_(max_sequences + 1) {}

int64_t PrefillBudget::Tokens(int64_t n_decoding) const {
  if (target_ns_ == 0 || n_decoding == 0) return max_tokens_;
  const int64_t least = std::min(kLeastTokens, max_tokens_);
  if (prefill_row_ns_ == 0) return least;
  const double decode_ns = DecodeNs(n_decoding);
  const double spare_ns = std::max(static_cast<double>(target_ns_) - decode_ns,
                                   decode_ns * kLeastShare / (1 - kLeastShare));
  return static_cast<int64_t>(std::clamp(spare_ns / prefill_row_ns_, static_cast<double>(least),
                                         static_cast<double>(max_tokens_)));
}

void PrefillBudget::Observe(int n_decode_rows, int n_prefill_rows, int64_t step_ns) {
  const auto ns = static_cast<double>(step_ns);
  if (n_prefill_rows == 0) {
    Average(decode_ns_[n_decode_rows], ns);
  } else if (n_prefill_rows >= std::min(kLeastTokens, max_tokens_)) {  // fewer say little
    // Without decoding rows beside them, prompt tokens pay for reading the weights alone: too dear an estimate
    // rather than too cheap a one.
    const double added = std::max(ns - DecodeNs(n_decode_rows), 0.1 * ns);
    Average(prefill_row_ns_, added / n_prefill_rows);
  }
}

/// The nearest number of rows that was seen stands for the others; 0 where none was.
double PrefillBudget::DecodeNs(int64_t n_rows) const {
  if (n_rows == 0) return 0;
  const int64_t n = static_cast<int64_t>(decode_ns_.size());
  for (int64_t distance = 0; distance < n; ++distance) {
    const int64_t above = n_rows + distance, below = n_rows - distance;
    if (above < n && decode_ns_[above] > 0) return decode_ns_[above];
    if (below > 0 && decode_ns_[below] > 0) return decode_ns_[below];
  }
  return 0;
}

}  // namespace weir
