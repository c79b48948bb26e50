// The one family of layouts of packed tiles, private to the packing and the matrix kernels.
//
// A tile holds 16 rows as three regions, each in the order of the columns:
//   codes   [n_cols / 32][64 * bits bytes]
//   groups  [n_cols / group][GroupBytes]   what scales a group of columns, for each of the 16 rows
//   supers  [n_cols / 256][SuperBytes]     halves that multiply the groups' integers, for each row
// The code of 4 columns of 16 rows, one byte each, [16][4], is a *step*: the weight operand of
// vpdpbusd. 32 columns are 8 steps, stored as planes of 8, 4, 2 or 1 bits whose vectors of 64 bytes
// hold 1, 2, 4 or 8 steps, the first in the lowest bits. Five bits are a plane of 4 and then one of
// 1; six are 4 and 2; three are 2 and 1. So a step comes back with one shift and one mask per
// plane.
#pragma once

#include <cstdint>

#include "gguf/tensor_type.h"
#include "kernels/packed_matrix.h"

namespace weir {

inline constexpr int kUnitCols = 32;   // columns per unit of planes
inline constexpr int kStepCols = 4;    // columns per step
inline constexpr int kStepBytes = 64;  // kTileRows * kStepCols
inline constexpr int kUnitSteps = 8;
inline constexpr int kSuperCols = 256;

enum class ScaleKind : uint8_t {
  kHalf,      // groups: [16] half scale, then [16] half minimum
  kExponent,  // groups: [16] byte e, the scale is 2^(e - 128)
  kSuper,  // groups: [16] signed byte, then [16] byte of the minimum; supers: [16] half, [16] half
  kSuperNibbles,  // as kSuper, but one byte: the scale's integer low, the minimum's high
};

/// weight = scale * (operand - zero) - minimum, where the operand is the code or its level.
struct PackLayout {
  TensorType type;
  int bits;         // per code: 2, 3, 4, 5, 6 or 8
  int group;        // columns per scale: 16 or 32
  int zero;         // 0 for types with minima
  int max_operand;  // at most 255
  ScaleKind scale;
  bool has_min = false;
  float factor = 1;                 // of the super-block's half: a power of two
  const uint8_t* levels = nullptr;  // [16] operands by code, or null: the operand is the code
};

/// The layout of a quantised type.
const PackLayout& LayoutOf(TensorType type);

/// Where the regions of a tile begin.
struct TileOffsets {
  int64_t groups;
  int64_t supers;
  int64_t end;
};
TileOffsets OffsetsOf(const PackLayout& layout, int64_t n_cols);

/// Bytes per group and per super-block of a tile.
int GroupBytes(const PackLayout& layout);
int SuperBytes(const PackLayout& layout);

/// One block of the file, taken apart. Which fields mean something depends on the layout.
struct FileBlock {
  uint8_t codes[kSuperCols];  // [block_size]
  uint16_t d;                 // half: scale of the group (kHalf) or of the super-block
  uint16_t d_min;
  uint8_t scale[16];  // [groups], the bits of a signed byte
  uint8_t min[16];    // [groups]
};
using DecodeFn = void (*)(const uint8_t* block, FileBlock* out);
DecodeFn DecoderOf(TensorType type);

// Tiles read back in plain C++, for UnpackRow and the plain matrix multiplication:

/// Writes the operands of one unit, [8 steps][16][4].
void UnpackUnit(const PackLayout& layout, const uint8_t* unit, uint8_t* operands);

struct GroupScale {
  float scale;
  float min;  // 0 if the type has none
};
GroupScale ScaleAt(const PackLayout& layout, const uint8_t* tile, const TileOffsets& offsets,
                   int64_t group, int64_t row);

/// Value i of a tile of F32, F16 or BF16.
float FloatAt(TensorType type, const uint8_t* tile, int64_t i);

}  // namespace weir
