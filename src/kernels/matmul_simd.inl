// The body of matmul_avx2.cpp, matmul_avxvnni.cpp and matmul_avx512.cpp, which define before they
// include it:
//   kRowBlock, kFloatRowBlock      rows of activations that its kernels take at most
//   Kernels(layout, use)           kernels for 1 .. kRowBlock rows
//   RowForm(layout, q, n, at, f)   what kernels read for n columns q of activations, row `at` of the
//                                  block: q, or another form of it that was left in RowForms f
//   kFloatPanelKernels             kernels for 1 .. kFloatRowBlock rows
// Pairs of tiles are multiplied panel by panel with all rows of activations, whose sums wait in a
// buffer on the stack meanwhile. The first rows are multiplied as the codes come in from memory:
// taking turns, the memory would wait for the multiplications.

namespace weir {
namespace {

constexpr int64_t kMaxRows = 4096;
constexpr int64_t kMaxFloatRows = kMaxRows / kChains;

/// How many of n rows to take next, so that the blocks of rows are of nearly equal size.
int NextRows(int64_t n, int block) {
  const int64_t n_blocks = (n + block - 1) / block;
  return static_cast<int>((n + n_blocks - 1) / n_blocks);
}

/// -zero * sum of n groups: 16 at once, then the rest.
void PrepareStarts(const int32_t* sum, int n_groups, bool wide, int zero, int32_t* start) {
  int g = 0;
  for (; g + kTileRows <= n_groups; g += kTileRows) {
    StoreInts(start + g, MulInts(wide ? PairSums(sum + 2 * g) : LoadInts(sum + g), -zero));
  }
  for (; g < n_groups; ++g) start[g] = -zero * (wide ? sum[2 * g] + sum[2 * g + 1] : sum[g]);
}

/// scale * sum of n groups, in the same way.
void PrepareOffsets(const int32_t* sum, const float* scale, int n_groups, bool wide,
                    float* offset) {
  int g = 0;
  for (; wide && g + kTileRows <= n_groups; g += kTileRows) {
    StoreFloats(offset + g, Mul(LoadFloats(scale + g), FromInts(PairSums(sum + 2 * g))));
  }
  for (; g < n_groups; ++g) {
    offset[g] = wide ? scale[g] * static_cast<float>(sum[2 * g] + sum[2 * g + 1])
                     : scale[g / 2] * static_cast<float>(sum[g]);
  }
}

/// Fills in row `at` of the block of rows from the activations' row, beginning at column `begin`.
void PrepareRow(const PackLayout& layout, const Activations& x, int64_t row, int64_t begin,
                int n_groups, int at, RowForms* forms, PanelRows* out) {
  const int64_t first = row * x.n_cols + begin;
  const float* scale = x.scale + first / kQuantBlock;
  const int32_t* sum = x.sum + first / kSumBlock;
  const int n_blocks = n_groups * layout.group / kQuantBlock;
  const bool wide = layout.group == kQuantBlock;
  out->q[at] = RowForm(layout, x.q8 + first, n_groups * layout.group, at, forms);
  if (n_blocks == kPanelCols / kQuantBlock) {
    StoreFloats(out->scale[at], LoadFloats(scale));
  } else {
    for (int b = 0; b < n_blocks; ++b) out->scale[at][b] = scale[b];
  }
  if (layout.has_min) {
    PrepareOffsets(sum, scale, n_groups, wide, out->offset[at]);
  } else {
    PrepareStarts(sum, n_groups, wide, layout.zero, out->start[at]);
  }
}

int64_t ActivationRow(const Activations& x, int64_t i) { return x.pick ? x.pick[i] : i; }

/// Lets kernels read the operands: for 8 bits those are the units themselves.
void ReadOperands(const PackLayout& layout, Panel* panel) {
  for (int t = 0; t < kPair; ++t) {
    panel->codes[t] = layout.bits == 8 ? panel->units[t] : panel->operands[t];
  }
}

/// Multiplies a pair of tiles with the rows [row_begin, row_begin + n_rows) through sums
/// [n_rows][kPair][16].
void MultiplyPair(const PackLayout& layout, const TileOffsets& offsets, const Pair& pair,
                  const Activations& x, int64_t row_begin, int64_t n_rows, const Output& out,
                  float* sums) {
  alignas(64) uint8_t operands[kPair][kPanelCols * kTileRows];
  Panel panel;
  panel.levels = layout.levels;
  for (int t = 0; t < kPair; ++t) panel.operands[t] = operands[t];
  PanelRows rows;
  RowForms forms;
  const int64_t n_blocks = (n_rows + kRowBlock - 1) / kRowBlock;
  const KernelUse first_use = n_blocks > 1 ? KernelUse::kUnitsKept : KernelUse::kUnits;
  __builtin_memset(sums, 0, static_cast<size_t>(n_rows * kPair * kTileRows) * sizeof(float));
  for (int64_t begin = 0; begin < x.n_cols; begin += kPanelCols) {
    const auto n_cols = static_cast<int>(Smaller(kPanelCols, x.n_cols - begin));
    const bool last = begin + n_cols == x.n_cols;
    OpenPanel(layout, offsets, pair, x.n_cols, begin, n_cols, &panel);
    if (n_blocks > 1) panel.ahead = kFarAhead;
    int64_t blocks_left = n_blocks;
    for (int64_t i = 0; i < n_rows; --blocks_left) {
      const int n = NextRows(n_rows - i, kRowBlock);
      for (int r = 0; r < n; ++r) {
        PrepareRow(layout, x, ActivationRow(x, row_begin + i + r), begin, panel.n_groups, r,
                   &forms, &rows);
      }
      float* block = sums + i * kPair * kTileRows;
      if (last) Prefetch(out, i, n);
      AskAhead(n_cols, blocks_left, &panel);
      Kernels(layout, i == 0 ? first_use : KernelUse::kOperands)[n - 1](panel, rows, block);
      if (last) Store(block, out, i, n);
      if (i == 0) ReadOperands(layout, &panel);
      i += n;
    }
  }
}

/// n_cols columns of F16 or BF16 as floats [n_cols][16].
void Widen(TensorType type, const uint8_t* values, int n_cols, float* floats) {
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
        Widen(type, pair.tile[t] + begin * kTileRows * 2, n_cols, widened[t]);
        weights[t] = widened[t];
      }
    }
    FloatPanel panel = {{weights[0], weights[1]}, {}, n_cols, 0};
    const bool last = begin + n_cols == x.n_cols;
    const int64_t n_blocks = (n_rows + kFloatRowBlock - 1) / kFloatRowBlock;
    panel.ahead_step = kTileRows * value_bytes / n_blocks;
    for (int64_t i = 0, block = 0; i < n_rows; ++block) {
      const int n = NextRows(n_rows - i, kFloatRowBlock);
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
  alignas(64) float sums[kMaxRows * kPair * kTileRows];
  const bool quantized = IsQuantized(w.type);
  const PackLayout* layout = quantized ? &LayoutOf(w.type) : nullptr;
  const TileOffsets offsets = quantized ? OffsetsOf(*layout, w.n_cols) : TileOffsets{};
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  const int64_t max_rows = quantized ? kMaxRows : kMaxFloatRows;
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
        MultiplyPair(*layout, offsets, pair, x, begin, n_rows, out, sums);
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
