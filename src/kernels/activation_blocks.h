// Rows of int8 activations, laid out as the matrix kernels read them: a block is the rows that one kernel multiplies at
// once, its columns one after the other.
#pragma once

#include <cstdint>

namespace weir {

struct Activations;

inline constexpr int kQuantBlock = 32;  // columns per activation scale
inline constexpr int kSumBlock = 16;    // columns per activation sum

/// Rows of a block: up to 6 for vector kernels, whose sums of two tiles fill the registers; 8 to 16 for AMX.
inline constexpr int kVectorBlockRows = 6;
inline constexpr int kMinAmxBlockRows = 8, kAmxBlockRows = 16;

/// Rows that a block has place for.
constexpr int BlockSlots(int block_rows) { return block_rows <= kVectorBlockRows ? kVectorBlockRows : kAmxBlockRows; }

/// Bytes of a block of n_cols columns, with S slots:
///   int8   q8     [n_cols / 32][S][32]
///   float  scale  [n_cols / 32][S]
/// then, of up to 6 rows, what integer sums begin with and minima are multiplied with:
///   int32  sum    [n_cols / 32][S], of 32 columns
///   int32  sum    [n_cols / 16][S], of 16
/// and of more:
///   float  offset [n_cols / 32][S], scale * sum
///   float  offset [n_cols / 16][S]
constexpr int64_t ActivationBlockBytes(int64_t n_cols, int block_rows) {
  const int64_t n_bytes = n_cols / kQuantBlock * BlockSlots(block_rows) * (32 + 4 + 4 + 8);
  return (n_bytes + 63) / 64 * 64;
}

/// Bytes of n_rows rows in blocks of any height.
constexpr int64_t ActivationBlocksBytes(int64_t n_rows, int64_t n_cols) {
  const auto bytes = [&](int rows) { return (n_rows + rows - 1) / rows * ActivationBlockBytes(n_cols, rows); };
  return bytes(kVectorBlockRows) > bytes(kAmxBlockRows) ? bytes(kVectorBlockRows) : bytes(kAmxBlockRows);
}

/// Writes rows [block * x.block_rows, ...) of the product, at most x.block_rows, from the row-major forms of x. Slots
/// without a row have scales and sums of zero.
void ArrangeBlock(const Activations& x, int64_t block, uint8_t* out);

}  // namespace weir
