// What matmul_unpack.inl is written in, with AVX-512.

namespace weir {
namespace {

using Bytes = __m512i;
using Floats = __m512;

Bytes LoadBytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
void StoreBytes(uint8_t* p, Bytes v) { _mm512_store_si512(p, v); }
Bytes Set1(int byte) { return _mm512_set1_epi8(static_cast<char>(byte)); }
Bytes And(Bytes a, Bytes b) { return _mm512_and_si512(a, b); }
Bytes AndOr(Bytes a, Bytes mask, Bytes b) { return _mm512_ternarylogic_epi32(a, mask, b, 0xea); }
Bytes ShiftRight(Bytes v, int n) {
  return n >= 0 ? _mm512_srli_epi16(v, static_cast<unsigned>(n))
                : _mm512_slli_epi16(v, static_cast<unsigned>(-n));
}
__m128i Load16(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
__m256i Load32(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
Bytes LoadLevels(const uint8_t* p) { return _mm512_broadcast_i32x4(Load16(p)); }
Bytes Lookup(Bytes levels, Bytes codes) { return _mm512_shuffle_epi8(levels, codes); }

void StoreFloats(float* p, Floats v) { _mm512_storeu_ps(p, v); }
Floats Mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
Floats Times(Floats a, float b) { return _mm512_mul_ps(a, _mm512_set1_ps(b)); }
Floats Negated(Floats v) { return _mm512_xor_ps(v, _mm512_set1_ps(-0.f)); }
Floats FromHalves(const uint8_t* p) { return _mm512_cvtph_ps(Load32(p)); }
Floats FromSigned(const uint8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(Load16(p))); }
Floats FromUnsigned(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(Load16(p)));
}
Floats FromLowNibbles(const uint8_t* p) {
  return _mm512_cvtepi32_ps(
      _mm512_and_si512(_mm512_cvtepu8_epi32(Load16(p)), _mm512_set1_epi32(15)));
}
Floats FromHighNibbles(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(Load16(p)), 4));
}
/// 2^(e - 128), where e < 2 gives subnormals.
Floats FromExponents(const uint8_t* p) {
  const __m512i e = _mm512_cvtepu8_epi32(Load16(p));
  const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
  const __m512i subnormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
  const __mmask16 tiny = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
  return _mm512_castsi512_ps(_mm512_mask_mov_epi32(normal, tiny, subnormal));
}

}  // namespace
}  // namespace weir
