#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"

namespace weir {
namespace {

constexpr int kRowBlock = 4;
constexpr int kFloatRowBlock = 6;

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
__m256i PairSumsOf16(const int32_t* p) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(Load8Ints(p), Load8Ints(p + 8)), 0xd8);
}
/// p[0] + p[1], p[2] + p[3], ... of 32 integers.
Bytes PairSums(const int32_t* p) { return {PairSumsOf16(p), PairSumsOf16(p + 16)}; }

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

#include "kernels/matmul_unpack.inl"

namespace weir {
namespace {

/// Four neighbouring activations, for each of 8 rows of the tile.
__m256i Broadcast4(const int8_t* q) {
  int32_t four;
  __builtin_memcpy(&four, q, 4);
  return _mm256_set1_epi32(four);
}

// vpmaddubsw adds two products in 16 bits and saturates. Operands of which kDepth such sums, of
// activations of at most 127, stay below 2^15 are multiplied as they are, kDepth at a time. Larger
// ones (zero point 128, kDepth 0) are taken as signed numbers of magnitude at most 128, whose sign
// goes to the activation.
constexpr int kSignedDepth = 0;

template <int kDepth>
__m256i Products(__m256i operands, __m256i x) {
  if (kDepth > kSignedDepth) return _mm256_maddubs_epi16(operands, x);
  const __m256i weights = _mm256_xor_si256(operands, _mm256_set1_epi8(-128));
  return _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(x, weights));
}

/// 8 of the tile's rows. kSteps is the number of steps in a group: 4 or 8.
template <int kRows, int kSteps, int kDepth, bool kMin>
void MultiplyHalf(const Panel& panel, const PanelRows& rows, int t, int half, float* sums) {
  constexpr int kRun = kDepth == kSignedDepth ? 1 : kDepth;
  const __m256i ones = _mm256_set1_epi16(1);
  sums += t * kTileRows + half * 8;
  __m256 sum[kRows];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) sum[r] = _mm256_load_ps(sums + r * kPair * kTileRows);
  const uint8_t* operands = panel.codes[t] + half * 32;
  int64_t column = 0;
  for (int g = 0; g < panel.n_groups; ++g) {
    __m256i dot[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const bool from_zero = kMin || kDepth == kSignedDepth;
      dot[r] = from_zero ? _mm256_setzero_si256() : _mm256_set1_epi32(rows.start[r][g]);
    }
#pragma GCC unroll 8
    for (int run = 0; run < kSteps; run += kRun) {
      __m256i pairs[kRows];
#pragma GCC unroll 8
      for (int s = run; s < run + kRun; ++s) {
        const __m256i weights = Load32(operands + s * kStepBytes);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          const __m256i x = Broadcast4(rows.q[r] + column + s * kStepCols);
          const __m256i products = Products<kDepth>(weights, x);
          pairs[r] = s == run ? products : _mm256_add_epi16(pairs[r], products);
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        dot[r] = _mm256_add_epi32(dot[r], _mm256_madd_epi16(pairs[r], ones));
      }
    }
    operands += kSteps * kStepBytes;
    column += kSteps * kStepCols;
    const __m256 scale = _mm256_load_ps(panel.scale[t][g] + half * 8);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256 product = _mm256_mul_ps(scale, _mm256_set1_ps(rows.scale[r][g * kSteps / 8]));
      sum[r] = _mm256_fmadd_ps(product, _mm256_cvtepi32_ps(dot[r]), sum[r]);
    }
    if (!kMin) continue;
    const __m256 neg_min = _mm256_load_ps(panel.neg_min[t][g] + half * 8);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      sum[r] = _mm256_fmadd_ps(neg_min, _mm256_set1_ps(rows.offset[r][g]), sum[r]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) _mm256_store_ps(sums + r * kPair * kTileRows, sum[r]);
}

template <int kRows, int kSteps, int kDepth, bool kMin>
void MultiplyPanel(const Panel& panel, const PanelRows& rows, float* sums) {
  for (int t = 0; t < kPair; ++t) {
    for (int half = 0; half < 2; ++half) {
      MultiplyHalf<kRows, kSteps, kDepth, kMin>(panel, rows, t, half, sums);
    }
  }
}

template <int kSteps, int kDepth, bool kMin>
constexpr PanelFn kPanelKernels[kRowBlock] = {
    MultiplyPanel<1, kSteps, kDepth, kMin>, MultiplyPanel<2, kSteps, kDepth, kMin>,
    MultiplyPanel<3, kSteps, kDepth, kMin>, MultiplyPanel<4, kSteps, kDepth, kMin>};

template <int kSteps, bool kMin>
const PanelFn* PanelKernelsOfDepth(int depth) {
  if (depth >= kSteps) return kPanelKernels<kSteps, kSteps, kMin>;
  if (depth >= 4) return kPanelKernels<kSteps, 4, kMin>;
  if (depth >= 2) return kPanelKernels<kSteps, 2, kMin>;
  return depth == 1 ? kPanelKernels<kSteps, 1, kMin> : kPanelKernels<kSteps, kSignedDepth, kMin>;
}

const PanelFn* Kernels(const PackLayout& layout, KernelUse) {
  const int depth = 32767 / (2 * 127 * layout.max_operand);
  if (layout.group == 16) {
    return layout.has_min ? PanelKernelsOfDepth<4, true>(depth)
                          : PanelKernelsOfDepth<4, false>(depth);
  }
  return layout.has_min ? PanelKernelsOfDepth<8, true>(depth)
                        : PanelKernelsOfDepth<8, false>(depth);
}

template <class Codes, int, bool>
struct UnpackPanel {
  static void Run(int n_units, const Panel& panel) {
    const Codes codes(panel.levels);
    for (int u = 0; u < n_units; ++u) {
      PrefetchCodes(panel, u);
      for (int t = 0; t < kPair; ++t) {
        const uint8_t* unit = panel.units[t] + u * Codes::kBytes;
        uint8_t* operands = panel.operands[t] + u * kUnitSteps * kStepBytes;
#pragma GCC unroll 8
        for (int s = 0; s < kUnitSteps; ++s) {
          StoreBytes(operands + s * kStepBytes, codes.Step(unit, s));
        }
      }
    }
  }
};

/// With 16 registers all units are unpacked before the first multiplication.
constexpr bool kMultipliesUnits = false;
void UnpackUnits(const PackLayout& layout, int n_units, const Panel& panel) {
  WithFormat<UnpackPanel>(layout, n_units, panel);
}

/// One tile, as two halves. Few rows go through several chains at once, for enough independent
/// sums.
template <int kRows>
void MultiplyFloatTile(const FloatPanel& panel, int t, const float* const* x, float* chains) {
  constexpr int kAtOnce = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;
  for (int first = 0; first < kChains; first += kAtOnce) {
    __m256 sum[kRows * kAtOnce * 2];
    const auto at = [&](int i) {  // of sum i
      const int row = i / 2 / kAtOnce, chain = first + i / 2 % kAtOnce;
      return chains + (row * kChains + chain) * kPair * kTileRows + i % 2 * 8;
    };
#pragma GCC unroll 16
    for (int i = 0; i < kRows * kAtOnce * 2; ++i) sum[i] = _mm256_load_ps(at(i));
    for (int c = first; c < panel.n_cols; c += kChains) {
#pragma GCC unroll 4
      for (int k = 0; k < kAtOnce; ++k) {
        if (c + k >= panel.n_cols) break;
        Prefetch(panel.ahead[t] + (c + k) * panel.ahead_step, 1);
        const __m256 w0 = _mm256_loadu_ps(panel.weights[t] + (c + k) * kTileRows);
        const __m256 w1 = _mm256_loadu_ps(panel.weights[t] + (c + k) * kTileRows + 8);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const int first_sum = (r * kAtOnce + k) * 2;
          const __m256 value = _mm256_set1_ps(x[r][c + k]);
          sum[first_sum] = _mm256_fmadd_ps(w0, value, sum[first_sum]);
          sum[first_sum + 1] = _mm256_fmadd_ps(w1, value, sum[first_sum + 1]);
        }
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows * kAtOnce * 2; ++i) _mm256_store_ps(at(i), sum[i]);
  }
}

template <int kRows>
void MultiplyFloatPanel(const FloatPanel& panel, const float* const* x, float* chains) {
  for (int t = 0; t < kPair; ++t) {
    MultiplyFloatTile<kRows>(panel, t, x, chains + t * kTileRows);
  }
}

constexpr FloatPanelFn kFloatPanelKernels[kFloatRowBlock] = {
    MultiplyFloatPanel<1>, MultiplyFloatPanel<2>, MultiplyFloatPanel<3>,
    MultiplyFloatPanel<4>, MultiplyFloatPanel<5>, MultiplyFloatPanel<6>};

}  // namespace
}  // namespace weir

#include "kernels/matmul_panel.inl"
#include "kernels/matmul_simd.inl"

namespace weir {

int64_t MatMulAvx2(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                   const Activations& x, float* y, int64_t y_stride) {
  return MatMul(w, tile_begin, tile_end, x, y, y_stride);
}

}  // namespace weir
