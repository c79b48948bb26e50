#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"

namespace weir {
namespace {

constexpr int kRowBlock = kMaxRowBlock;
constexpr int kFloatRowBlock = 4;  // times four chains

__m512i Load(const uint8_t* p) { return _mm512_loadu_si512(p); }

/// Four neighbouring activations, for every row of the tile.
__m512i Broadcast4(const int8_t* q) {
  int32_t four;
  __builtin_memcpy(&four, q, 4);
  return _mm512_set1_epi32(four);
}

/// kSteps is the number of steps in a group: 4 or 8.
template <int kRows, int kSteps, bool kMin>
void MultiplyPanel(const Panel& panel, const PanelRows& rows, float* sums) {
  __m512 sum[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r] = _mm512_load_ps(sums + r * kTileRows);
  const uint8_t* operands = panel.operands;
  int64_t column = 0;
  for (int g = 0; g < panel.n_groups; ++g) {
    __m512i dot[kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      dot[r] = kMin ? _mm512_setzero_si512() : _mm512_set1_epi32(rows.start[r][g]);
    }
#pragma GCC unroll 8
    for (int s = 0; s < kSteps; ++s) {
      const __m512i weights = Load(operands + s * kStepBytes);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        dot[r] = _mm512_dpbusd_epi32(dot[r], weights, Broadcast4(rows.q[r] + column + s * kStepCols));
      }
    }
    operands += kSteps * kStepBytes;
    column += kSteps * kStepCols;
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
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) _mm512_store_ps(sums + r * kTileRows, sum[r]);
}

template <int kSteps, bool kMin>
constexpr PanelFn kPanelKernels[kRowBlock] = {
    MultiplyPanel<1, kSteps, kMin>, MultiplyPanel<2, kSteps, kMin>, MultiplyPanel<3, kSteps, kMin>,
    MultiplyPanel<4, kSteps, kMin>, MultiplyPanel<5, kSteps, kMin>, MultiplyPanel<6, kSteps, kMin>,
    MultiplyPanel<7, kSteps, kMin>, MultiplyPanel<8, kSteps, kMin>};

const PanelFn* PanelKernels(const PackLayout& layout) {
  if (layout.group == 16) return layout.has_min ? kPanelKernels<4, true> : kPanelKernels<4, false>;
  return layout.has_min ? kPanelKernels<8, true> : kPanelKernels<8, false>;
}

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

/// Shifts every byte's bits right (or left, if negative); what crosses into other bytes is for a mask.
__m512i ShiftRight(__m512i v, int n) {
  return n >= 0 ? _mm512_srli_epi16(v, static_cast<unsigned>(n))
                : _mm512_slli_epi16(v, static_cast<unsigned>(-n));
}

/// Operands of codes with a plane of kLow bits and, unless kHigh is 0, one of the kHigh bits above them.
template <int kLow, int kHigh, bool kLevels>
void UnpackPlanes(const uint8_t* units, int n_units, const uint8_t* levels, uint8_t* operands) {
  __m512i table = _mm512_setzero_si512();
  if (kLevels) {
    table = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(levels)));
  }
  const __m512i low_mask = _mm512_set1_epi8((1 << kLow) - 1);
  const __m512i high_mask = _mm512_set1_epi8(((1 << kHigh) - 1) << kLow);
  for (int u = 0; u < n_units; ++u, units += (kLow + kHigh) * kStepBytes) {
#pragma GCC unroll 8
    for (int s = 0; s < kUnitSteps; ++s, operands += kStepBytes) {
      const __m512i low = Load(units + s * kLow / 8 * kStepBytes);
      __m512i codes = _mm512_and_si512(ShiftRight(low, s * kLow % 8), low_mask);
      if (kHigh > 0) {
        const __m512i high = Load(units + (kLow + s * kHigh / 8) * kStepBytes);
        const __m512i bits = ShiftRight(high, s * kHigh % 8 - kLow);
        codes = _mm512_ternarylogic_epi32(bits, high_mask, codes, 0xea);  // bits & mask | codes
      }
      if (kLevels) codes = _mm512_shuffle_epi8(table, codes);
      _mm512_store_si512(operands, codes);
    }
  }
}

void UnpackOperands(const PackLayout& layout, const uint8_t* units, int n_units, uint8_t* operands) {
  const uint8_t* levels = layout.levels;
  switch (layout.bits) {
    case 2: return UnpackPlanes<2, 0, false>(units, n_units, levels, operands);
    case 3:
      return levels ? UnpackPlanes<2, 1, true>(units, n_units, levels, operands)
                    : UnpackPlanes<2, 1, false>(units, n_units, levels, operands);
    case 4:
      return levels ? UnpackPlanes<4, 0, true>(units, n_units, levels, operands)
                    : UnpackPlanes<4, 0, false>(units, n_units, levels, operands);
    case 5: return UnpackPlanes<4, 1, false>(units, n_units, levels, operands);
    case 6: return UnpackPlanes<4, 2, false>(units, n_units, levels, operands);
  }
}

__m128i Load16Bytes(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
__m512 LoadHalves(const uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
__m512 Negated(__m512 x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.f)); }

/// 2^(e - 128), where e < 2 gives subnormals.
__m512 PowersOfTwo(__m512i e) {
  const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
  const __m512i subnormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
  const __mmask16 tiny = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
  return _mm512_castsi512_ps(_mm512_mask_mov_epi32(normal, tiny, subnormal));
}

/// Scales and minima of groups in one super-block: the groups' integers times the halves in `super`.
void UnpackSuper(const PackLayout& layout, int group_bytes, const uint8_t* groups, const uint8_t* super,
                 int n_groups, float* scale, float* neg_min) {
  const __m512 d = _mm512_mul_ps(LoadHalves(super), _mm512_set1_ps(layout.factor));
  const __m512 neg_d_min = layout.has_min ? Negated(LoadHalves(super + 2 * kTileRows)) : d;
  const bool nibbles = layout.scale == ScaleKind::kSuperNibbles;
  for (int g = 0; g < n_groups; ++g, groups += group_bytes) {
    const __m128i bytes = Load16Bytes(groups);
    __m512i scales = _mm512_cvtepi8_epi32(bytes), mins = scales;
    if (nibbles) {
      mins = _mm512_srli_epi32(_mm512_cvtepu8_epi32(bytes), 4);
      scales = _mm512_and_si512(scales, _mm512_set1_epi32(15));
    } else if (layout.has_min) {
      mins = _mm512_cvtepu8_epi32(Load16Bytes(groups + kTileRows));
    }
    _mm512_store_ps(scale + g * kTileRows, _mm512_mul_ps(d, _mm512_cvtepi32_ps(scales)));
    if (!layout.has_min) continue;
    _mm512_store_ps(neg_min + g * kTileRows, _mm512_mul_ps(neg_d_min, _mm512_cvtepi32_ps(mins)));
  }
}

void UnpackScales(const PackLayout& layout, const uint8_t* groups, const uint8_t* supers, int n_groups,
                  float* scale, float* neg_min) {
  const int group_bytes = GroupBytes(layout);
  if (layout.scale == ScaleKind::kHalf) {
    for (int g = 0; g < n_groups; ++g, groups += group_bytes) {
      _mm512_store_ps(scale + g * kTileRows, LoadHalves(groups));
      if (!layout.has_min) continue;
      _mm512_store_ps(neg_min + g * kTileRows, Negated(LoadHalves(groups + 2 * kTileRows)));
    }
  } else if (layout.scale == ScaleKind::kExponent) {
    for (int g = 0; g < n_groups; ++g, groups += group_bytes) {
      const __m512i e = _mm512_cvtepu8_epi32(Load16Bytes(groups));
      _mm512_store_ps(scale + g * kTileRows, PowersOfTwo(e));
    }
  } else {
    const int per_super = kSuperCols / layout.group;
    for (int g = 0; g < n_groups; g += per_super, supers += SuperBytes(layout)) {
      UnpackSuper(layout, group_bytes, groups + g * group_bytes, supers, per_super,
                  scale + g * kTileRows, neg_min + g * kTileRows);
    }
  }
}

void Widen(TensorType type, const uint8_t* values, int n, float* floats) {
  for (int i = 0; i < n; i += 16) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + 2 * i));
    const __m512 wide =
        type == TensorType::kF16
            ? _mm512_cvtph_ps(bits)
            : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    _mm512_store_ps(floats + i, wide);
  }
}

}  // namespace
}  // namespace weir

#include "kernels/matmul_simd.inl"

namespace weir {

int64_t MatMulAvx512(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x,
                     float* y, int64_t y_stride) {
  return MatMul(w, tile_begin, tile_end, x, y, y_stride);
}

}  // namespace weir
