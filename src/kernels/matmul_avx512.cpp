#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"

namespace weir {
namespace {

constexpr int kRowBlock = kMaxRowBlock;
constexpr int kFloatRowBlock = 4;  // times four chains

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

void StoreFloats(float* p, Floats v) { _mm512_store_ps(p, v); }
Floats Mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
Floats Times(Floats a, float b) { return _mm512_mul_ps(a, _mm512_set1_ps(b)); }
Floats Negated(Floats v) { return _mm512_xor_ps(v, _mm512_set1_ps(-0.f)); }
Floats FromHalves(const uint8_t* p) { return _mm512_cvtph_ps(Load32(p)); }
Floats FromBFloats(const uint8_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(Load32(p)), 16));
}
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

#include "kernels/matmul_unpack.inl"

namespace weir {
namespace {

/// Four neighbouring activations, for every row of the tile.
__m512i Broadcast4(const int8_t* q) {
  int32_t four;
  __builtin_memcpy(&four, q, 4);
  return _mm512_set1_epi32(four);
}

/// kSteps is the number of steps in a group: 4 or 8. Codes is how 32 columns of operands lie.
template <int kRows, int kSteps, bool kMin, class Codes>
void MultiplyPanel(const Panel& panel, const PanelRows& rows, float* sums) {
  __m512 sum[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r] = _mm512_load_ps(sums + r * kTileRows);
  const Codes codes(panel.levels);
  const uint8_t* unit = panel.codes;
  for (int g = 0; g < panel.n_groups;) {
    if (kRows == 1) Codes::Prefetch(unit);
#pragma GCC unroll 2
    for (int first = 0; first < kUnitSteps; first += kSteps, ++g) {
      __m512i dot[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        dot[r] = kMin ? _mm512_setzero_si512() : _mm512_set1_epi32(rows.start[r][g]);
      }
#pragma GCC unroll 8
      for (int s = first; s < first + kSteps; ++s) {
        const __m512i operands = codes.Step(unit, s);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m512i x =
              Broadcast4(rows.q[r] + g * kSteps * kStepCols + (s - first) * kStepCols);
          dot[r] = _mm512_dpbusd_epi32(dot[r], operands, x);
        }
      }
      const __m512 scale = _mm512_load_ps(panel.scale + g * kTileRows);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m512 product = _mm512_mul_ps(scale, _mm512_set1_ps(rows.scale[r][g * kSteps / 8]));
        sum[r] = _mm512_fmadd_ps(product, _mm512_cvtepi32_ps(dot[r]), sum[r]);
      }
      if (!kMin) continue;
      const __m512 neg_min = _mm512_load_ps(panel.neg_min + g * kTileRows);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        sum[r] = _mm512_fmadd_ps(neg_min, _mm512_set1_ps(rows.offset[r][g]), sum[r]);
      }
    }
    unit += Codes::kBytes;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) _mm512_store_ps(sums + r * kTileRows, sum[r]);
}

using Operands = Planes<8, 0, false>;

template <int kSteps, bool kMin>
constexpr PanelFn kPanelKernels[kRowBlock] = {
    MultiplyPanel<1, kSteps, kMin, Operands>, MultiplyPanel<2, kSteps, kMin, Operands>,
    MultiplyPanel<3, kSteps, kMin, Operands>, MultiplyPanel<4, kSteps, kMin, Operands>,
    MultiplyPanel<5, kSteps, kMin, Operands>, MultiplyPanel<6, kSteps, kMin, Operands>,
    MultiplyPanel<7, kSteps, kMin, Operands>, MultiplyPanel<8, kSteps, kMin, Operands>};

const PanelFn* PanelKernels(const PackLayout& layout) {
  if (layout.group == 16) return layout.has_min ? kPanelKernels<4, true> : kPanelKernels<4, false>;
  return layout.has_min ? kPanelKernels<8, true> : kPanelKernels<8, false>;
}

template <class Codes>
struct ChooseStreamKernel {
  static PanelFn Run(const PackLayout& layout) {
    if (layout.group == 16) {
      return layout.has_min ? MultiplyPanel<1, 4, true, Codes> : MultiplyPanel<1, 4, false, Codes>;
    }
    return layout.has_min ? MultiplyPanel<1, 8, true, Codes> : MultiplyPanel<1, 8, false, Codes>;
  }
};

PanelFn StreamKernel(const PackLayout& layout) { return WithPlanes<ChooseStreamKernel>(layout); }

template <int kRows>
void MultiplyFloatPanel(const float* weights, int n_cols, const float* const* x, float* chains) {
  __m512 sum[kRows][4];
#pragma GCC unroll 16
  for (int i = 0; i < kRows * 4; ++i) sum[i / 4][i % 4] = _mm512_load_ps(chains + i * kTileRows);
  for (int c = 0; c < n_cols; c += 4) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      if (c + k == n_cols) break;
      const __m512 weight = _mm512_loadu_ps(weights + (c + k) * kTileRows);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        sum[r][k] = _mm512_fmadd_ps(weight, _mm512_set1_ps(x[r][c + k]), sum[r][k]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows * 4; ++i) _mm512_store_ps(chains + i * kTileRows, sum[i / 4][i % 4]);
}

constexpr FloatPanelFn kFloatPanelKernels[kFloatRowBlock] = {
    MultiplyFloatPanel<1>, MultiplyFloatPanel<2>, MultiplyFloatPanel<3>, MultiplyFloatPanel<4>};

}  // namespace
}  // namespace weir

#include "kernels/matmul_simd.inl"

namespace weir {

int64_t MatMulAvx512(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                     const Activations& x, float* y, int64_t y_stride) {
  return MatMul(w, tile_begin, tile_end, x, y, y_stride);
}

}  // namespace weir
