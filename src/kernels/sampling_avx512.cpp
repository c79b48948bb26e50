// Sampling with AVX-512.
#include "kernels/intrinsics.h"
#include "kernels/sampling.h"

namespace weir {
namespace {

using D = __m512d;
using I = __m512i;
using V = __m512;

constexpr int kDoubles = 8;

D Set1(double x) { return _mm512_set1_pd(x); }
D LoadAsDoubles(const float* x) { return _mm512_cvtps_pd(_mm256_loadu_ps(x)); }
void Store(double* x, D v) { _mm512_storeu_pd(x, v); }
D Add(D a, D b) { return _mm512_add_pd(a, b); }
D Sub(D a, D b) { return _mm512_sub_pd(a, b); }
D Mul(D a, D b) { return _mm512_mul_pd(a, b); }
D Fma(D a, D b, D c) { return _mm512_fmadd_pd(a, b, c); }

// These give b where a is NaN.
D Min(D a, D b) { return _mm512_min_pd(a, b); }
D Max(D a, D b) { return _mm512_max_pd(a, b); }
V Max(V a, V b) { return _mm512_max_ps(a, b); }

/// x * 2^n, n being the low 12 bits of `shifted`.
D AddExponent(D x, D shifted) {
  return _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(x),
                                              _mm512_slli_epi64(_mm512_castpd_si512(shifted), 52)));
}
D ZeroWhereLess(D x, D limit) {
  return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, limit, _CMP_GE_OQ), x);
}
double Sum(D v) { return _mm512_reduce_add_pd(v); }

V Set1Float(float x) { return _mm512_set1_ps(x); }
float MaxOf(V v) { return _mm512_reduce_max_ps(v); }

/// Stores and returns 16 logits with -infinity where `bits` is 0.
V Keep(uint32_t bits, float* logits) {
  const V kept =
      _mm512_mask_loadu_ps(Set1Float(-__builtin_inff()), static_cast<__mmask16>(bits), logits);
  _mm512_storeu_ps(logits, kept);
  return kept;
}

// Compressed in a register: the form that stores to memory takes 100 cycles and more on Zen 4.
int64_t CollectSixteen(const float* logits, uint32_t valid, float limit, int32_t first_id,
                       int32_t* ids, float* found) {
  const V x = _mm512_loadu_ps(logits);
  const __mmask16 take =
      _mm512_mask_cmp_ps_mask(static_cast<__mmask16>(valid), x, _mm512_set1_ps(limit), _CMP_GE_OQ);
  if (take == 0) return 0;
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  _mm512_storeu_ps(found, _mm512_maskz_compress_ps(take, x));
  _mm512_storeu_si512(
      ids, _mm512_maskz_compress_epi32(take, _mm512_add_epi32(lanes, _mm512_set1_epi32(first_id))));
  return __builtin_popcount(take);
}

I Zero() { return _mm512_setzero_si512(); }
uint64_t SumWords(I v) {  // not _mm512_reduce_add_epi64, which adds signed numbers
  const __m256i four = _mm256_add_epi64(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  const __m128i two =
      _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) +
         static_cast<uint64_t>(_mm_extract_epi64(two, 1));
}
I AddProducts(I sum, const float* logits, const uint32_t* keys) {
  const I keyed = _mm512_add_epi32(_mm512_loadu_si512(logits), _mm512_loadu_si512(keys));
  return _mm512_add_epi64(sum, _mm512_mul_epu32(keyed, _mm512_srli_epi64(keyed, 32)));
}

}  // namespace
}  // namespace weir

#include "kernels/sampling_simd.inl"

namespace weir {
const SamplingKernels kSamplingAvx512 = {Weigh, Collect, Forbid, Hash};
}  // namespace weir
