// Weight matrices as the kernels want them: tiles of 16 rows, repacked from the file's blocks at load.
//
// Every quantised type becomes one family of layouts, without loss: an unsigned integer code per weight
// (2 to 8 bits, through a table of 16 levels for the codebook types), a zero point, a scale per group of
// 16 or 32 columns, and for some a minimum. So one matrix multiplication serves all types: it unpacks a
// tile's codes once per step to bytes in the order [group of 4 columns][16 rows][4 columns], and
// multiplies them with any number of activation rows. F32, F16 and BF16 weights keep their bits, as
// [column][16 rows]. The layout of each type is described in packed_matrix.cpp.
#pragma once

#include <cstdint>

#include "gguf/tensor_type.h"

namespace weir {

inline constexpr int kTileRows = 16;

/// y[n_rows] = W x[n_cols]; W is [n_rows][n_cols] in the paper's order.
struct PackedMatrix {
  TensorType type = TensorType::kF32;  // of the file: names the layout too
  int64_t n_rows = 0;
  int64_t n_cols = 0;
  const uint8_t* tiles = nullptr;  // [n_tiles][TileBytes], 64-byte aligned, not owned

  int64_t n_tiles() const { return (n_rows + kTileRows - 1) / kTileRows; }
};

/// True if the type is multiplied with int8 activations, false for F32, F16 and BF16.
bool IsQuantized(TensorType type);

/// Bytes of one packed tile, a multiple of 64. n_cols must be a multiple of the type's block size.
int64_t TileBytes(TensorType type, int64_t n_cols);
inline int64_t PackedBytes(TensorType type, int64_t n_rows, int64_t n_cols) {
  return (n_rows + kTileRows - 1) / kTileRows * TileBytes(type, n_cols);
}

/// Packs up to 16 rows of the file's format, contiguous at `rows`, into one tile; missing rows become zeros.
void PackTile(TensorType type, const uint8_t* rows, int n_rows, int64_t n_cols, uint8_t* tile);

/// The dequantised values of row `row`, bit-identical to DequantizeRow on the file's row (up to the sign
/// of zero). Used for embedding look-ups and as the proof that packing loses nothing.
void UnpackRow(const PackedMatrix& matrix, int64_t row, float* values);

}  // namespace weir
