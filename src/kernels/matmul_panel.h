// What the vector kernels of each instruction set and the loops around them
// (matmul_simd.inl) pass to each other. No functions: an inline one would be emitted in an ISA
// file.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/pack_layout.h"

namespace weir {

/// Tiles are multiplied in pairs: each activation that is broadcast serves two tiles. (An
/// odd last tile is its own partner.)
inline constexpr int kPair = 2;

/// A pair of tiles is unpacked in panels of so many columns: 16 KiB of operands and at most 8 KiB
/// of scales and minima, which stay in the first cache while all activations are multiplied with
/// them.
inline constexpr int kPanelCols = 512;
inline constexpr int kPanelGroups = kPanelCols / kSumBlock;
/// The same for F32, F16 and BF16: 32 KiB of floats. Half of that lost up to 15 % with 1 to 4 rows.
inline constexpr int kFloatPanelCols = 256;
inline constexpr int kChains = 4;  // of sums, of the float types

/// Some columns of a pair of tiles.
struct Panel {
  const uint8_t* units[kPair];  // packed
  const uint8_t* codes[kPair];  // what the kernel reads: units, or operands [n_cols / 4][16][4]
  uint8_t* operands[kPair];     // where a kernel that reads units leaves what it unpacked
  const uint8_t* levels;        // of the layout
  int n_groups;
  // What each unit of columns asks memory for: so many lines of either tile, beginning so many
  // bytes after `units`; what lies past the end of a tile's codes is in its successor.
  int ahead_lines;
  int lines_left;  // what further kernels will ask for in this panel
  int64_t ahead;
  int64_t codes_left;          // bytes of the tile's codes, from `units` on
  const uint8_t* next[kPair];  // the tiles after these
  alignas(64) float scale[kPair][kPanelGroups][kTileRows];
  alignas(64) float neg_min[kPair][kPanelGroups][kTileRows];  // where the type has minima
};

/// The rows of a block of activations, of kVectorBlockRows slots S, in the columns of a panel.
struct PanelRows {
  const int8_t* q;     // [n_cols / 32][S][32], or a form of that (WideRows)
  const float* scale;  // [n_cols / 32][S]
  alignas(64) int32_t start[kPanelGroups * kVectorBlockRows];  // [groups][S], -zero * sum: integer sums begin with it
  alignas(64) float offset[kPanelGroups * kVectorBlockRows];   // scale * sum, what a minimum is multiplied with
};

/// What a kernel reads: packed units, units whose operands it keeps in the panel, or such operands.
enum class KernelUse { kUnits, kUnitsKept, kOperands };

/// Adds the products with a fixed number of rows to sums [rows][kPair][16].
using PanelFn = void (*)(const Panel& panel, const PanelRows& rows, float* sums);

/// The same for F32, F16 and BF16.
struct FloatPanel {
  const float* weights[kPair];  // [n_cols][16]
  const uint8_t* ahead[kPair];  // what memory is asked for, ahead_step bytes per column
  int n_cols;
  int64_t ahead_step;
};

/// Adds the products with a fixed number of rows to chains [rows][kChains][kPair][16].
using FloatPanelFn = void (*)(const FloatPanel& panel, const float* const* x, float* chains);

}  // namespace weir
