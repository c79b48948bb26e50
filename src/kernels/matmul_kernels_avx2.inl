// The matrix kernels of matmul_avx2.cpp and matmul_avxvnni.cpp: one tile at a time, as two halves of
// 8 rows, times up to six rows of activations. The 12 integer sums of a group fill the registers, so
// the float sums wait in the first cache: per group a load that the fused multiply-add does itself,
// and a store. The including file defines how integers are summed, by classes with
//   kAtOnce              how many steps each row of activations is multiplied with before the next
//   kParts               1, or 2 if half of each step's columns are multiplied before the others
//   Part(operands, p)    part p of 32 operands
//   Begin(start)         } of which one adds `start` to the sum; End returns it
//   End(start)           }
//   Add(s, operands, x)  adds step s, or one part of it, to the sum of each of 8 rows

namespace weir {
namespace {

constexpr int kRowBlock = kVectorBlockRows;
constexpr int kFloatRowBlock = 6;

/// Four bytes of activations, for each of 8 rows of the tile.
__m256i Broadcast4(const int8_t* q) {
  int32_t four;
  __builtin_memcpy(&four, q, 4);
  return _mm256_set1_epi32(four);
}

/// The integer sums of a group of one tile: its steps are [first, first + kSteps) of unit `u`.
template <class Codes, int kSteps, bool kMin, class Sum, bool kKeep, int kRows>
[[gnu::always_inline]] inline void SumGroup(const Codes& codes, const Panel& panel, int t,
                                            const PanelRows& rows, int u, int first, int g,
                                            const CodesAhead& ahead, __m256i (&dot)[kRows][2]) {
  const uint8_t* unit = panel.codes[t] + u * Codes::kBytes;
  const auto start = [&](int r) {
    return kMin ? _mm256_setzero_si256() : _mm256_set1_epi32(rows.start[g * kRowBlock + r]);
  };
  Sum sum[kRows][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    sum[r][0].Begin(start(r));
    sum[r][1].Begin(start(r));
  }
#pragma GCC unroll 8
  for (int s = 0; s < kSteps; s += Sum::kAtOnce) {
    Bytes operands[Sum::kAtOnce];
#pragma GCC unroll 2
    for (int i = 0; i < Sum::kAtOnce; ++i) {
      operands[i] = codes.Step(unit, first + s + i);
      if (kRows == 1) ahead.Prefetch(t, first + s + i);
      uint8_t* to = panel.operands[t] + (u * kUnitSteps + first + s + i) * kStepBytes;
      if (kKeep) StoreBytes(to, operands[i]);
    }
#pragma GCC unroll 2
    for (int p = 0; p < Sum::kParts; ++p) {
      const int8_t* q = rows.q + (u * kRowBlock * Sum::kParts + p) * kUnitCols + (first + s) * kStepCols;
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
        for (int i = 0; i < Sum::kAtOnce; ++i) {
          const __m256i x = Broadcast4(q + r * Sum::kParts * kUnitCols + i * kStepCols);
          sum[r][0].Add(s + i, Sum::Part(operands[i].a, p), x);
          sum[r][1].Add(s + i, Sum::Part(operands[i].b, p), x);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    dot[r][0] = sum[r][0].End(start(r));
    dot[r][1] = sum[r][1].End(start(r));
  }
}

/// Codes is how 32 columns of operands lie; kKeep: what they unpack to is kept for other rows.
template <class Codes, int kGroup, bool kMin, class Sum, bool kKeep, int kRows>
void MultiplyPanel(const Panel& panel, const PanelRows& rows, float* sums) {
  constexpr int kSteps = kGroup / kStepCols;
  const Codes codes(panel.levels);
  for (int g = 0, u = 0; g < panel.n_groups; ++u) {
    const CodesAhead ahead(panel, u);
    if (kRows > 1) ahead.PrefetchAll();  // where registers are short, 5 % better than step by step
#pragma GCC unroll 2
    for (int first = 0; first < kUnitSteps; first += kSteps, ++g) {
      for (int t = 0; t < kPair; ++t) {
        __m256i dot[kRows][2];
        SumGroup<Codes, kSteps, kMin, Sum, kKeep, kRows>(codes, panel, t, rows, u, first, g, ahead, dot);
        const Floats scale = LoadFloats(panel.scale[t][g]);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m256 x_scale = _mm256_set1_ps(rows.scale[u * kRowBlock + r]);
          float* to = sums + (r * kPair + t) * kTileRows;
          Floats sum = LoadFloats(to);
          sum.a = _mm256_fmadd_ps(_mm256_mul_ps(scale.a, x_scale), _mm256_cvtepi32_ps(dot[r][0]),
                                  sum.a);
          sum.b = _mm256_fmadd_ps(_mm256_mul_ps(scale.b, x_scale), _mm256_cvtepi32_ps(dot[r][1]),
                                  sum.b);
          if (kMin) {
            const __m256 offset = _mm256_set1_ps(rows.offset[g * kRowBlock + r]);
            const Floats neg_min = LoadFloats(panel.neg_min[t][g]);
            sum.a = _mm256_fmadd_ps(neg_min.a, offset, sum.a);
            sum.b = _mm256_fmadd_ps(neg_min.b, offset, sum.b);
          }
          StoreFloats(to, sum);
        }
      }
    }
  }
}

template <class Codes, int kGroup, bool kMin, class Sum, bool kKeep>
constexpr PanelFn kPanelKernels[kRowBlock] = {MultiplyPanel<Codes, kGroup, kMin, Sum, kKeep, 1>,
                                              MultiplyPanel<Codes, kGroup, kMin, Sum, kKeep, 2>,
                                              MultiplyPanel<Codes, kGroup, kMin, Sum, kKeep, 3>,
                                              MultiplyPanel<Codes, kGroup, kMin, Sum, kKeep, 4>,
                                              MultiplyPanel<Codes, kGroup, kMin, Sum, kKeep, 5>,
                                              MultiplyPanel<Codes, kGroup, kMin, Sum, kKeep, 6>};

template <class Codes, int kGroup, bool kMin, class Sum>
const PanelFn* KernelsFor(KernelUse use) {
  using Operands = Planes<8, 0, false>;
  if (use == KernelUse::kOperands) return kPanelKernels<Operands, kGroup, kMin, Sum, false>;
  const bool keep = use == KernelUse::kUnitsKept && !Codes::kAreOperands;
  return keep ? kPanelKernels<Codes, kGroup, kMin, Sum, !Codes::kAreOperands>
              : kPanelKernels<Codes, kGroup, kMin, Sum, false>;
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
