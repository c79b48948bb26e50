// What the vector kernels of matmul_avx2.cpp and matmul_avx512.cpp and the loops around them
// (matmul_simd.inl) pass to each other. No functions: an inline one would be emitted in an ISA
// file.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/pack_layout.h"

namespace weir {

/// A tile is unpacked in panels of so many columns: 8 KiB of operands and at most 4 KiB of scales
/// and minima, which stay in the first cache while all activations are multiplied with them.
inline constexpr int kPanelCols = 512;
inline constexpr int kPanelGroups = kPanelCols / kSumBlock;
/// The same for F32, F16 and BF16: 16 KiB of floats.
inline constexpr int kFloatPanelCols = 256;

/// The most rows of activations that a kernel multiplies at once.
inline constexpr int kMaxRowBlock = 8;

struct Panel {
  const uint8_t* codes;  // operands [n_groups][group / 4][16][4] or, for a single row, packed units
  const uint8_t* levels;  // of the layout
  const float* scale;     // [n_groups][16]
  const float* neg_min;   // [n_groups][16], where the type has minima
  int n_groups;
};

/// Up to kMaxRowBlock rows of activations in the columns of a panel.
struct PanelRows {
  const int8_t* q[kMaxRowBlock];
  float scale[kMaxRowBlock][kPanelCols / kQuantBlock];
  int32_t start[kMaxRowBlock]
               [kPanelGroups];               // -zero * sum, with which a group's integer sum begins
  float offset[kMaxRowBlock][kPanelGroups];  // scale * sum, what a minimum is multiplied with
};

/// Adds the products with a fixed number of rows to sums [rows][16].
using PanelFn = void (*)(const Panel& panel, const PanelRows& rows, float* sums);

/// Adds the products of weights [n_cols][16] with a fixed number of rows to chains [rows][4][16].
using FloatPanelFn = void (*)(const float* weights, int n_cols, const float* const* x,
                              float* chains);

}  // namespace weir
