// The body of matmul_avx2.cpp and matmul_avx512.cpp, which define before they include it:
//   kRowBlock, kFloatRowBlock      rows of activations that its kernels take at most
//   PanelKernels(layout)           kernels for 1 .. kRowBlock rows
//   StreamKernel(layout)           a kernel for one row of activations and packed codes, or null
//   kFloatPanelKernels             kernels for 1 .. kFloatRowBlock rows
// Each tile is unpacked panel by panel, and each panel multiplied with all rows of activations,
// whose sums wait in a buffer on the stack meanwhile. A single row is multiplied as the codes come
// in from memory: taking turns, the memory would wait for the multiplications.

namespace weir {
namespace {

constexpr int kChains = 4;  // of the float types
constexpr int64_t kMaxRows = 4096;
constexpr int64_t kMaxFloatRows = kMaxRows / kChains;

int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// How many of n rows to take next, so that the blocks of rows are of nearly equal size.
int NextRows(int64_t n, int block) {
  const int64_t n_blocks = (n + block - 1) / block;
  return static_cast<int>((n + n_blocks - 1) / n_blocks);
}

/// -zero * sum of n groups, the same for 16 as for any rest.
void PrepareStarts(const int32_t* sum, int n_groups, bool wide, int zero, int32_t* start) {
  int g = 0;
  for (; g + kTileRows <= n_groups; g += kTileRows) {
    StoreInts(start + g, MulInts(wide ? PairSums(sum + 2 * g) : LoadInts(sum + g), -zero));
  }
  for (; g < n_groups; ++g) start[g] = -zero * (wide ? sum[2 * g] + sum[2 * g + 1] : sum[g]);
}

/// scale * sum of n groups.
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
                int n_groups, int at, PanelRows* out) {
  const int64_t first = row * x.n_cols + begin;
  const float* scale = x.scale + first / kQuantBlock;
  const int32_t* sum = x.sum + first / kSumBlock;
  const int n_blocks = n_groups * layout.group / kQuantBlock;
  const bool wide = layout.group == kQuantBlock;
  out->q[at] = x.q8 + first;
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

/// What a panel of one tile is unpacked from.
struct PackedPanel {
  const uint8_t *units, *groups, *supers;
};

PackedPanel PackedAt(const PackLayout& layout, const TileOffsets& offsets, const uint8_t* tile,
                     int64_t begin) {
  return {tile + begin / kUnitCols * kStepBytes * layout.bits,
          tile + offsets.groups + begin / layout.group * GroupBytes(layout),
          tile + offsets.supers + begin / kSuperCols * SuperBytes(layout)};
}

/// Where the sums of a pair of tiles go: n outputs of each row.
struct Output {
  float* y;
  int64_t stride;
  int n;
};

/// Asks for the outputs of rows [i, i + n_rows), which would be waited for once they are stored.
void Prefetch(const Output& out, int64_t i, int n_rows) {
  for (int r = 0; r < n_rows; ++r) {
    const float* y = out.y + (i + r) * out.stride;
    __builtin_prefetch(y, 1, 3);
    __builtin_prefetch(y + out.n - 1, 1, 3);
  }
}

/// Writes sums [n_rows][kPair][16] to rows [i, i + n_rows) of the output.
void Store(const float* sums, const Output& out, int64_t i, int n_rows) {
  for (int r = 0; r < n_rows; ++r, sums += kPair * kTileRows) {
    float* y = out.y + (i + r) * out.stride;
    for (int k = 0; k < out.n; ++k) y[k] = sums[k];
  }
}

/// Multiplies a pair of tiles with the rows [row_begin, row_begin + n_rows) into sums
/// [n_rows][kPair][16]; the pair `next` will follow.
void MultiplyPair(const PackLayout& layout, const TileOffsets& offsets, const uint8_t* const* pair,
                  const uint8_t* const* next, const Activations& x, int64_t row_begin,
                  int64_t n_rows, const Output& out, float* sums) {
  alignas(64) uint8_t operands[kPair][kPanelCols * kTileRows];
  Panel panel;
  panel.levels = layout.levels;
  const PanelFn* kernels = PanelKernels(layout);
  const PanelFn stream = StreamKernel(layout, n_rows);
  __builtin_memset(sums, 0, static_cast<size_t>(n_rows * kPair * kTileRows) * sizeof(float));
  for (int64_t begin = 0; begin < x.n_cols; begin += kPanelCols) {
    const auto n_cols = static_cast<int>(Smaller(kPanelCols, x.n_cols - begin));
    const bool last = begin + n_cols == x.n_cols;
    panel.n_groups = n_cols / layout.group;
    for (int t = 0; t < kPair; ++t) {
      const PackedPanel packed = PackedAt(layout, offsets, pair[t], begin);
      const PackedPanel ahead = last ? PackedAt(layout, offsets, next[t], 0)
                                     : PackedAt(layout, offsets, pair[t], begin + n_cols);
      Prefetch(ahead.groups, panel.n_groups * GroupBytes(layout));
      Prefetch(ahead.supers, n_cols / kSuperCols * SuperBytes(layout));
      UnpackScales(layout, packed.groups, packed.supers, panel.n_groups, panel.scale[t][0],
                   panel.neg_min[t][0]);
      panel.ahead[t] = ahead.units;
      panel.codes[t] = stream ? packed.units : operands[t];
      if (!stream) {
        UnpackOperands(layout, packed.units, ahead.units, n_cols / kUnitCols, operands[t]);
      }
    }
    PanelRows rows;
    for (int64_t i = 0; i < n_rows;) {
      const int n = stream ? static_cast<int>(n_rows) : NextRows(n_rows - i, kRowBlock);
      for (int r = 0; r < n; ++r) {
        PrepareRow(layout, x, ActivationRow(x, row_begin + i + r), begin, panel.n_groups, r, &rows);
      }
      float* block = sums + i * kPair * kTileRows;
      if (last) Prefetch(out, i, n);
      (stream ? stream : kernels[n - 1])(panel, rows, block);
      if (last) Store(block, out, i, n);
      i += n;
    }
  }
}

/// The same for F32, F16 and BF16, into chains [n_rows][4][16].
void MultiplyFloatTile(TensorType type, const uint8_t* tile, const Activations& x,
                       int64_t row_begin, int64_t n_rows, float* chains) {
  alignas(64) float widened[kFloatPanelCols * kTileRows];
  __builtin_memset(chains, 0, static_cast<size_t>(n_rows * kChains * kTileRows) * sizeof(float));
  for (int64_t begin = 0; begin < x.n_cols; begin += kFloatPanelCols) {
    const auto n_cols = static_cast<int>(Smaller(kFloatPanelCols, x.n_cols - begin));
    const float* weights = widened;
    if (type == TensorType::kF32) {
      weights = reinterpret_cast<const float*>(tile) + begin * kTileRows;
    } else {
      Widen(type, tile + begin * kTileRows * 2, n_cols, widened);
    }
    for (int64_t i = 0; i < n_rows;) {
      const int n = NextRows(n_rows - i, kFloatRowBlock);
      const float* values[kFloatRowBlock];
      for (int r = 0; r < n; ++r) {
        values[r] = x.f32 + ActivationRow(x, row_begin + i + r) * x.n_cols + begin;
      }
      kFloatPanelKernels[n - 1](weights, n_cols, values, chains + i * kChains * kTileRows);
      i += n;
    }
  }
}

void AddChains(const float* chains, int64_t n_rows, float* sums) {
  for (int64_t i = 0; i < n_rows; ++i, chains += kChains * kTileRows, sums += kTileRows) {
    for (int r = 0; r < kTileRows; ++r) {
      sums[r] = (chains[r] + chains[r + kTileRows]) +
                (chains[r + 2 * kTileRows] + chains[r + 3 * kTileRows]);
    }
  }
}

int64_t MatMulQuantized(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                        const Activations& x, float* y, int64_t y_stride) {
  alignas(64) float sums[kMaxRows * kPair * kTileRows];
  const PackLayout& layout = LayoutOf(w.type);
  const TileOffsets offsets = OffsetsOf(layout, w.n_cols);
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  int64_t n_unpacked = 0;
  for (int64_t begin = 0; begin < x.n_rows; begin += kMaxRows) {
    for (int64_t t = tile_begin; t < tile_end; t += kPair) {
      const int64_t n_tiles = Smaller(kPair, tile_end - t);
      const uint8_t* tile = w.tiles + t * tile_bytes;
      const uint8_t* const pair[kPair] = {tile, tile + (n_tiles - 1) * tile_bytes};
      const uint8_t* const next[kPair] = {pair[1] + tile_bytes, pair[1] + 2 * tile_bytes};
      const auto n = Smaller(n_tiles * kTileRows, w.n_rows - t * kTileRows);
      const Output out = {y + begin * y_stride + t * kTileRows, y_stride, static_cast<int>(n)};
      MultiplyPair(layout, offsets, pair, next, x, begin, Smaller(kMaxRows, x.n_rows - begin), out,
                   sums);
      n_unpacked += n_tiles;
    }
  }
  return n_unpacked;
}

int64_t MatMulFloat(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                    const Activations& x, float* y, int64_t y_stride) {
  alignas(64) float chains[kMaxFloatRows * kChains * kTileRows];
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  int64_t n_unpacked = 0;
  for (int64_t begin = 0; begin < x.n_rows; begin += kMaxFloatRows) {
    const int64_t n_rows = Smaller(kMaxFloatRows, x.n_rows - begin);
    for (int64_t t = tile_begin; t < tile_end; ++t, ++n_unpacked) {
      MultiplyFloatTile(w.type, w.tiles + t * tile_bytes, x, begin, n_rows, chains);
      AddChains(chains, n_rows, chains);
      const int64_t n_outputs = Smaller(kTileRows, w.n_rows - t * kTileRows);
      for (int64_t i = 0; i < n_rows; ++i) {
        float* out = y + (begin + i) * y_stride + t * kTileRows;
        for (int64_t r = 0; r < n_outputs; ++r) out[r] = chains[i * kTileRows + r];
      }
    }
  }
  return n_unpacked;
}

int64_t MatMul(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x,
               float* y, int64_t y_stride) {
  return IsQuantized(w.type) ? MatMulQuantized(w, tile_begin, tile_end, x, y, y_stride)
                             : MatMulFloat(w, tile_begin, tile_end, x, y, y_stride);
}

}  // namespace
}  // namespace weir
