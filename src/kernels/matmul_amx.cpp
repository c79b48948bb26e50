// Many rows of int8 activations with the tile registers of AMX; few rows, and float weights, as with
// AVX-512. One instruction multiplies 16 rows of activations with 16 rows of weights over a group of
// columns: 16 cycles of a unit of its own, while the vector units scale the products of the group
// before. What bounds it are those three vector operations per 16 products.
#include <type_traits>
#include <utility>

#include "kernels/intrinsics.h"
#include "kernels/matmul.h"
#include "kernels/matmul_panel.h"
#include "kernels/tile_config.h"

#include "kernels/matmul_ops_avx512.inl"
#include "kernels/matmul_unpack.inl"
#include "kernels/matmul_panel.inl"

namespace weir {
namespace {

constexpr int kTwoBlocksRows = 13;  // each at most, so that the sums of two blocks stay in registers
constexpr int64_t kMaxBlocks = 32;
constexpr int64_t kBlocksBytes = 768 * 1024;  // of activations, which stay in the second cache

/// Of the eight registers 0 to 3 are products, 4 and 5 activations, 6 and 7 weights; intrinsics want their
/// numbers as literals.
void Configure(int group, int block_rows) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    const int n_rows = tile < 6 ? block_rows : group / kStepCols;
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
  const uint8_t* scale = block + n_cols * kAmxBlockRows;
  const int64_t floats = n_cols / kQuantBlock * kAmxBlockRows * 4;
  const uint8_t* offset = scale + (group == kQuantBlock ? 1 : 2) * floats;
  return {block + column * kAmxBlockRows,
          reinterpret_cast<const float*>(scale) + column / kQuantBlock * kAmxBlockRows,
          reinterpret_cast<const float*>(offset) + column / group * kAmxBlockRows, sums};
}

/// Adds the integer products [kRows][16] of one group to the sums.
template <int kGroup, bool kMin, int kRows>
[[gnu::always_inline]] inline void AddGroup(const Panel& panel, int t, int g, const Block& block,
                                            const int32_t* products, __m512* sum) {
  const __m512 scale = _mm512_load_ps(panel.scale[t][g]);
  const float* x_scale = block.scale + g * kGroup / kQuantBlock * kAmxBlockRows;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const __m512 product = _mm512_cvtepi32_ps(_mm512_load_si512(products + r * kTileRows));
    sum[r] = _mm512_fmadd_ps(_mm512_mul_ps(scale, _mm512_set1_ps(x_scale[r])), product, sum[r]);
  }
  if (!kMin) return;
  const __m512 neg_min = _mm512_load_ps(panel.neg_min[t][g]);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const __m512 offset = _mm512_set1_ps(block.offset[g * kAmxBlockRows + r]);
    sum[r] = _mm512_fmadd_ps(neg_min, offset, sum[r]);
  }
}

/// Loads a group of weights, the even ones and the odd ones in turn.
template <int kGroupOf4>
[[gnu::always_inline]] inline void LoadWeights(const uint8_t* operands) {
  if (kGroupOf4 % 2 == 0) {
    _tile_loadd(6, operands, kStepBytes);
  } else {
    _tile_loadd(7, operands, kStepBytes);
  }
}

/// Multiplies a block's columns of a group into one of four registers of products: group 0 to 3 of one block, or
/// groups 0 and 1 of two, each group with the weights that LoadWeights left.
template <int kProducts, int kBlocks>
[[gnu::always_inline]] inline void MultiplyGroup(const uint8_t* q8) {
  if (kProducts % 2 == 0) {
    _tile_loadd(4, q8, kUnitCols);
  } else {
    _tile_loadd(5, q8, kUnitCols);
  }
  if (kProducts == 0) {
    _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
  } else if (kProducts == 1 && kBlocks == 1) {
    _tile_zero(1);
    _tile_dpbssd(1, 5, 7);
  } else if (kProducts == 1) {
    _tile_zero(1);
    _tile_dpbssd(1, 5, 6);
  } else if (kProducts == 2 && kBlocks == 1) {
    _tile_zero(2);
    _tile_dpbssd(2, 4, 6);
  } else if (kProducts == 2) {
    _tile_zero(2);
    _tile_dpbssd(2, 4, 7);
  } else {
    _tile_zero(3);
    _tile_dpbssd(3, 5, 7);
  }
}

/// Adds the products of tile t of the panel with one or two blocks of kRows rows to the blocks' sums. Four products are
/// on their way through the tiles while the four before are added: stored at once, they would be waited for.
template <int kGroup, bool kMin, int kRows, int kBlocks>
void MultiplyBlocks(const Panel& panel, int t, const Block* blocks) {
  constexpr int kUnitGroups = kUnitCols / kGroup, kAtOnce = 4 / kBlocks;
  alignas(64) int32_t products[4][kAmxBlockRows * kTileRows];
  __m512 sum[kBlocks][kRows];
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) sum[b][r] = _mm512_load_ps(blocks[b].sums + r * kPair * kTileRows);
  }
  const int n = panel.n_groups;
  const auto multiply = [&]<int kProducts>(std::integral_constant<int, kProducts>, int g) {
    constexpr int k = kProducts / kBlocks, b = kProducts % kBlocks;
    if (g + k >= n) return;
    const int64_t column = (g + k) / kUnitGroups * (kUnitCols * kAmxBlockRows) +
                           (g + k) % kUnitGroups * kGroup;
    if (b == 0) LoadWeights<k>(panel.operands[t] + (g + k) * kGroup * kTileRows);
    MultiplyGroup<kProducts, kBlocks>(blocks[b].q8 + column);
  };
  for (int g = 0; g < n + kAtOnce; g += kAtOnce) {
    multiply(std::integral_constant<int, 0>(), g);
    multiply(std::integral_constant<int, 1>(), g);
    multiply(std::integral_constant<int, 2>(), g);
    multiply(std::integral_constant<int, 3>(), g);
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      const int k = p / kBlocks, b = p % kBlocks;
      if (g > 0 && g - kAtOnce + k < n) {
        AddGroup<kGroup, kMin, kRows>(panel, t, g - kAtOnce + k, blocks[b], products[p], sum[b]);
      }
    }
    for (int k = 0; k < kAtOnce; k += kUnitGroups) CodesAhead(panel, (g + k) / kUnitGroups).PrefetchAll();
    if (g < n) _tile_stored(0, products[0], kTileRows * 4);
    if (g + 1 / kBlocks < n) _tile_stored(1, products[1], kTileRows * 4);
    if (g + 2 / kBlocks < n) _tile_stored(2, products[2], kTileRows * 4);
    if (g + 3 / kBlocks < n) _tile_stored(3, products[3], kTileRows * 4);
  }
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) _mm512_store_ps(blocks[b].sums + r * kPair * kTileRows, sum[b][r]);
  }
}

using BlocksFn = void (*)(const Panel& panel, int t, const Block* blocks);

/// For one block, and for two where their sums fit.
struct BlockKernels {
  BlocksFn one;
  BlocksFn two;
};

template <int kGroup, bool kMin, int kRows>
constexpr BlockKernels KernelsFor() {
  if constexpr (kRows > kTwoBlocksRows) {
    return {MultiplyBlocks<kGroup, kMin, kRows, 1>, nullptr};
  } else {
    return {MultiplyBlocks<kGroup, kMin, kRows, 1>, MultiplyBlocks<kGroup, kMin, kRows, 2>};
  }
}

template <int kGroup, bool kMin, int... kRowsOverMin>
BlockKernels KernelsFor(int block_rows, std::integer_sequence<int, kRowsOverMin...>) {
  static constexpr BlockKernels kKernels[] = {
      KernelsFor<kGroup, kMin, kMinAmxBlockRows + kRowsOverMin>()...};
  return kKernels[block_rows - kMinAmxBlockRows];
}

BlockKernels KernelsFor(const PackLayout& layout, int block_rows) {
  constexpr std::make_integer_sequence<int, kAmxBlockRows - kMinAmxBlockRows + 1> kHeights;
  if (layout.group == 16) {
    return layout.has_min ? KernelsFor<16, true>(block_rows, kHeights)
                          : KernelsFor<16, false>(block_rows, kHeights);
  }
  return layout.has_min ? KernelsFor<32, true>(block_rows, kHeights)
                        : KernelsFor<32, false>(block_rows, kHeights);
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

/// Multiplies a pair of tiles with n_rows rows in blocks of block_rows, through sums [n_rows][kPair][16], the last
/// block's filled up.
void MultiplyPair(const PackLayout& layout, const TileOffsets& offsets, const Pair& pair,
                  const uint8_t* blocks, int block_rows, int64_t n_cols, int64_t n_rows,
                  const Output& out, float* sums) {
  alignas(64) uint8_t operands[kPair][kPanelCols * kTileRows];
  Panel panel;
  for (int t = 0; t < kPair; ++t) panel.operands[t] = operands[t];
  const BlockKernels kernels = KernelsFor(layout, block_rows);
  const int64_t block_bytes = ActivationBlockBytes(n_cols, block_rows);
  const int64_t at_once = kernels.two ? 2 : 1;
  const auto rows_of = [&](int64_t first, int64_t last) {
    return static_cast<int>(Smaller((last + 1) * block_rows, n_rows) - first * block_rows);
  };
  const int64_t n_blocks = (n_rows + block_rows - 1) / block_rows;
  const int64_t block_sums = block_rows * kPair * kTileRows;
  __builtin_memset(sums, 0, static_cast<size_t>(n_blocks * block_sums) * 4);
  for (int64_t begin = 0; begin < n_cols; begin += kPanelCols) {
    const auto n = static_cast<int>(Smaller(kPanelCols, n_cols - begin));
    const int n_units = n / kUnitCols;
    OpenPanel(layout, offsets, pair, n_cols, begin, n, &panel);
    panel.ahead = kFarAhead;
    for (int t = 0; t < kPair; ++t) {
      WithFormat<UnpackSigned>(layout, layout, n_units, panel.units[t], operands[t]);
    }
    int64_t n_calls = kPair * ((n_blocks + at_once - 1) / at_once);
    for (int64_t b = 0; b < n_blocks; b += at_once) {
      const int64_t last = Smaller(b + at_once, n_blocks) - 1;
      if (begin + n == n_cols) Prefetch(out, b * block_rows, rows_of(b, last));
      for (int t = 0; t < kPair; ++t) {
        const auto block = [&](int64_t i) {
          return BlockAt(blocks + i * block_bytes, n_cols, begin, layout.group,
                         sums + i * block_sums + t * kTileRows);
        };
        const Block both[] = {block(b), block(last)};
        AskAhead(n, n_calls--, &panel);
        (last > b ? kernels.two : kernels.one)(panel, t, both);
      }
    }
  }
  for (int64_t b = 0; b < n_blocks; ++b) {
    Store(sums + b * block_sums, out, b * block_rows, rows_of(b, b));
  }
}

}  // namespace

int64_t MatMulAmx(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x,
                  float* y, int64_t y_stride) {
  if (!IsQuantized(w.type) || x.block_rows <= kVectorBlockRows) {
    return MatMulAvx512(w, tile_begin, tile_end, x, y, y_stride);
  }
  alignas(64) float sums[kMaxBlocks * kAmxBlockRows * kPair * kTileRows];
  const PackLayout& layout = LayoutOf(w.type);
  const TileOffsets offsets = OffsetsOf(layout, w.n_cols);
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  const int64_t block_bytes = ActivationBlockBytes(w.n_cols, x.block_rows);
  const int64_t cached_blocks = kBlocksBytes / block_bytes;
  const int64_t max_rows =
      Smaller(kMaxBlocks, cached_blocks < 4 ? 4 : cached_blocks) * x.block_rows;
  Configure(layout.group, x.block_rows);
  int64_t n_unpacked = 0;
  for (int64_t begin = 0; begin < x.n_rows; begin += max_rows) {
    const int64_t n_rows = Smaller(max_rows, x.n_rows - begin);
    const uint8_t* blocks = x.blocks + begin / x.block_rows * block_bytes;
    for (int64_t t = tile_begin; t < tile_end; t += kPair) {
      const int64_t n_tiles = Smaller(kPair, tile_end - t);
      const uint8_t* tile = w.tiles + t * tile_bytes;
      const uint8_t* end = tile + n_tiles * tile_bytes;
      const Pair pair = {{tile, end - tile_bytes}, {end, end + tile_bytes}};
      const auto n = Smaller(n_tiles * kTileRows, w.n_rows - t * kTileRows);
      const Output out = {y + begin * y_stride + t * kTileRows, y_stride, static_cast<int>(n)};
      MultiplyPair(layout, offsets, pair, blocks, x.block_rows, w.n_cols, n_rows, out, sums);
      n_unpacked += n_tiles;
    }
  }
  _tile_release();
  return n_unpacked;
}

}  // namespace weir
