// The row operations with AVX-512: a vector of 16 lanes is one register.
#include "kernels/intrinsics.h"
#include "kernels/rows.h"

namespace weir {
namespace {

using V = __m512;

constexpr int kHeadBlock = 6;      // query heads that share a load of the keys and values
constexpr int kAccumulators = 24;  // vectors summed side by side, of 32 registers

V Load(const float* x) { return _mm512_loadu_ps(x); }
V Load(const uint16_t* half) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(half)));
}
void Store(float* x, V v) { _mm512_storeu_ps(x, v); }
void StoreHalf(uint16_t* half, V v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(half),
                      _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
V LoadBFloat(const uint16_t* bits) {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bits));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}
void StoreBFloat(uint16_t* bits, V v) {
  const __m512i x = _mm512_castps_si512(v), high = _mm512_srli_epi32(x, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i nearest =
      _mm512_srli_epi32(_mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
  const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(bits),
                      _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(nearest, nan, quiet)));
}
V LoadInt8(const int8_t* q) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x));
}
V SetHalf(const uint16_t* half) {
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<int16_t>(*half)));
}
V Set1(float x) { return _mm512_set1_ps(x); }
float First(V v) { return _mm512_cvtss_f32(v); }
V Add(V a, V b) { return _mm512_add_ps(a, b); }
V Sub(V a, V b) { return _mm512_sub_ps(a, b); }
V Mul(V a, V b) { return _mm512_mul_ps(a, b); }
V Div(V a, V b) { return _mm512_div_ps(a, b); }
V Fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
float Fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
float Sqrt(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

// Both give b where a or b is NaN.
V Min(V a, V b) { return _mm512_min_ps(a, b); }
V Max(V a, V b) { return _mm512_max_ps(a, b); }

/// 2^n, n being the low bits of `shifted` (Exp).
V PowerOfTwo(V shifted) {
  const __m512i biased = _mm512_add_epi32(_mm512_castps_si512(shifted), _mm512_set1_epi32(127));
  return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}
V ZeroWhereLess(V x, V limit, V value) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), value);
}

/// The sums of four vectors' lanes, added 8 apart, then 4, 2, 1; each step is shared by two or
/// four.
void StoreSums(float* sums, const V* v) {
  const V ab = Add(_mm512_shuffle_f32x4(v[0], v[1], 0x44), _mm512_shuffle_f32x4(v[0], v[1], 0xee));
  const V cd = Add(_mm512_shuffle_f32x4(v[2], v[3], 0x44), _mm512_shuffle_f32x4(v[2], v[3], 0xee));
  V abcd = Add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  abcd = Add(abcd, _mm512_permute_ps(abcd, 0x4e));
  abcd = Add(abcd, _mm512_permute_ps(abcd, 0xb1));
  _mm_storeu_ps(sums, _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, abcd)));
}
float Sum(V v) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
float MaxOf(V v) { return _mm512_reduce_max_ps(v); }

/// The largest |x|; NaN if there is one, because magnitudes compare like their bits.
float MaxMagnitude(V a, V b) {
  const __m512i bits = _mm512_set1_epi32(0x7fffffff);
  const __m512i max = _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(a), bits),
                                       _mm512_and_si512(_mm512_castps_si512(b), bits));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(max))));
}

/// Stores 16 values in [-127, 127], rounded to nearest even, and returns their sum.
int32_t StoreRounded(int8_t* q, V v) {
  const __m512i rounded = _mm512_cvtps_epi32(v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm512_cvtepi32_epi8(rounded));
  return _mm512_reduce_add_epi32(rounded);
}

}  // namespace
}  // namespace weir

#include "kernels/rows_simd.inl"

namespace weir {
const RowKernels kRowsAvx512 = kRows;
}  // namespace weir
