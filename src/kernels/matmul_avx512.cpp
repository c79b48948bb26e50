#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"

#include "kernels/matmul_ops_avx512.inl"

namespace weir {
namespace {

constexpr int kRowBlock = kVectorBlockRows;
constexpr int kFloatRowBlock = 6;

Floats FromBFloats(const uint8_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(Load32(p)), 16));
}
Floats LoadFloats(const float* p) { return _mm512_loadu_ps(p); }
Floats FromInts(Bytes v) { return _mm512_cvtepi32_ps(v); }
Bytes LoadInts(const int32_t* p) { return _mm512_loadu_si512(p); }
void StoreInts(int32_t* p, Bytes v) { _mm512_storeu_si512(p, v); }
Bytes MulInts(Bytes v, int factor) { return _mm512_mullo_epi32(v, _mm512_set1_epi32(factor)); }

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

/// Codes is how 32 columns of operands lie; kKeep: what they unpack to is kept for other rows.
template <class Codes, int kGroup, bool kMin, bool kKeep, int kRows>
void MultiplyPanel(const Panel& panel, const PanelRows& rows, float* sums) {
  constexpr int kSteps = kGroup / kStepCols;
  __m512 sum[kRows][kPair];
#pragma GCC unroll 16
  for (int i = 0; i < kRows * kPair; ++i) {
    sum[i / kPair][i % kPair] = _mm512_load_ps(sums + i * kTileRows);
  }
  const Codes codes(panel.levels);
  int at = 0;  // of the unit
  for (int g = 0; g < panel.n_groups; at += Codes::kBytes) {
    const CodesAhead ahead(panel, at / Codes::kBytes);
    const int8_t* unit = rows.q + g * kGroup * kRowBlock;
    const float* scales = rows.scale + g * kGroup / kQuantBlock * kRowBlock;
#pragma GCC unroll 2
    for (int first = 0; first < kUnitSteps; first += kSteps, ++g) {
      __m512i dot[kRows][kPair];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m512i start = kMin ? _mm512_setzero_si512() : _mm512_set1_epi32(rows.start[g * kRowBlock + r]);
        dot[r][0] = dot[r][1] = start;
      }
#pragma GCC unroll 8
      for (int s = first; s < first + kSteps; ++s) {
        const __m512i operands[kPair] = {codes.Step(panel.codes[0] + at, s),
                                         codes.Step(panel.codes[1] + at, s)};
        ahead.Prefetch(0, s);
        ahead.Prefetch(1, s);
        if (kKeep) {
          const int to = (g * kSteps + s - first) * kStepBytes;
          StoreBytes(panel.operands[0] + to, operands[0]);
          StoreBytes(panel.operands[1] + to, operands[1]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m512i x = Broadcast4(unit + r * kUnitCols + s * kStepCols);
          dot[r][0] = _mm512_dpbusd_epi32(dot[r][0], operands[0], x);
          dot[r][1] = _mm512_dpbusd_epi32(dot[r][1], operands[1], x);
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m512 x_scale = _mm512_set1_ps(scales[r]);
#pragma GCC unroll 2
        for (int t = 0; t < kPair; ++t) {
          const __m512 scale = _mm512_mul_ps(_mm512_load_ps(panel.scale[t][g]), x_scale);
          sum[r][t] = _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(dot[r][t]), sum[r][t]);
        }
      }
      if (!kMin) continue;
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m512 offset = _mm512_set1_ps(rows.offset[g * kRowBlock + r]);
#pragma GCC unroll 2
        for (int t = 0; t < kPair; ++t) {
          sum[r][t] = _mm512_fmadd_ps(_mm512_load_ps(panel.neg_min[t][g]), offset, sum[r][t]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows * kPair; ++i) {
    _mm512_store_ps(sums + i * kTileRows, sum[i / kPair][i % kPair]);
  }
}

template <class Codes, int kGroup, bool kMin, bool kKeep>
constexpr PanelFn kPanelKernels[kRowBlock] = {
    MultiplyPanel<Codes, kGroup, kMin, kKeep, 1>, MultiplyPanel<Codes, kGroup, kMin, kKeep, 2>,
    MultiplyPanel<Codes, kGroup, kMin, kKeep, 3>, MultiplyPanel<Codes, kGroup, kMin, kKeep, 4>,
    MultiplyPanel<Codes, kGroup, kMin, kKeep, 5>, MultiplyPanel<Codes, kGroup, kMin, kKeep, 6>};

template <class Codes, int kGroup, bool kMin>
struct ChooseKernels {
  using Operands = Planes<8, 0, false>;

  static const PanelFn* Run(KernelUse use) {
    if (use == KernelUse::kOperands) return kPanelKernels<Operands, kGroup, kMin, false>;
    const bool keep = use == KernelUse::kUnitsKept && !Codes::kAreOperands;
    return keep ? kPanelKernels<Codes, kGroup, kMin, !Codes::kAreOperands>
                : kPanelKernels<Codes, kGroup, kMin, false>;
  }
};

struct WideRows {};
const int8_t* Widen(const PackLayout&, const int8_t* q, int, WideRows*) { return q; }

const PanelFn* Kernels(const PackLayout& layout, KernelUse use) {
  return WithFormat<ChooseKernels>(layout, use);
}

/// Few rows go through several chains at once, for enough independent sums.
template <int kRows>
void MultiplyFloatPanel(const FloatPanel& panel, const float* const* x, float* chains) {
  constexpr int kAtOnce = kRows <= 2 ? 4 : kRows <= 4 ? 2 : 1;
  for (int first = 0; first < kChains; first += kAtOnce) {
    __m512 sum[kRows * kAtOnce * kPair];
    const auto at = [&](int i) {  // of sum i
      const int row = i / kPair / kAtOnce, chain = first + i / kPair % kAtOnce;
      return chains + ((row * kChains + chain) * kPair + i % kPair) * kTileRows;
    };
#pragma GCC unroll 16
    for (int i = 0; i < kRows * kAtOnce * kPair; ++i) sum[i] = _mm512_load_ps(at(i));
    for (int c = first; c < panel.n_cols; c += kChains) {
#pragma GCC unroll 4
      for (int k = 0; k < kAtOnce; ++k) {
        if (c + k >= panel.n_cols) break;
        for (int t = 0; t < kPair; ++t) Prefetch(panel.ahead[t] + (c + k) * panel.ahead_step, 1);
        const __m512 w0 = _mm512_loadu_ps(panel.weights[0] + (c + k) * kTileRows);
        const __m512 w1 = _mm512_loadu_ps(panel.weights[1] + (c + k) * kTileRows);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const int first_sum = (r * kAtOnce + k) * kPair;
          const __m512 value = _mm512_set1_ps(x[r][c + k]);
          sum[first_sum] = _mm512_fmadd_ps(w0, value, sum[first_sum]);
          sum[first_sum + 1] = _mm512_fmadd_ps(w1, value, sum[first_sum + 1]);
        }
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows * kAtOnce * kPair; ++i) _mm512_store_ps(at(i), sum[i]);
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

int64_t MatMulAvx512(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                     const Activations& x, float* y, int64_t y_stride) {
  return MatMul(w, tile_begin, tile_end, x, y, y_stride);
}

}  // namespace weir
