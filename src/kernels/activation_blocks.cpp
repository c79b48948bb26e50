#include "kernels/activation_blocks.h"

#include <algorithm>
#include <cstring>

#include "kernels/kernel_table.h"

namespace weir {
namespace {

/// The forms of a block after its scales: integer sums, or sums times scales.
int32_t Weighted(int32_t sum, float, int32_t) { return sum; }
float Weighted(int32_t sum, float scale, float) { return scale * static_cast<float>(sum); }

template <int kSlots, class Sum>
void Arrange(const Activations& x, int64_t block, uint8_t* out) {
  const int64_t n_groups = x.n_cols / kQuantBlock;
  auto* scales = reinterpret_cast<float*>(out + x.n_cols * kSlots);
  auto* sums = reinterpret_cast<Sum*>(scales + n_groups * kSlots);  // of 32 columns
  Sum* half_sums = sums + n_groups * kSlots;                        // of 16
  const int64_t begin = block * x.block_rows;
  const int64_t n_rows = std::min<int64_t>(x.block_rows, x.n_rows - begin);
  if (n_rows < kSlots) std::memset(scales, 0, static_cast<size_t>(n_groups * kSlots * 4) * sizeof(float));
  for (int64_t r = 0; r < n_rows; ++r) {
    const int64_t row = x.pick ? x.pick[begin + r] : begin + r;
    const int8_t* q8 = x.q8 + row * x.n_cols;
    const float* scale = x.scale + row * n_groups;
    const int32_t* sum = x.sum + row * n_groups * 2;
    for (int64_t g = 0; g < n_groups; ++g) {
      const int64_t at = g * kSlots + r, half = 2 * g * kSlots + r;
      std::memcpy(out + at * kQuantBlock, q8 + g * kQuantBlock, kQuantBlock);
      scales[at] = scale[g];
      sums[at] = Weighted(sum[2 * g] + sum[2 * g + 1], scale[g], Sum());
      half_sums[half] = Weighted(sum[2 * g], scale[g], Sum());
      half_sums[half + kSlots] = Weighted(sum[2 * g + 1], scale[g], Sum());
    }
  }
}

}  // namespace

void ArrangeBlock(const Activations& x, int64_t block, uint8_t* out) {
  if (x.block_rows <= kVectorBlockRows) return Arrange<kVectorBlockRows, int32_t>(x, block, out);
  Arrange<kAmxBlockRows, float>(x, block, out);
}

}  // namespace weir
