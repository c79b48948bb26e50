// The row operations with AVX2, FMA and F16C: a vector of 16 lanes is two registers.
#include "kernels/intrinsics.h"
#include "kernels/rows.h"

namespace weir {
namespace {

struct V {
  __m256 low;   // lanes 0 to 7
  __m256 high;  // lanes 8 to 15
};

constexpr int kHeadBlock = 2;     // query heads that share a load of the keys and values
constexpr int kAccumulators = 4;  // vectors summed side by side: 8 of 16 registers

V Load(const float* x) { return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
V Load(const uint16_t* half) {
  const __m128i* x = reinterpret_cast<const __m128i*>(half);
  return {_mm256_cvtph_ps(_mm_loadu_si128(x)), _mm256_cvtph_ps(_mm_loadu_si128(x + 1))};
}
void Store(float* x, V v) {
  _mm256_storeu_ps(x, v.low);
  _mm256_storeu_ps(x + 8, v.high);
}
void StoreHalf(uint16_t* half, V v) {
  __m128i* x = reinterpret_cast<__m128i*>(half);
  _mm_storeu_si128(x, _mm256_cvtps_ph(v.low, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(x + 1, _mm256_cvtps_ph(v.high, _MM_FROUND_TO_NEAREST_INT));
}
__m256 WidenBFloat(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
V LoadBFloat(const uint16_t* bits) {
  const __m128i* x = reinterpret_cast<const __m128i*>(bits);
  return {WidenBFloat(_mm_loadu_si128(x)), WidenBFloat(_mm_loadu_si128(x + 1))};
}
/// The upper halves, rounded to nearest even, in the lower ones.
__m256i RoundToBFloat(__m256 v) {
  const __m256i x = _mm256_castps_si256(v), high = _mm256_srli_epi32(x, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i nearest =
      _mm256_srli_epi32(_mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(nearest, quiet, nan);
}
void StoreBFloat(uint16_t* bits, V v) {
  const __m256i words = _mm256_packus_epi32(RoundToBFloat(v.low), RoundToBFloat(v.high));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(bits), _mm256_permute4x64_epi64(words, 0xd8));
}
__m256 EightInt8(const int8_t* q) {
  const __m128i x = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(q));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x));
}
V LoadInt8(const int8_t* q) { return {EightInt8(q), EightInt8(q + 8)}; }
V SetHalf(const uint16_t* half) {
  const __m256 x = _mm256_cvtph_ps(_mm_set1_epi16(static_cast<int16_t>(*half)));
  return {x, x};
}
V Set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
float First(V v) { return _mm256_cvtss_f32(v.low); }
V Add(V a, V b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
V Sub(V a, V b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
V Mul(V a, V b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
V Div(V a, V b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
V Fma(V a, V b, V c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
float Fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
float Sqrt(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

// Both give b where a or b is NaN.
V Min(V a, V b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
V Max(V a, V b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }

/// 2^n, n being the low bits of `shifted` (Exp).
__m256 PowerOfTwo(__m256 shifted) {
  const __m256i biased = _mm256_add_epi32(_mm256_castps_si256(shifted), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
V PowerOfTwo(V shifted) { return {PowerOfTwo(shifted.low), PowerOfTwo(shifted.high)}; }
V ZeroWhereLess(V x, V limit, V value) {
  return {_mm256_and_ps(_mm256_cmp_ps(x.low, limit.low, _CMP_NLT_UQ), value.low),
          _mm256_and_ps(_mm256_cmp_ps(x.high, limit.high, _CMP_NLT_UQ), value.high)};
}

__m256 EightSums(V v) { return _mm256_add_ps(v.low, v.high); }

/// The sums of four vectors' lanes, added 8 apart, then 4, 2, 1; each step is shared by two or
/// four.
void StoreSums(float* sums, const V* v) {
  const __m256 a = EightSums(v[0]), b = EightSums(v[1]), c = EightSums(v[2]), d = EightSums(v[3]);
  const __m256 ac =
      _mm256_add_ps(_mm256_permute2f128_ps(a, c, 0x20), _mm256_permute2f128_ps(a, c, 0x31));
  const __m256 bd =
      _mm256_add_ps(_mm256_permute2f128_ps(b, d, 0x20), _mm256_permute2f128_ps(b, d, 0x31));
  // Of each half: the two partial sums of a (or c), then those of b (or d).
  const __m256 pairs =
      _mm256_add_ps(_mm256_shuffle_ps(ac, bd, 0x44), _mm256_shuffle_ps(ac, bd, 0xee));
  const __m256 all = _mm256_add_ps(pairs, _mm256_movehdup_ps(pairs));
  _mm_storeu_ps(sums,
                _mm_shuffle_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1), 0x88));
}
float Sum(V v) {
  const __m256 eight = EightSums(v);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
float MaxOf(V v) {
  const __m256 eight = _mm256_max_ps(v.low, v.high);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

__m256i Magnitude(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

/// The largest |x|; NaN if there is one, because magnitudes compare like their bits.
float MaxMagnitude(V a, V b) {
  const __m256i eight = _mm256_max_epi32(_mm256_max_epi32(Magnitude(a.low), Magnitude(a.high)),
                                         _mm256_max_epi32(Magnitude(b.low), Magnitude(b.high)));
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1))));
}

/// Stores 16 values in [-127, 127], rounded to nearest even, and returns their sum.
int32_t StoreRounded(int8_t* q, V v) {
  const __m256i low = _mm256_cvtps_epi32(v.low);
  const __m256i high = _mm256_cvtps_epi32(v.high);
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(q),
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  const __m256i eight = _mm256_add_epi32(low, high);
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

}  // namespace
}  // namespace weir

#include "kernels/rows_simd.inl"

namespace weir {
const RowKernels kRowsAvx2 = kRows;
}  // namespace weir
