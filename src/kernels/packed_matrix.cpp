#include "kernels/packed_matrix.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/dequantize.h"
#include "kernels/pack_layout.h"

namespace weir {
namespace {

int FloatBytes(TensorType type) { return Traits(type).block_bytes; }

void PackFloatTile(int bytes, const uint8_t* rows, int n_rows, int64_t n_cols, uint8_t* tile) {
  std::memset(tile, 0, static_cast<size_t>(n_cols * kTileRows * bytes));
  constexpr int64_t kCols = 64;  // of 16 rows: what is written stays in the first cache
  for (int64_t begin = 0; begin < n_cols; begin += kCols) {
    const int64_t end = std::min(begin + kCols, n_cols);
    for (int r = 0; r < n_rows; ++r) {
      for (int64_t c = begin; c < end; ++c) {
        std::memcpy(tile + (c * kTileRows + r) * bytes, rows + (r * n_cols + c) * bytes,
                    static_cast<size_t>(bytes));
      }
    }
  }
}

using Step = uint8_t[kStepBytes];

/// Writes the bits [shift, shift + kPlane) of eight steps as one plane; returns the end of it.
template <int kPlane>
uint8_t* WritePlane(const Step* steps, int shift, uint8_t* out) {
  constexpr int kPerVector = 8 / kPlane;
  constexpr int kMask = (1 << kPlane) - 1;
  for (int v = 0; v < kPlane; ++v, out += kStepBytes) {
    for (int i = 0; i < kStepBytes; ++i) {
      int byte = 0;
      for (int k = 0; k < kPerVector; ++k) {
        byte |= (steps[v * kPerVector + k][i] >> shift & kMask) << (k * kPlane);
      }
      out[i] = static_cast<uint8_t>(byte);
    }
  }
  return out;
}

/// Writes the codes of 16 rows and 32 columns.
void WriteUnit(const FileBlock* blocks, int column, int bits, uint8_t* out) {
  Step steps[kUnitSteps];
  for (int r = 0; r < kTileRows; ++r) {
    for (int s = 0; s < kUnitSteps; ++s) {
      std::memcpy(steps[s] + r * kStepCols, blocks[r].codes + column + s * kStepCols, kStepCols);
    }
  }
  if (bits == 8) {
    std::memcpy(out, steps, sizeof(steps));
  } else if (bits >= 4) {
    out = WritePlane<4>(steps, 0, out);
    if (bits == 5) WritePlane<1>(steps, 4, out);
    if (bits == 6) WritePlane<2>(steps, 4, out);
  } else {
    out = WritePlane<2>(steps, 0, out);
    if (bits == 3) WritePlane<1>(steps, 2, out);
  }
}

void StoreHalf(uint16_t half, int row, uint8_t* out) { std::memcpy(out + 2 * row, &half, 2); }

/// Writes the records of the groups of one file block, of all rows.
void WriteGroups(const PackLayout& layout, const FileBlock* blocks, int n_groups, uint8_t* out) {
  for (int g = 0; g < n_groups; ++g, out += GroupBytes(layout)) {
    for (int r = 0; r < kTileRows; ++r) {
      const FileBlock& block = blocks[r];
      if (layout.scale == ScaleKind::kHalf) {
        StoreHalf(block.d, r, out);
        if (layout.has_min) StoreHalf(block.d_min, kTileRows + r, out);
      } else {
        out[r] = block.scale[g];
        if (layout.has_min && layout.scale == ScaleKind::kSuper) out[kTileRows + r] = block.min[g];
      }
    }
  }
}

float HalfAt(const uint8_t* halves, int64_t row) {
  uint16_t half;
  std::memcpy(&half, halves + 2 * row, 2);
  return HalfToFloat(half);
}

/// 2^(e - 128), with the two subnormal ones.
float PowerOfTwo(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

/// Adds the bits [shift, shift + width) to eight steps, from the plane that holds them.
void AddPlane(const uint8_t* plane, int width, int shift, uint8_t* steps) {
  const int mask = (1 << width) - 1;
  for (int s = 0; s < kUnitSteps; ++s, steps += kStepBytes) {
    const uint8_t* vector = plane + s * width / 8 * kStepBytes;
    const int field = s * width % 8;
    for (int i = 0; i < kStepBytes; ++i) {
      steps[i] |= static_cast<uint8_t>((vector[i] >> field & mask) << shift);
    }
  }
}

void UnpackFloatRow(TensorType type, const uint8_t* tile, int64_t row, int64_t n, float* values) {
  for (int64_t c = 0; c < n; ++c) values[c] = FloatAt(type, tile, c * kTileRows + row);
}

}  // namespace

bool IsQuantized(TensorType type) {
  return type != TensorType::kF32 && type != TensorType::kF16 && type != TensorType::kBF16;
}

int64_t TileBytes(TensorType type, int64_t n_cols) {
  const int64_t bytes = IsQuantized(type) ? OffsetsOf(LayoutOf(type), n_cols).end
                                          : n_cols * kTileRows * FloatBytes(type);
  return (bytes + 63) / 64 * 64;
}

void PackTile(TensorType type, const uint8_t* rows, int n_rows, int64_t n_cols, uint8_t* tile) {
  if (!IsQuantized(type)) return PackFloatTile(FloatBytes(type), rows, n_rows, n_cols, tile);
  const PackLayout& layout = LayoutOf(type);
  const DecodeFn decode = DecoderOf(type);
  const TypeTraits& traits = Traits(type);
  const TileOffsets offsets = OffsetsOf(layout, n_cols);
  const int64_t row_bytes = RowBytes(type, n_cols);
  const int n_groups = traits.block_size / layout.group;
  const int64_t unit_bytes = int64_t{kStepBytes} * layout.bits;
  FileBlock blocks[kTileRows] = {};
  uint8_t* codes = tile;
  uint8_t* groups = tile + offsets.groups;
  uint8_t* supers = tile + offsets.supers;
  for (int64_t b = 0; b < n_cols / traits.block_size; ++b) {
    for (int r = 0; r < n_rows; ++r) {
      decode(rows + r * row_bytes + b * traits.block_bytes, &blocks[r]);
    }
    for (int column = 0; column < traits.block_size; column += kUnitCols, codes += unit_bytes) {
      WriteUnit(blocks, column, layout.bits, codes);
    }
    WriteGroups(layout, blocks, n_groups, groups);
    groups += n_groups * GroupBytes(layout);
    if (SuperBytes(layout) == 0) continue;
    for (int r = 0; r < kTileRows; ++r) {
      StoreHalf(blocks[r].d, r, supers);
      if (layout.has_min) StoreHalf(blocks[r].d_min, kTileRows + r, supers);
    }
    supers += SuperBytes(layout);
  }
  const int64_t padding = TileBytes(type, n_cols) - offsets.end;
  std::memset(tile + offsets.end, 0, static_cast<size_t>(padding));
}

void UnpackUnit(const PackLayout& layout, const uint8_t* unit, uint8_t* operands) {
  std::memset(operands, 0, kUnitSteps * kStepBytes);
  for (int shift = 0; shift < layout.bits;) {
    const int width = static_cast<int>(std::bit_floor(static_cast<unsigned>(layout.bits - shift)));
    AddPlane(unit, width, shift, operands);
    unit += width * kStepBytes;
    shift += width;
  }
  if (!layout.levels) return;
  for (int i = 0; i < kUnitSteps * kStepBytes; ++i) operands[i] = layout.levels[operands[i]];
}

GroupScale ScaleAt(const PackLayout& layout, const uint8_t* tile, const TileOffsets& offsets,
                   int64_t group, int64_t row) {
  const uint8_t* record = tile + offsets.groups + group * GroupBytes(layout);
  if (layout.scale == ScaleKind::kExponent) return {PowerOfTwo(record[row]), 0};
  if (layout.scale == ScaleKind::kHalf) {
    return {HalfAt(record, row), layout.has_min ? HalfAt(record, kTileRows + row) : 0};
  }
  const int64_t super = group * layout.group / kSuperCols;
  const uint8_t* halves = tile + offsets.supers + super * SuperBytes(layout);
  const bool nibbles = layout.scale == ScaleKind::kSuperNibbles;
  const int scale = nibbles ? record[row] & 15 : static_cast<int8_t>(record[row]);
  float min = 0;
  if (layout.has_min) {
    const int integer = nibbles ? record[row] >> 4 : record[kTileRows + row];
    min = HalfAt(halves, kTileRows + row) * static_cast<float>(integer);
  }
  return {HalfAt(halves, row) * layout.factor * static_cast<float>(scale), min};
}

float FloatAt(TensorType type, const uint8_t* tile, int64_t i) {
  if (type == TensorType::kF32) {
    float value;
    std::memcpy(&value, tile + 4 * i, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, tile + 2 * i, 2);
  return type == TensorType::kF16 ? HalfToFloat(bits) : BFloat16ToFloat(bits);
}

void UnpackRow(const PackedMatrix& matrix, int64_t row, float* values) {
  const uint8_t* tile = matrix.tiles + row / kTileRows * TileBytes(matrix.type, matrix.n_cols);
  row %= kTileRows;
  if (!IsQuantized(matrix.type)) {
    return UnpackFloatRow(matrix.type, tile, row, matrix.n_cols, values);
  }
  const PackLayout& layout = LayoutOf(matrix.type);
  const TileOffsets offsets = OffsetsOf(layout, matrix.n_cols);
  uint8_t operands[kUnitSteps][kTileRows][kStepCols];
  for (int64_t c = 0; c < matrix.n_cols; ++c) {
    const int64_t in_unit = c % kUnitCols;
    if (in_unit == 0) {
      UnpackUnit(layout, tile + c / kUnitCols * kStepBytes * layout.bits, operands[0][0]);
    }
    const GroupScale group = ScaleAt(layout, tile, offsets, c / layout.group, row);
    const int operand = operands[in_unit / kStepCols][row][in_unit % kStepCols];
    values[c] = group.scale * static_cast<float>(operand - layout.zero) - group.min;
  }
}

}  // namespace weir
