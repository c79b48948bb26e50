// Sampling in portable C++: the specification that the vector tables are tested against.
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/sampling.h"

namespace weir {
namespace {

double Weight(float logit, const WeightScale& scale) {
  double y = (double{logit} - scale.max) * scale.octaves;
  y = y > kLowestOctave ? y : kLowestOctave;
  y = y < 0 ? y : 0;
  const double shifted = y + kOctaveShift;
  const double t = y - (shifted - kOctaveShift);
  double power = kPower[kPowerDegree];
  for (int k = kPowerDegree - 1; k >= 0; --k) power = std::fma(power, t, kPower[k]);
  const uint64_t exponent = std::bit_cast<uint64_t>(shifted) << 52;
  const double exact = std::bit_cast<double>(std::bit_cast<uint64_t>(power) + exponent);
  const double weight = (exact + kRoundShift) - kRoundShift;
  return weight >= scale.least ? weight : 0;
}

double Weigh(const float* logits, int64_t n, const WeightScale& scale, double* weights) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double weight = Weight(logits[i], scale);
    if (weights) weights[i] = weight;
    sum += weight;
  }
  return sum;
}

int64_t Collect(const float* logits, int64_t n, float limit, int32_t first_id, int32_t* ids,
                float* found) {
  int64_t n_found = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (!(logits[i] >= limit)) continue;
    ids[n_found] = first_id + static_cast<int32_t>(i);
    found[n_found++] = logits[i];
  }
  return n_found;
}

float Forbid(float* logits, int64_t n, const uint64_t* allowed) {
  constexpr float kForbidden = -std::numeric_limits<float>::infinity();
  float largest = kForbidden;
  for (int64_t i = 0; i < n; ++i) {
    if (!(allowed[i / 64] >> (i % 64) & 1)) logits[i] = kForbidden;
    largest = logits[i] > largest ? logits[i] : largest;
  }
  return largest + 0.0f;  // makes -0 into +0, so that the order of comparisons cannot show
}

uint64_t Hash(const float* logits, int64_t n) {
  const auto keyed = [&](int64_t i) {
    return (i < n ? std::bit_cast<uint32_t>(logits[i]) : 0) + kHashKeys.word[i];
  };
  uint64_t sum = 0;
  for (int64_t i = 0; i < (n + 15) / 16 * 16; i += 2) sum += uint64_t{keyed(i)} * keyed(i + 1);
  return sum;
}

}  // namespace

const SamplingKernels kSamplingPlain = {Weigh, Collect, Forbid, Hash};

}  // namespace weir
