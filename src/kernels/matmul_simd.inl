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

/// Fills in row `at` of the block of rows from the activations' row, beginning at column `begin`.
void PrepareRow(const PackLayout& layout, const Activations& x, int64_t row, int64_t begin,
                int n_groups, int at, PanelRows* out) {
  out->q[at] = x.q8 + row * x.n_cols + begin;
  const float* scale = x.scale + (row * x.n_cols + begin) / kQuantBlock;
  const int32_t* sum = x.sum + (row * x.n_cols + begin) / kSumBlock;
  const int n_blocks = n_groups * layout.group / kQuantBlock;
  for (int b = 0; b < n_blocks; ++b) out->scale[at][b] = scale[b];
  if (layout.group == kQuantBlock && layout.has_min) {
    for (int g = 0; g < n_groups; ++g) {
      out->offset[at][g] = scale[g] * static_cast<float>(sum[2 * g] + sum[2 * g + 1]);
    }
  } else if (layout.group == kQuantBlock) {
    for (int g = 0; g < n_groups; ++g)
      out->start[at][g] = -layout.zero * (sum[2 * g] + sum[2 * g + 1]);
  } else if (layout.has_min) {
    for (int g = 0; g < n_groups; ++g)
      out->offset[at][g] = scale[g / 2] * static_cast<float>(sum[g]);
  } else {
    for (int g = 0; g < n_groups; ++g) out->start[at][g] = -layout.zero * sum[g];
  }
}

int64_t ActivationRow(const Activations& x, int64_t i) { return x.pick ? x.pick[i] : i; }

/// Multiplies one tile with the rows [row_begin, row_begin + n_rows) into sums [n_rows][16].
void MultiplyTile(const PackLayout& layout, const TileOffsets& offsets, const uint8_t* tile,
                  const Activations& x, int64_t row_begin, int64_t n_rows, float* sums) {
  alignas(64) uint8_t operands[kPanelCols * kTileRows];
  alignas(64) float scale[kPanelGroups * kTileRows];
  alignas(64) float neg_min[kPanelGroups * kTileRows];
  const PanelFn* kernels = PanelKernels(layout);
  const PanelFn stream = n_rows == 1 ? StreamKernel(layout) : nullptr;
  const int group_bytes = GroupBytes(layout), super_bytes = SuperBytes(layout);
  __builtin_memset(sums, 0, static_cast<size_t>(n_rows * kTileRows) * sizeof(float));
  for (int64_t begin = 0; begin < x.n_cols; begin += kPanelCols) {
    const auto n_cols = static_cast<int>(Smaller(kPanelCols, x.n_cols - begin));
    const int n_groups = n_cols / layout.group;
    const uint8_t* units = tile + begin / kUnitCols * kStepBytes * layout.bits;
    if (!stream) UnpackOperands(layout, units, n_cols / kUnitCols, operands);
    UnpackScales(layout, tile + offsets.groups + begin / layout.group * group_bytes,
                 tile + offsets.supers + begin / kSuperCols * super_bytes, n_groups, scale,
                 neg_min);
    const Panel panel = {stream ? units : operands, layout.levels, scale, neg_min, n_groups};
    PanelRows rows;
    for (int64_t i = 0; i < n_rows;) {
      const int n = NextRows(n_rows - i, kRowBlock);
      for (int r = 0; r < n; ++r) {
        PrepareRow(layout, x, ActivationRow(x, row_begin + i + r), begin, n_groups, r, &rows);
      }
      (stream ? stream : kernels[n - 1])(panel, rows, sums + i * kTileRows);
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

int64_t MatMul(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x,
               float* y, int64_t y_stride) {
  alignas(64) float sums[kMaxRows * kTileRows];
  const bool quantized = IsQuantized(w.type);
  const PackLayout* layout = quantized ? &LayoutOf(w.type) : nullptr;
  const TileOffsets offsets = quantized ? OffsetsOf(*layout, w.n_cols) : TileOffsets{};
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  const int64_t max_rows = quantized ? kMaxRows : kMaxFloatRows;
  int64_t n_unpacked = 0;
  for (int64_t begin = 0; begin < x.n_rows; begin += max_rows) {
    const int64_t n_rows = Smaller(max_rows, x.n_rows - begin);
    for (int64_t t = tile_begin; t < tile_end; ++t, ++n_unpacked) {
      const uint8_t* tile = w.tiles + t * tile_bytes;
      if (quantized) {
        MultiplyTile(*layout, offsets, tile, x, begin, n_rows, sums);
      } else {
        MultiplyFloatTile(w.type, tile, x, begin, n_rows, sums);
        AddChains(sums, n_rows, sums);
      }
      const int64_t n_outputs = Smaller(kTileRows, w.n_rows - t * kTileRows);
      for (int64_t i = 0; i < n_rows; ++i) {
        float* out = y + (begin + i) * y_stride + t * kTileRows;
        for (int64_t r = 0; r < n_outputs; ++r) out[r] = sums[i * kTileRows + r];
      }
    }
  }
  return n_unpacked;
}

}  // namespace
}  // namespace weir
