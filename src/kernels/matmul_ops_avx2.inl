// What matmul_unpack.inl is written in, with AVX2: two registers for each of AVX-512.

namespace weir {
namespace {

struct Bytes {
  __m256i a, b;  // the tile's rows 0 to 7, and 8 to 15
};
struct Floats {
  __m256 a, b;
};

__m256i Load32(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
Bytes LoadBytes(const uint8_t* p) { return {Load32(p), Load32(p + 32)}; }
void StoreBytes(uint8_t* p, Bytes v) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(p), v.a);
  _mm256_store_si256(reinterpret_cast<__m256i*>(p + 32), v.b);
}
Bytes Set1(int byte) {
  const __m256i v = _mm256_set1_epi8(static_cast<char>(byte));
  return {v, v};
}
Bytes And(Bytes a, Bytes b) { return {_mm256_and_si256(a.a, b.a), _mm256_and_si256(a.b, b.b)}; }
Bytes AndOr(Bytes a, Bytes mask, Bytes b) {
  const Bytes masked = And(a, mask);
  return {_mm256_or_si256(masked.a, b.a), _mm256_or_si256(masked.b, b.b)};
}
Bytes ShiftRight(Bytes v, int n) {
  return n >= 0 ? Bytes{_mm256_srli_epi16(v.a, n), _mm256_srli_epi16(v.b, n)}
                : Bytes{_mm256_slli_epi16(v.a, -n), _mm256_slli_epi16(v.b, -n)};
}
Bytes LoadLevels(const uint8_t* p) {
  const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m256i v = _mm256_broadcastsi128_si256(levels);
  return {v, v};
}
Bytes Lookup(Bytes levels, Bytes codes) {
  return {_mm256_shuffle_epi8(levels.a, codes.a), _mm256_shuffle_epi8(levels.b, codes.b)};
}

__m256i Load8Ints(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
Bytes LoadInts(const int32_t* p) { return {Load8Ints(p), Load8Ints(p + 8)}; }
void StoreInts(int32_t* p, Bytes v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), v.b);
}
Bytes MulInts(Bytes v, int factor) {
  const __m256i f = _mm256_set1_epi32(factor);
  return {_mm256_mullo_epi32(v.a, f), _mm256_mullo_epi32(v.b, f)};
}

Floats LoadFloats(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
void StoreFloats(float* p, Floats v) {
  _mm256_storeu_ps(p, v.a);
  _mm256_storeu_ps(p + 8, v.b);
}
Floats Mul(Floats a, Floats b) { return {_mm256_mul_ps(a.a, b.a), _mm256_mul_ps(a.b, b.b)}; }
Floats Times(Floats v, float factor) {
  const __m256 f = _mm256_set1_ps(factor);
  return Mul(v, {f, f});
}
Floats Negated(Floats v) {
  const __m256 sign = _mm256_set1_ps(-0.f);
  return {_mm256_xor_ps(v.a, sign), _mm256_xor_ps(v.b, sign)};
}
__m128i Load8(const uint8_t* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
__m128i Load16(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
Bytes Widened(const uint8_t* p) {  // 16 bytes to 32 bits each
  return {_mm256_cvtepu8_epi32(Load8(p)), _mm256_cvtepu8_epi32(Load8(p + 8))};
}
Floats FromInts(Bytes v) { return {_mm256_cvtepi32_ps(v.a), _mm256_cvtepi32_ps(v.b)}; }
Floats FromHalves(const uint8_t* p) {
  return {_mm256_cvtph_ps(Load16(p)), _mm256_cvtph_ps(Load16(p + 16))};
}
Floats FromBFloats(const uint8_t* p) {
  const __m256i a = _mm256_slli_epi32(_mm256_cvtepu16_epi32(Load16(p)), 16);
  const __m256i b = _mm256_slli_epi32(_mm256_cvtepu16_epi32(Load16(p + 16)), 16);
  return {_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)};
}
Floats FromSigned(const uint8_t* p) {
  return FromInts({_mm256_cvtepi8_epi32(Load8(p)), _mm256_cvtepi8_epi32(Load8(p + 8))});
}
Floats FromUnsigned(const uint8_t* p) { return FromInts(Widened(p)); }
Floats FromLowNibbles(const uint8_t* p) { return FromInts(And(Widened(p), Set1(15))); }
Floats FromHighNibbles(const uint8_t* p) { return FromInts(ShiftRight(Widened(p), 4)); }
/// 2^(e - 128), where e < 2 gives subnormals.
__m256 PowersOfTwo(__m256i e) {
  const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
  const __m256i subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
  const __m256i tiny = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
  return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, tiny));
}
Floats FromExponents(const uint8_t* p) {
  const Bytes e = Widened(p);
  return {PowersOfTwo(e.a), PowersOfTwo(e.b)};
}

}  // namespace
}  // namespace weir
