// Sampling with AVX2 and FMA.
#include "kernels/intrinsics.h"
#include "kernels/sampling.h"

namespace weir {
namespace {

using D = __m256d;
using I = __m256i;
struct V {
  __m256 low;   // lanes 0 to 7
  __m256 high;  // lanes 8 to 15
};

constexpr int kDoubles = 4;

D Set1(double x) { return _mm256_set1_pd(x); }
D LoadAsDoubles(const float* x) { return _mm256_cvtps_pd(_mm_loadu_ps(x)); }
void Store(double* x, D v) { _mm256_storeu_pd(x, v); }
D Add(D a, D b) { return _mm256_add_pd(a, b); }
D Sub(D a, D b) { return _mm256_sub_pd(a, b); }
D Mul(D a, D b) { return _mm256_mul_pd(a, b); }
D Fma(D a, D b, D c) { return _mm256_fmadd_pd(a, b, c); }

// These give b where a is NaN.
D Min(D a, D b) { return _mm256_min_pd(a, b); }
D Max(D a, D b) { return _mm256_max_pd(a, b); }
V Max(V a, V b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }

/// x * 2^n, n being the low 12 bits of `shifted`.
D AddExponent(D x, D shifted) {
  return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(x),
                                              _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52)));
}
D ZeroWhereLess(D x, D limit) { return _mm256_and_pd(_mm256_cmp_pd(x, limit, _CMP_GE_OQ), x); }
double Sum(D v) {
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

V Set1Float(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
float MaxOf(V v) {
  const __m256 eight = _mm256_max_ps(v.low, v.high);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

/// Stores and returns 8 logits with -infinity where `bits` is 0.
__m256 KeepEight(uint32_t bits, float* logits) {
  const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i kept = _mm256_cmpeq_epi32(
      _mm256_and_si256(_mm256_set1_epi32(static_cast<int32_t>(bits)), lane), lane);
  const __m256 x = _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), _mm256_loadu_ps(logits),
                                    _mm256_castsi256_ps(kept));
  _mm256_storeu_ps(logits, x);
  return x;
}
V Keep(uint32_t bits, float* logits) {
  return {KeepEight(bits, logits), KeepEight(bits >> 8, logits + 8)};
}

uint32_t AtLeast(const float* logits, float limit) {
  return _mm256_movemask_ps(
      _mm256_cmp_ps(_mm256_loadu_ps(logits), _mm256_set1_ps(limit), _CMP_GE_OQ));
}
int64_t CollectSixteen(const float* logits, uint32_t valid, float limit, int32_t first_id,
                       int32_t* ids, float* found) {
  uint32_t take = (AtLeast(logits, limit) | AtLeast(logits + 8, limit) << 8) & valid;
  int64_t n_found = 0;
  for (; take; take &= take - 1) {
    const int lane = __builtin_ctz(take);
    ids[n_found] = first_id + lane;
    found[n_found++] = logits[lane];
  }
  return n_found;
}

I Zero() { return _mm256_setzero_si256(); }
uint64_t SumWords(I v) {
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) +
         static_cast<uint64_t>(_mm_extract_epi64(two, 1));
}
I AddEightProducts(I sum, const float* logits, const uint32_t* keys) {
  const I keyed = _mm256_add_epi32(_mm256_loadu_si256(reinterpret_cast<const I*>(logits)),
                                   _mm256_loadu_si256(reinterpret_cast<const I*>(keys)));
  return _mm256_add_epi64(sum, _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32)));
}
I AddProducts(I sum, const float* logits, const uint32_t* keys) {
  return AddEightProducts(AddEightProducts(sum, logits, keys), logits + 8, keys + 8);
}

}  // namespace
}  // namespace weir

#include "kernels/sampling_simd.inl"

namespace weir {
const SamplingKernels kSamplingAvx2 = {Weigh, Collect, Forbid, Hash};
}  // namespace weir
