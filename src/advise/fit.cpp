#include "advise/fit.h"

#include <algorithm>
#include <limits>

namespace weir {

std::string_view Name(Comfort comfort) {
  switch (comfort) {
    case Comfort::kComfortable: return "comfortable";
    case Comfort::kTight: return "tight";
    case Comfort::kNo: break;
  }
  return "no";
}

Result<Fit> FitInto(const FitQuestion& question, const MemoryOffer& offer) {
  Fit fit;
  WEIR_TRY(fit.plan, Engine::Plan(question.config, question.footprint, question.dtype, question.options,
                                  std::numeric_limits<int64_t>::max()));
  fit.total_bytes = fit.plan.total_bytes() + kRuntimeBytes;
  fit.headroom_bytes = offer.available_bytes - fit.total_bytes;
  fit.over_gpu_share = offer.gpu_bytes && fit.total_bytes > *offer.gpu_bytes;
  if (fit.headroom_bytes < 0) return fit;
  const double left = static_cast<double>(fit.headroom_bytes) / static_cast<double>(offer.memory_bytes);
  fit.comfort = left < kTightShare || fit.over_gpu_share ? Comfort::kTight : Comfort::kComfortable;
  return fit;
}

Result<int64_t> LongestContext(FitQuestion question, const MemoryOffer& offer, int n_users) {
  question.options.max_sequences = n_users;
  question.options.context_tokens = 0;
  question.options.kv_tokens = 0;
  const Result<EnginePlan> plan = Engine::Plan(question.config, question.footprint, question.dtype, question.options,
                                               offer.available_bytes - kRuntimeBytes);
  if (plan) return plan->options.context_tokens;
  if (plan.error().code == ErrorCode::kRefused) return int64_t{0};
  return plan.error();
}

Result<int64_t> MostUsers(FitQuestion question, const MemoryOffer& offer, int64_t context_tokens) {
  question.options.context_tokens = context_tokens;
  question.options.kv_tokens = 0;
  // The largest number that fits: what fits for n users fits for fewer.
  int64_t fits = 0, too_many = kMostUsers + 1;
  while (too_many - fits > 1) {
    const int64_t middle = fits + (too_many - fits) / 2;
    question.options.max_sequences = static_cast<int>(middle);
    WEIR_TRY(const Fit fit, FitInto(question, offer));
    (fit.fits() ? fits : too_many) = middle;
  }
  return fits;
}

}  // namespace weir
