// What the tests of the matrix kernels share: activations, and a product with what surrounds it.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "kernels/kernel_table.h"

namespace weir {

inline constexpr float kUntouched = -12345.f;

/// Activations in all their forms, and the memory behind them.
struct OwnedActivations {
  OwnedActivations(int64_t rows, int64_t cols)
      : n_rows(rows),
        n_cols(cols),
        q8(size()),
        scale(size() / 32 + 1),
        sum(size() / 16),
        f32(size()) {}

  size_t size() const { return static_cast<size_t>(n_rows * n_cols); }

  /// Derives the sums and the float form from q8 and scale.
  void Finish() {
    for (size_t i = 0; i < sum.size(); ++i) {
      sum[i] = 0;
      for (size_t j = 0; j < 16; ++j) sum[i] += q8[16 * i + j];
    }
    for (size_t i = 0; i < f32.size(); ++i) f32[i] = static_cast<float>(q8[i]) * scale[i / 32];
  }

  Activations View(int64_t rows, const int32_t* pick = nullptr) const {
    return {rows, n_cols, f32.data(), q8.data(), scale.data(), sum.data(), pick};
  }

  int64_t n_rows, n_cols;
  std::vector<int8_t> q8;
  std::vector<float> scale;
  std::vector<int32_t> sum;
  std::vector<float> f32;
};

inline OwnedActivations RandomActivations(int64_t n_rows, int64_t n_cols, std::mt19937_64& random) {
  OwnedActivations x(n_rows, n_cols);
  for (int8_t& q : x.q8) q = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  for (float& s : x.scale) s = std::uniform_real_distribution<float>(1e-3f, 1e-2f)(random);
  x.Finish();
  return x;
}

/// The blocks of x, beginning at a line of the cache.
struct OwnedBlocks {
  explicit OwnedBlocks(const Activations& x) {
    const int64_t n_bytes = ActivationBlockBytes(x.n_cols, x.block_rows);
    const int64_t n_blocks = (x.n_rows + x.block_rows - 1) / x.block_rows;
    memory.assign(static_cast<size_t>(n_blocks * n_bytes + 63), 0xee);
    first = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    for (int64_t b = 0; b < n_blocks; ++b) ArrangeBlock(x, b, first + b * n_bytes);
  }
  std::vector<uint8_t> memory;
  uint8_t* first;
};

/// The heights of blocks that an instruction set multiplies; none of plain code.
inline std::vector<int> BlockHeights(Isa isa) {
  std::vector<int> heights;
  for (int rows = 1; isa != Isa::kPlain && rows <= kVectorBlockRows; ++rows) heights.push_back(rows);
  for (int rows = kMinAmxBlockRows; isa == Isa::kAmx && rows <= kAmxBlockRows; ++rows) heights.push_back(rows);
  return heights;
}

/// The product as y [n_rows][y_stride], with whatever was not written still kUntouched; in blocks of block_rows rows,
/// or of as many as the engine would choose.
inline std::vector<float> Multiply(Isa isa, const PackedMatrix& w, int64_t tile_begin,
                                   int64_t tile_end, Activations x, int64_t y_stride,
                                   int block_rows = 0) {
  std::vector<float> y(static_cast<size_t>(x.n_rows * y_stride + kTileRows), kUntouched);
  const KernelTable& kernels = Kernels(isa);
  std::optional<OwnedBlocks> blocks;
  x.block_rows = block_rows > 0 ? block_rows : kernels.BlockRows(w.type, x.n_rows);
  if (x.block_rows > 0) {
    blocks.emplace(x);
    x.blocks = blocks->first;
  }
  const int64_t unpacked = kernels.mat_mul(w, tile_begin, tile_end, x, y.data(), y_stride);
  EXPECT_EQ(unpacked, tile_end - tile_begin) << x.n_rows << " activation rows";
  return y;
}

inline std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas;
  for (Isa isa : BuiltIsas()) {
    if (Supported(isa)) isas.push_back(isa);
  }
  return isas;
}

}  // namespace weir
