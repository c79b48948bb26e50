#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"

#include "kernels/matmul_ops_avx2.inl"
#include "kernels/matmul_unpack.inl"
#include "kernels/matmul_kernels_avx2.inl"

namespace weir {
namespace {

struct Sum {
  static constexpr int kParts = 1;
  static constexpr int kAtOnce = 1;

  static __m256i Part(__m256i operands, int) { return operands; }
  void Begin(__m256i start) { dot = start; }
  void Add(int, __m256i operands, __m256i x) { dot = _mm256_dpbusd_avx_epi32(dot, operands, x); }
  __m256i End(__m256i) { return dot; }

  __m256i dot;
};

struct WideRows {};
const int8_t* Widen(const PackLayout&, const int8_t* q, int, WideRows*) { return q; }

template <class Codes, int kGroup, bool kMin>
struct ChooseKernels {
  static const PanelFn* Run(KernelUse use) { return KernelsFor<Codes, kGroup, kMin, Sum>(use); }
};

const PanelFn* Kernels(const PackLayout& layout, KernelUse use) {
  return WithFormat<ChooseKernels>(layout, use);
}

}  // namespace
}  // namespace weir

#include "kernels/matmul_panel.inl"
#include "kernels/matmul_simd.inl"

namespace weir {

int64_t MatMulAvxVnni(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                      const Activations& x, float* y, int64_t y_stride) {
  return MatMul(w, tile_begin, tile_end, x, y, y_stride);
}

}  // namespace weir
