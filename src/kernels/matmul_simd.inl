// The body of matmul_avx2.cpp, matmul_avxvnni.cpp and matmul_avx512.cpp, which define before they
// include it:
//   kRowBlock, kFloatRowBlock      rows of activations that its kernels take at most
//   Kernels(layout, use)           kernels for 1 .. kRowBlock rows
//   Widen(layout, q, n, w)         what kernels read for n columns q of a block of activations: q, or a
//                                  form of it that was left in WideRows w
//   kFloatPanelKernels             kernels for 1 .. kFloatRowBlock rows
// Pairs of tiles are multiplied panel by panel with all rows of activations, whose sums wait in a
// buffer on the stack meanwhile. The first rows are multiplied as the codes come in from memory:
// taking turns, the memory would wait for the multiplications.

namespace weir {
namespace {

constexpr int64_t kMaxRows = 4096;
constexpr int64_t kMaxFloatRows = kMaxRows / kChains;

/// How many of n rows of floats to take next, so that all kernels get nearly as many.
int NextFloatRows(int64_t n) {
  const int64_t n_blocks = (n + kFloatRowBlock - 1) / kFloatRowBlock;
  return static_cast<int>((n + n_blocks - 1) / n_blocks);
}

/// -zero * sum, n times: 16 at once, then the rest.
void PrepareStarts(const int32_t* sum, int n, int zero, int32_t* start) {
  int i = 0;
  for (; i + kTileRows <= n; i += kTileRows) StoreInts(start + i, MulInts(LoadInts(sum + i), -zero));
  for (; i < n; ++i) start[i] = -zero * sum[i];
}

/// scale * sum of groups of 32 columns, in the same way.
void PrepareOffsets(const int32_t* sum, const float* scale, int n, float* offset) {
  int i = 0;
  for (; i + kTileRows <= n; i += kTileRows) {
    StoreFloats(offset + i, Mul(LoadFloats(scale + i), FromInts(LoadInts(sum + i))));
  }
  for (; i < n; ++i) offset[i] = scale[i] * static_cast<float>(sum[i]);
}

/// The same for groups of 16, of which two have one scale.
void PrepareHalfOffsets(const int32_t* sum, const float* scale, int n_groups, float* offset) {
  for (int g = 0; g < n_groups; ++g) {
    for (int r = 0; r < kRowBlock; ++r) {
      offset[g * kRowBlock + r] = scale[g / 2 * kRowBlock + r] * static_cast<float>(sum[g * kRowBlock + r]);
    }
  }
}

/// The columns of a block of activations from column `begin` on.
void OpenRows(const PackLayout& layout, const uint8_t* block, int64_t total_cols, int64_t begin, int n_groups,
              WideRows* wide, PanelRows* rows) {
  const int64_t n_scales = total_cols / kQuantBlock * kRowBlock, first = begin / kQuantBlock * kRowBlock;
  const auto* scale = reinterpret_cast<const float*>(block + total_cols * kRowBlock);
  const auto* sum = reinterpret_cast<const int32_t*>(scale + n_scales);
  const bool halves = layout.group < kQuantBlock;
  if (halves) sum += n_scales + first;
  sum += first;
  rows->q = Widen(layout, reinterpret_cast<const int8_t*>(block) + begin * kRowBlock, n_groups * layout.group, wide);
  rows->scale = scale + first;
  if (!layout.has_min) {
    PrepareStarts(sum, n_groups * kRowBlock, layout.zero, rows->start);
  } else if (halves) {
    PrepareHalfOffsets(sum, rows->scale, n_groups, rows->offset);
  } else {
    PrepareOffsets(sum, rows->scale, n_groups * kRowBlock, rows->offset);
  }
}

/// Lets kernels read the operands: for 8 bits those are the units themselves.
void ReadOperands(const PackLayout& layout, Panel* panel) {
  for (int t = 0; t < kPair; ++t) {
    panel->codes[t] = layout.bits == 8 ? panel->units[t] : panel->operands[t];
  }
}

/// Multiplies a pair of tiles with n_rows rows in blocks through sums [n_rows][kPair][16].
void MultiplyPair(const PackLayout& layout, const TileOffsets& offsets, const Pair& pair,
                  const uint8_t* blocks, int block_rows, int64_t n_cols, int64_t n_rows, const Output& out,
                  float* sums) {
  alignas(64) uint8_t operands[kPair][kPanelCols * kTileRows];
  Panel panel;
  panel.levels = layout.levels;
  for (int t = 0; t < kPair; ++t) panel.operands[t] = operands[t];
  PanelRows rows;
  WideRows wide;
  const int64_t block_bytes = ActivationBlockBytes(n_cols, block_rows);
  const int64_t n_blocks = (n_rows + block_rows - 1) / block_rows;
  const KernelUse first_use = n_blocks > 1 ? KernelUse::kUnitsKept : KernelUse::kUnits;
  __builtin_memset(sums, 0, static_cast<size_t>(n_rows * kPair * kTileRows) * sizeof(float));
  for (int64_t begin = 0; begin < n_cols; begin += kPanelCols) {
    const auto n = static_cast<int>(Smaller(kPanelCols, n_cols - begin));
    const bool last = begin + n == n_cols;
    OpenPanel(layout, offsets, pair, n_cols, begin, n, &panel);
    if (n_blocks > 1) panel.ahead = kFarAhead;
    for (int64_t b = 0; b < n_blocks; ++b) {
      const int64_t i = b * block_rows;
      const auto n_here = static_cast<int>(Smaller(block_rows, n_rows - i));
      OpenRows(layout, blocks + b * block_bytes, n_cols, begin, panel.n_groups, &wide, &rows);
      float* block = sums + i * kPair * kTileRows;
      if (last) Prefetch(out, i, n_here);
      AskAhead(n, n_blocks - b, &panel);
      Kernels(layout, b == 0 ? first_use : KernelUse::kOperands)[n_here - 1](panel, rows, block);
      if (last) Store(block, out, i, n_here);
      if (b == 0) ReadOperands(layout, &panel);
    }
  }
}

int64_t ActivationRow(const Activations& x, int64_t i) { return x.pick ? x.pick[i] : i; }

/// n_cols columns of F16 or BF16 as floats [n_cols][16].
void ToFloats(TensorType type, const uint8_t* values, int n_cols, float* floats) {
  for (int c = 0; c < n_cols; ++c, values += 2 * kTileRows, floats += kTileRows) {
    StoreFloats(floats, type == TensorType::kF16 ? FromHalves(values) : FromBFloats(values));
  }
}

/// The same for F32, F16 and BF16, into chains [n_rows][kChains][kPair][16].
void MultiplyFloatPair(TensorType type, const Pair& pair, const Activations& x, int64_t row_begin,
                       int64_t n_rows, float* chains) {
  alignas(64) float widened[kPair][kFloatPanelCols * kTileRows];
  constexpr int64_t kRowSums = kChains * kPair * kTileRows;
  const int64_t value_bytes = type == TensorType::kF32 ? 4 : 2;
  __builtin_memset(chains, 0, static_cast<size_t>(n_rows * kRowSums) * sizeof(float));
  for (int64_t begin = 0; begin < x.n_cols; begin += kFloatPanelCols) {
    const auto n_cols = static_cast<int>(Smaller(kFloatPanelCols, x.n_cols - begin));
    const float* weights[kPair];
    for (int t = 0; t < kPair; ++t) {
      if (type == TensorType::kF32) {
        weights[t] = reinterpret_cast<const float*>(pair.tile[t]) + begin * kTileRows;
      } else {
        ToFloats(type, pair.tile[t] + begin * kTileRows * 2, n_cols, widened[t]);
        weights[t] = widened[t];
      }
    }
    FloatPanel panel = {{weights[0], weights[1]}, {}, n_cols, 0};
    const bool last = begin + n_cols == x.n_cols;
    const int64_t n_blocks = (n_rows + kFloatRowBlock - 1) / kFloatRowBlock;
    panel.ahead_step = kTileRows * value_bytes / n_blocks;
    for (int64_t i = 0, block = 0; i < n_rows; ++block) {
      const int n = NextFloatRows(n_rows - i);
      for (int t = 0; t < kPair; ++t) {
        panel.ahead[t] =
            (last ? pair.next[t] : pair.tile[t] + (begin + n_cols) * kTileRows * value_bytes) +
            block * n_cols * panel.ahead_step;
      }
      const float* values[kFloatRowBlock];
      for (int r = 0; r < n; ++r) {
        values[r] = x.f32 + ActivationRow(x, row_begin + i + r) * x.n_cols + begin;
      }
      kFloatPanelKernels[n - 1](panel, values, chains + i * kRowSums);
      i += n;
    }
  }
}

/// The sums [n_rows][kPair][16] of all chains, in place.
void AddChains(int64_t n_rows, float* chains) {
  constexpr int kOne = kPair * kTileRows;
  float* sums = chains;
  for (int64_t i = 0; i < n_rows; ++i, chains += kChains * kOne, sums += kOne) {
    for (int r = 0; r < kOne; ++r) {
      sums[r] = (chains[r] + chains[r + kOne]) + (chains[r + 2 * kOne] + chains[r + 3 * kOne]);
    }
  }
}

int64_t MatMul(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x,
               float* y, int64_t y_stride) {
  if (x.n_rows == 0 || tile_begin == tile_end) return 0;
  alignas(64) float sums[kMaxRows * kPair * kTileRows];
  const bool quantized = IsQuantized(w.type);
  const PackLayout* layout = quantized ? &LayoutOf(w.type) : nullptr;
  const TileOffsets offsets = quantized ? OffsetsOf(*layout, w.n_cols) : TileOffsets{};
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  const int64_t max_rows = quantized ? kMaxRows / x.block_rows * x.block_rows : kMaxFloatRows;
  const int64_t block_bytes = quantized ? ActivationBlockBytes(x.n_cols, x.block_rows) : 0;
  int64_t n_unpacked = 0;
  for (int64_t begin = 0; begin < x.n_rows; begin += max_rows) {
    const int64_t n_rows = Smaller(max_rows, x.n_rows - begin);
    for (int64_t t = tile_begin; t < tile_end; t += kPair) {
      const int64_t n_tiles = Smaller(kPair, tile_end - t);
      const int64_t n_outputs = Smaller(n_tiles * kTileRows, w.n_rows - t * kTileRows);
      const uint8_t* tile = w.tiles + t * tile_bytes;
      const uint8_t* end = tile + n_tiles * tile_bytes;
      const Pair pair = {{tile, end - tile_bytes}, {end, end + tile_bytes}};
      const Output out = {y + begin * y_stride + t * kTileRows, y_stride,
                          static_cast<int>(n_outputs)};
      if (quantized) {
        const uint8_t* blocks = x.blocks + begin / x.block_rows * block_bytes;
        MultiplyPair(*layout, offsets, pair, blocks, x.block_rows, x.n_cols, n_rows, out, sums);
      } else {
        MultiplyFloatPair(w.type, pair, x, begin, n_rows, sums);
        AddChains(n_rows, sums);
        Store(sums, out, 0, static_cast<int>(n_rows));
      }
      n_unpacked += n_tiles;
    }
  }
  return n_unpacked;
}

}  // namespace
}  // namespace weir
