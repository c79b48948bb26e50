#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"

#include "kernels/matmul_ops_avx2.inl"
#include "kernels/matmul_unpack.inl"
#include "kernels/matmul_kernels_avx2.inl"

namespace weir {
namespace {

/// How many sums of two products of operands and activations (at most 127) fit in 16 bits: 0 for
/// operands above 128.
constexpr int Depth(int max_operand) { return 32767 / (2 * 127 * max_operand); }

/// Has to be known where the source says so: GCC would reassociate a group's additions, compute all
/// products first and spill them.
void Now(__m256i& sum) { asm("" : "+x"(sum)); }

/// vpmaddubsw adds two products in 16 bits; kDepth such sums are added there before they are widened
/// to 32. Nothing saturates where kDepth is at most Depth(max_operand), for max_operand bounds the
/// layout's operands and quantize() the activations.
template <int kDepth>
struct PairSum {
  static constexpr int kParts = 1;
  static constexpr int kAtOnce = kDepth == 2 ? 2 : 1;

  static __m256i Part(__m256i operands, int) { return operands; }
  void Begin(__m256i) { pairs = dot = _mm256_setzero_si256(); }
  void Add(int i, __m256i operands, __m256i x) {
    const __m256i products = _mm256_maddubs_epi16(operands, x);
    pairs = i % kDepth == 0 ? products : _mm256_add_epi16(pairs, products);
    if (kDepth > 1) Now(pairs);
    if (i % kDepth < kDepth - 1) return;
    dot = _mm256_add_epi32(dot, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    if (kDepth <= 2) Now(dot);
  }
  __m256i End(__m256i start) { return _mm256_add_epi32(dot, start); }

  __m256i pairs, dot;
};

/// For any operands: vpmaddwd multiplies the even columns and then the odd ones, as 16 bits, and
/// adds in 32. (Magnitudes of signed weights for vpmaddubsw, their signs moved to the activations
/// by vpsignb, would keep the two ports that multiply busy for a sixth longer.)
struct WideSum {
  static constexpr int kParts = 2;
  static constexpr int kAtOnce = 1;

  static __m256i Part(__m256i operands, int p) {
    return p == 0 ? _mm256_and_si256(operands, _mm256_set1_epi16(255))
                  : _mm256_srli_epi16(operands, 8);
  }
  void Begin(__m256i start) { dot = start; }
  void Add(int, __m256i operands, __m256i x) {
    dot = _mm256_add_epi32(dot, _mm256_madd_epi16(operands, x));
    Now(dot);
  }
  __m256i End(__m256i) { return dot; }

  __m256i dot;
};

/// The activations of WideSum, [n_cols / 32][S][64]: of each 32 columns, the even ones and then the odd ones.
struct WideRows {
  alignas(64) int8_t q[2 * kPanelCols * kRowBlock];
};

/// The form of n_cols columns of a block that the layout's kernels read.
const int8_t* Widen(const PackLayout& layout, const int8_t* q, int n_cols, WideRows* wide) {
  if (Depth(layout.max_operand) > 0) return q;
  for (int c = 0; c < n_cols * kRowBlock; c += kUnitCols) {
    const __m256i x = Load32(reinterpret_cast<const uint8_t*>(q + c));
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8);
    StoreBytes(reinterpret_cast<uint8_t*>(wide->q + 2 * c), {even, _mm256_srai_epi16(x, 8)});
  }
  return wide->q;
}

/// The operands of plain codes are as large as their bits allow.
template <class Codes, int kGroup, bool kMin>
struct ChooseKernels {
  static constexpr int kMaxOperand = (1 << Codes::kBytes / kStepBytes) - 1;
  static constexpr int kDepth = Depth(kMaxOperand), kSteps = kGroup / kStepCols;

  static const PanelFn* Run(const PackLayout&, KernelUse use) {
    if constexpr (kDepth > 0) {
      constexpr int kRun = kDepth >= kSteps ? kSteps : kDepth >= 4 ? 4 : kDepth;
      return KernelsFor<Codes, kGroup, kMin, PairSum<kRun>>(use);
    } else {
      return KernelsFor<Codes, kGroup, kMin, WideSum>(use);
    }
  }
};

template <int kLow, int kHigh, int kGroup>
struct ChooseKernels<Planes<kLow, kHigh, true>, kGroup, false> {
  using Codes = Planes<kLow, kHigh, true>;

  static const PanelFn* Run(const PackLayout& layout, KernelUse use) {
    const int depth = Depth(layout.max_operand);
    if (depth >= 4) return KernelsFor<Codes, kGroup, false, PairSum<4>>(use);
    return depth >= 1 ? KernelsFor<Codes, kGroup, false, PairSum<1>>(use)
                      : KernelsFor<Codes, kGroup, false, WideSum>(use);
  }
};

const PanelFn* Kernels(const PackLayout& layout, KernelUse use) {
  return WithFormat<ChooseKernels>(layout, layout, use);
}

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
