// Random rows in the file's formats, for the tests of packing and of the matrix kernels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "gguf/tensor_type.h"
#include "kernels/packed_matrix.h"

namespace weir {

/// Where a block has halves: nowhere is -1. The half of IQ1_M is scattered, see RandomRows.
struct HalfPlaces {
  int first, second = -1;
};

inline HalfPlaces HalvesOf(TensorType type) {
  switch (type) {
    case TensorType::kF32:
    case TensorType::kBF16:
    case TensorType::kIQ1_M:
    case TensorType::kMXFP4:
      return {-1};
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      return {0, 2};
    case TensorType::kQ2_K:
      return {80, 82};
    case TensorType::kQ3_K:
      return {108};
    case TensorType::kQ6_K:
      return {208};
    default:
      return {0};
  }
}

/// Whether byte i of a block decides if the block's values are finite.
inline bool HoldsScale(TensorType type, int i) {
  if (type == TensorType::kF32) return i >= 2;
  if (type == TensorType::kBF16) return true;
  if (type == TensorType::kMXFP4) return i == 0;
  if (type == TensorType::kIQ1_M) return i == 53 || i == 55;
  const auto [first, second] = HalvesOf(type);
  return i / 2 == first / 2 || (second >= 0 && i / 2 == second / 2);
}

enum class Scales {
  kAnyFinite,
  kTame,  // absolute values from 2^-7 to 2^-5, as in models
};

/// n_rows contiguous rows of random bytes, but with finite scales and finite floats.
inline std::vector<uint8_t> RandomRows(TensorType type, int64_t n_rows, int64_t n_cols,
                                       Scales scales, std::mt19937_64& random) {
  std::vector<uint8_t> rows(static_cast<size_t>(n_rows * RowBytes(type, n_cols)));
  for (uint8_t& byte : rows) byte = static_cast<uint8_t>(random());
  const auto exponent = [&](int max) {
    return scales == Scales::kTame ? max / 2 - 6 + static_cast<int>(random() % 2)
                                   : static_cast<int>(random() % static_cast<uint64_t>(max));
  };
  const auto set_half = [&](uint8_t* p) {
    p[1] = static_cast<uint8_t>((p[1] & 0x83) | exponent(31) << 2);
  };
  const HalfPlaces halves = HalvesOf(type);
  const int bytes = Traits(type).block_bytes;
  for (uint8_t* block = rows.data(); block < rows.data() + rows.size(); block += bytes) {
    if (halves.first >= 0) set_half(block + halves.first);
    if (halves.second >= 0) set_half(block + halves.second);
    if (type == TensorType::kMXFP4) block[0] = static_cast<uint8_t>(exponent(252));
    if (type == TensorType::kIQ1_M) {
      uint8_t half[2] = {0, static_cast<uint8_t>(random())};
      set_half(half);
      block[53] = static_cast<uint8_t>((block[53] & 15) | half[1] << 4);
      block[55] = static_cast<uint8_t>((block[55] & 15) | (half[1] & 0xf0));
    }
    if (type == TensorType::kF32 || type == TensorType::kBF16) {
      const int e = exponent(255);
      block[bytes - 1] = static_cast<uint8_t>((block[bytes - 1] & 0x80) | e >> 1);
      block[bytes - 2] = static_cast<uint8_t>((block[bytes - 2] & 0x7f) | e << 7);
    }
  }
  return rows;
}

/// Packed tiles of contiguous rows, and the matrix that points to them.
class OwnedMatrix {
 public:
  OwnedMatrix(TensorType type, int64_t n_rows, int64_t n_cols, const std::vector<uint8_t>& rows) {
    const int64_t tile_bytes = TileBytes(type, n_cols);
    memory_.resize(static_cast<size_t>(PackedBytes(type, n_rows, n_cols) + 64), 0xee);
    auto* tiles = memory_.data();
    while (reinterpret_cast<uintptr_t>(tiles) % 64 != 0) ++tiles;
    for (int64_t row = 0; row < n_rows; row += kTileRows) {
      const auto n = static_cast<int>(std::min<int64_t>(kTileRows, n_rows - row));
      PackTile(type, rows.data() + row * RowBytes(type, n_cols), n, n_cols,
               tiles + row / kTileRows * tile_bytes);
    }
    matrix_ = {type, n_rows, n_cols, tiles};
  }
  OwnedMatrix(const OwnedMatrix&) = delete;
  OwnedMatrix& operator=(const OwnedMatrix&) = delete;

  const PackedMatrix& matrix() const { return matrix_; }

 private:
  std::vector<uint8_t> memory_;
  PackedMatrix matrix_;
};

/// All types, as test parameters.
inline std::vector<TypeTraits> TypeList() { return {AllTypes().begin(), AllTypes().end()}; }

}  // namespace weir
