// Many rows of int8 activations with the tile registers of AMX; few rows, and float weights, as with
// AVX-512. One instruction multiplies 16 rows of activations with 16 rows of weights over a group of
// columns: 16 cycles of a unit of its own, while the vector units scale the products of the group
// before. What bounds it are those three vector operations per 16 products.
#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"
#include "kernels/tile_config.h"

#include "kernels/matmul_ops_avx512.inl"
#include "kernels/matmul_unpack.inl"
#include "kernels/matmul_panel.inl"

namespace weir {
namespace {

constexpr int kBlockRows = kActivationBlockRows;
constexpr int kRowStep = 4;  // of the blocks that there are kernels for: 4, 8, 12 and 16 rows
constexpr int64_t kMaxRows = 512;
constexpr int64_t kBlocksBytes = 768 * 1024;  // of activations, which stay in the second cache

/// Of the eight registers 0 to 3 are products, 4 and 5 activations, 6 and 7 weights; intrinsics want their
/// numbers as literals.
void Configure(int group, int64_t n_activation_rows) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    const int n_rows = tile < 6 ? static_cast<int>(Smaller(n_activation_rows, kBlockRows))
                                : group / kStepCols;
    config.n_rows[tile] = static_cast<uint8_t>(n_rows);
    config.row_bytes[tile] = static_cast<uint16_t>(tile == 4 || tile == 5 ? group : kStepBytes);
  }
  _tile_loadconfig(&config);
}

/// A block of activations from some column on, and where its products with one tile are added up.
struct Block {
  const uint8_t* q8;
  const float* scale;
  const float* offset;  // of groups
  float* sums;          // [rows][kPair][16]
};

Block BlockAt(const uint8_t* block, int64_t n_cols, int64_t column, int group, float* sums) {
  const uint8_t* scale = block + n_cols * kBlockRows;
  const int64_t floats = n_cols / kQuantBlock * kBlockRows * 4;
  const uint8_t* offset = scale + (group == kQuantBlock ? 1 : 2) * floats;
  return {block + column * kBlockRows,
          reinterpret_cast<const float*>(scale) + column / kQuantBlock * kBlockRows,
          reinterpret_cast<const float*>(offset) + column / group * kBlockRows, sums};
}

/// Adds the integer products [kRows][16] of one group to the sums.
template <int kGroup, bool kMin, int kRows>
[[gnu::always_inline]] inline void AddGroup(const Panel& panel, int t, int g, const Block& block,
                                            const int32_t* products, __m512* sum) {
  const __m512 scale = _mm512_load_ps(panel.scale[t][g]);
  const float* x_scale = block.scale + g * kGroup / kQuantBlock * kBlockRows;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const __m512 product = _mm512_cvtepi32_ps(_mm512_load_si512(products + r * kTileRows));
    sum[r] = _mm512_fmadd_ps(_mm512_mul_ps(scale, _mm512_set1_ps(x_scale[r])), product, sum[r]);
  }
  if (!kMin) return;
  const __m512 neg_min = _mm512_load_ps(panel.neg_min[t][g]);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const __m512 offset = _mm512_set1_ps(block.offset[g * kBlockRows + r]);
    sum[r] = _mm512_fmadd_ps(neg_min, offset, sum[r]);
  }
}

/// Multiplies group kIn4 of four into its register of products.
template <int kIn4>
[[gnu::always_inline]] inline void MultiplyGroup(const uint8_t* q8, const uint8_t* operands) {
  if (kIn4 % 2 == 0) {
    _tile_loadd(6, operands, kStepBytes);
    _tile_loadd(4, q8, kUnitCols);
  } else {
    _tile_loadd(7, operands, kStepBytes);
    _tile_loadd(5, q8, kUnitCols);
  }
  if (kIn4 == 0) {
    _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
  } else if (kIn4 == 1) {
    _tile_zero(1);
    _tile_dpbssd(1, 5, 7);
  } else if (kIn4 == 2) {
    _tile_zero(2);
    _tile_dpbssd(2, 4, 6);
  } else {
    _tile_zero(3);
    _tile_dpbssd(3, 5, 7);
  }
}

/// Adds the products of tile t of the panel with kRows rows to the block's sums. Four groups are on
/// their way through the tiles while the four before are added: stored at once, they would be waited for.
template <int kGroup, bool kMin, int kRows>
void MultiplyBlock(const Panel& panel, int t, const Block& block) {
  constexpr int kUnitGroups = kUnitCols / kGroup;
  alignas(64) int32_t products[4][kBlockRows * kTileRows];
  __m512 sum[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r] = _mm512_load_ps(block.sums + r * kPair * kTileRows);
  const int n = panel.n_groups;
  const uint8_t* operands = panel.operands[t];
  for (int g = 0; g < n + 4; g += 4) {
    const auto q8 = [&](int k) {
      return block.q8 + (g + k) / kUnitGroups * (kUnitCols * kBlockRows) + k % kUnitGroups * kGroup;
    };
    const uint8_t* o = operands + g * kGroup * kTileRows;
    if (g < n) MultiplyGroup<0>(q8(0), o);
    if (g + 1 < n) MultiplyGroup<1>(q8(1), o + kGroup * kTileRows);
    if (g + 2 < n) MultiplyGroup<2>(q8(2), o + 2 * kGroup * kTileRows);
    if (g + 3 < n) MultiplyGroup<3>(q8(3), o + 3 * kGroup * kTileRows);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      if (g > 0 && g - 4 + k < n) {
        AddGroup<kGroup, kMin, kRows>(panel, t, g - 4 + k, block, products[k], sum);
      }
    }
    for (int k = 0; k < 4; k += kUnitGroups) PrefetchCodes(panel, (g + k) / kUnitGroups);
    if (g < n) _tile_stored(0, products[0], kTileRows * 4);
    if (g + 1 < n) _tile_stored(1, products[1], kTileRows * 4);
    if (g + 2 < n) _tile_stored(2, products[2], kTileRows * 4);
    if (g + 3 < n) _tile_stored(3, products[3], kTileRows * 4);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) _mm512_store_ps(block.sums + r * kPair * kTileRows, sum[r]);
}

using BlockFn = void (*)(const Panel& panel, int t, const Block& block);

/// For 4, 8, 12 and 16 rows.
template <int kGroup, bool kMin>
constexpr BlockFn kBlockKernels[kBlockRows / kRowStep] = {
    MultiplyBlock<kGroup, kMin, 4>, MultiplyBlock<kGroup, kMin, 8>,
    MultiplyBlock<kGroup, kMin, 12>, MultiplyBlock<kGroup, kMin, 16>};

const BlockFn* BlockKernels(const PackLayout& layout) {
  if (layout.group == 16) return layout.has_min ? kBlockKernels<16, true> : kBlockKernels<16, false>;
  return layout.has_min ? kBlockKernels<32, true> : kBlockKernels<32, false>;
}

/// Unpacks units to operands less the layout's zero, which fit a signed byte.
template <class Codes, int kGroup, bool kMin>
struct UnpackSigned {
  static void Run(const PackLayout& layout, int n_units, const uint8_t* units, uint8_t* operands) {
    Codes codes(layout.levels);
    const __m512i zero = Set1(layout.zero);
    codes.table = _mm512_sub_epi8(codes.table, zero);
    for (int u = 0; u < n_units; ++u, units += Codes::kBytes) {
#pragma GCC unroll 8
      for (int s = 0; s < kUnitSteps; ++s, operands += kStepBytes) {
        const __m512i step = codes.Step(units, s);
        StoreBytes(operands, kMin || Codes::kHasLevels ? step : _mm512_sub_epi8(step, zero));
      }
    }
    asm volatile("" ::: "memory");  // tile loads do not tell the compiler what they read
  }
};

/// Multiplies a pair of tiles with n_rows rows in blocks, through sums [n_rows][kPair][16].
void MultiplyPair(const PackLayout& layout, const TileOffsets& offsets, const Pair& pair,
                  const uint8_t* blocks, int64_t n_cols, int64_t n_rows, const Output& out,
                  float* sums) {
  alignas(64) uint8_t operands[kPair][kPanelCols * kTileRows];
  Panel panel;
  for (int t = 0; t < kPair; ++t) panel.operands[t] = operands[t];
  const BlockFn* kernels = BlockKernels(layout);
  const int64_t block_bytes = ActivationBlockBytes(n_cols);
  const int64_t n_blocks = (n_rows + kBlockRows - 1) / kBlockRows;
  __builtin_memset(sums, 0, static_cast<size_t>(n_blocks * kBlockRows * kPair * kTileRows) * 4);
  for (int64_t begin = 0; begin < n_cols; begin += kPanelCols) {
    const auto n = static_cast<int>(Smaller(kPanelCols, n_cols - begin));
    const int n_units = n / kUnitCols;
    OpenPanel(layout, offsets, pair, n_cols, begin, n, &panel);
    panel.ahead = kFarAhead;
    for (int t = 0; t < kPair; ++t) {
      WithFormat<UnpackSigned>(layout, layout, n_units, panel.units[t], operands[t]);
    }
    for (int64_t b = 0; b < n_blocks; ++b) {
      const auto rows = static_cast<int>(Smaller(kBlockRows, n_rows - b * kBlockRows));
      const BlockFn multiply = kernels[(rows + kRowStep - 1) / kRowStep - 1];
      float* block_sums = sums + b * kBlockRows * kPair * kTileRows;
      if (begin + n == n_cols) Prefetch(out, b * kBlockRows, rows);
      AskAhead(n, 2 * (n_blocks - b), &panel);
      for (int t = 0; t < kPair; ++t) {
        multiply(panel, t, BlockAt(blocks + b * block_bytes, n_cols, begin, layout.group,
                                   block_sums + t * kTileRows));
        if (t == 0) AskAhead(n, 2 * (n_blocks - b) - 1, &panel);
      }
    }
  }
  for (int64_t b = 0; b < n_blocks; ++b) {
    const auto rows = static_cast<int>(Smaller(kBlockRows, n_rows - b * kBlockRows));
    Store(sums + b * kBlockRows * kPair * kTileRows, out, b * kBlockRows, rows);
  }
}

}  // namespace

void ArrangeAmx(const Activations& x, int64_t block, uint8_t* out) {
  const int64_t n_groups = x.n_cols / kQuantBlock;
  auto* scales = reinterpret_cast<float*>(out + x.n_cols * kBlockRows);
  float* offsets = scales + n_groups * kBlockRows;         // of 32 columns
  float* half_offsets = offsets + n_groups * kBlockRows;   // of 16
  if (block * kBlockRows + kBlockRows > x.n_rows) {
    __builtin_memset(out, 0, static_cast<size_t>(ActivationBlockBytes(x.n_cols)));
  }
  for (int r = 0; r < kBlockRows && block * kBlockRows + r < x.n_rows; ++r) {
    const int64_t i = block * kBlockRows + r, row = x.pick ? x.pick[i] : i;
    const int8_t* q8 = x.q8 + row * x.n_cols;
    const float* scale = x.scale + row * n_groups;
    const int32_t* sum = x.sum + row * n_groups * 2;
    for (int64_t g = 0; g < n_groups; ++g) {
      __builtin_memcpy(out + (g * kBlockRows + r) * kQuantBlock, q8 + g * kQuantBlock, kQuantBlock);
      scales[g * kBlockRows + r] = scale[g];
      offsets[g * kBlockRows + r] = scale[g] * static_cast<float>(sum[2 * g] + sum[2 * g + 1]);
      for (int h = 0; h < 2; ++h) {
        half_offsets[(2 * g + h) * kBlockRows + r] = scale[g] * static_cast<float>(sum[2 * g + h]);
      }
    }
  }
}

int64_t MatMulAmx(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x,
                  float* y, int64_t y_stride) {
  if (!x.blocks || !IsQuantized(w.type)) {
    return MatMulAvx512(w, tile_begin, tile_end, x, y, y_stride);
  }
  alignas(64) float sums[kMaxRows * kPair * kTileRows];
  const PackLayout& layout = LayoutOf(w.type);
  const TileOffsets offsets = OffsetsOf(layout, w.n_cols);
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  const int64_t block_bytes = ActivationBlockBytes(w.n_cols);
  const int64_t cached_blocks = kBlocksBytes / block_bytes;
  const int64_t max_rows =
      Smaller(kMaxRows, (cached_blocks < 4 ? 4 : cached_blocks) * kBlockRows);
  Configure(layout.group, x.n_rows);
  int64_t n_unpacked = 0;
  for (int64_t begin = 0; begin < x.n_rows; begin += max_rows) {
    const int64_t n_rows = Smaller(max_rows, x.n_rows - begin);
    const uint8_t* blocks = x.blocks + begin / kBlockRows * block_bytes;
    for (int64_t t = tile_begin; t < tile_end; t += kPair) {
      const int64_t n_tiles = Smaller(kPair, tile_end - t);
      const uint8_t* tile = w.tiles + t * tile_bytes;
      const uint8_t* end = tile + n_tiles * tile_bytes;
      const Pair pair = {{tile, end - tile_bytes}, {end, end + tile_bytes}};
      const auto n = Smaller(n_tiles * kTileRows, w.n_rows - t * kTileRows);
      const Output out = {y + begin * y_stride + t * kTileRows, y_stride, static_cast<int>(n)};
      MultiplyPair(layout, offsets, pair, blocks, w.n_cols, n_rows, out, sums);
      n_unpacked += n_tiles;
    }
  }
  _tile_release();
  return n_unpacked;
}

}  // namespace weir
