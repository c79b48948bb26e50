// The body of matmul_avx2.cpp and matmul_avx512.cpp, which define before they include it:
//   Bytes, Floats                  vectors of 64 bytes and 16 floats, and the operations on them used here
//   kRowBlock, kFloatRowBlock      rows of activations that its kernels take at most
//   PanelKernels(layout)           kernels for 1 .. kRowBlock rows
//   kFloatPanelKernels             kernels for 1 .. kFloatRowBlock rows
// Each tile is unpacked panel by panel, and each panel multiplied with all rows of activations, whose sums
// wait in a buffer on the stack meanwhile.

namespace weir {
namespace {

constexpr int kChains = 4;  // of the float types
constexpr int64_t kMaxRows = 4096;
constexpr int64_t kMaxFloatRows = kMaxRows / kChains;

/// How far ahead of the codes that are unpacked memory is asked for, in bytes: tiles follow one another.
constexpr int kAhead = 4096;

/// Operands of codes with a plane of kLow bits and, unless kHigh is 0, one of the kHigh bits above them.
/// Shifts move bits across bytes, but never into the bits that the masks keep.
template <int kLow, int kHigh, bool kLevels>
void UnpackPlanes(const uint8_t* units, int n_units, const uint8_t* levels, uint8_t* operands) {
  const Bytes table = kLevels ? LoadLevels(levels) : Set1(0);
  const Bytes low_mask = Set1((1 << kLow) - 1), high_mask = Set1(((1 << kHigh) - 1) << kLow);
  for (int u = 0; u < n_units; ++u, units += (kLow + kHigh) * kStepBytes) {
#pragma GCC unroll 8
    for (int line = 0; line < kLow + kHigh; ++line) {
      __builtin_prefetch(units + kAhead + line * kStepBytes);
    }
#pragma GCC unroll 8
    for (int s = 0; s < kUnitSteps; ++s, operands += kStepBytes) {
      const Bytes low = LoadBytes(units + s * kLow / 8 * kStepBytes);
      Bytes codes = And(ShiftRight(low, s * kLow % 8), low_mask);
      if (kHigh > 0) {
        const Bytes high = LoadBytes(units + (kLow + s * kHigh / 8) * kStepBytes);
        codes = AndOr(ShiftRight(high, s * kHigh % 8 - kLow), high_mask, codes);
      }
      if (kLevels) codes = Lookup(table, codes);
      StoreBytes(operands, codes);
    }
  }
}

void UnpackOperands(const PackLayout& layout, const uint8_t* units, int n_units, uint8_t* operands) {
  const uint8_t* levels = layout.levels;
  switch (layout.bits) {
    case 2: return UnpackPlanes<2, 0, false>(units, n_units, levels, operands);
    case 3:
      return levels ? UnpackPlanes<2, 1, true>(units, n_units, levels, operands)
                    : UnpackPlanes<2, 1, false>(units, n_units, levels, operands);
    case 4:
      return levels ? UnpackPlanes<4, 0, true>(units, n_units, levels, operands)
                    : UnpackPlanes<4, 0, false>(units, n_units, levels, operands);
    case 5: return UnpackPlanes<4, 1, false>(units, n_units, levels, operands);
    case 6: return UnpackPlanes<4, 2, false>(units, n_units, levels, operands);
    case 8: return UnpackPlanes<8, 0, false>(units, n_units, levels, operands);
  }
}

/// The scales of groups in one super-block: the groups' integers times the halves in `super`.
void UnpackSuper(const PackLayout& layout, const uint8_t* groups, const uint8_t* super, float* scale,
                 float* neg_min) {
  const int group_bytes = GroupBytes(layout), n_groups = kSuperCols / layout.group;
  const Floats d = Times(FromHalves(super), layout.factor);
  if (!layout.has_min) {
    for (int g = 0; g < n_groups; ++g) {
      StoreFloats(scale + g * kTileRows, Mul(d, FromSigned(groups + g * group_bytes)));
    }
    return;
  }
  const Floats neg_d_min = Negated(FromHalves(super + 2 * kTileRows));
  const bool nibbles = layout.scale == ScaleKind::kSuperNibbles;
  for (int g = 0; g < n_groups; ++g, groups += group_bytes) {
    const Floats integer = nibbles ? FromLowNibbles(groups) : FromSigned(groups);
    const Floats min = nibbles ? FromHighNibbles(groups) : FromUnsigned(groups + kTileRows);
    StoreFloats(scale + g * kTileRows, Mul(d, integer));
    StoreFloats(neg_min + g * kTileRows, Mul(neg_d_min, min));
  }
}

/// The scales and negated minima [n_groups][16] of groups that begin a super-block, if there are any.
void UnpackScales(const PackLayout& layout, const uint8_t* groups, const uint8_t* supers, int n_groups,
                  float* scale, float* neg_min) {
  const int group_bytes = GroupBytes(layout);
  if (layout.scale == ScaleKind::kHalf) {
    for (int g = 0; g < n_groups; ++g, groups += group_bytes) {
      StoreFloats(scale + g * kTileRows, FromHalves(groups));
      if (!layout.has_min) continue;
      StoreFloats(neg_min + g * kTileRows, Negated(FromHalves(groups + 2 * kTileRows)));
    }
  } else if (layout.scale == ScaleKind::kExponent) {
    for (int g = 0; g < n_groups; ++g) {
      StoreFloats(scale + g * kTileRows, FromExponents(groups + g * group_bytes));
    }
  } else {
    const int per_super = kSuperCols / layout.group;
    for (int g = 0; g < n_groups; g += per_super, supers += SuperBytes(layout)) {
      UnpackSuper(layout, groups + g * group_bytes, supers, scale + g * kTileRows,
                  neg_min + g * kTileRows);
    }
  }
}

/// n_cols columns of F16 or BF16 as floats [n_cols][16].
void Widen(TensorType type, const uint8_t* values, int n_cols, float* floats) {
  for (int c = 0; c < n_cols; ++c, values += 2 * kTileRows, floats += kTileRows) {
    StoreFloats(floats, type == TensorType::kF16 ? FromHalves(values) : FromBFloats(values));
  }
}

int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// How many of n rows to take next, so that the blocks of rows are of nearly equal size.
int NextRows(int64_t n, int block) {
  const int64_t n_blocks = (n + block - 1) / block;
  return static_cast<int>((n + n_blocks - 1) / n_blocks);
}

/// Fills in row `at` of the block of rows from the activations' row, beginning at column `begin`.
void PrepareRow(const PackLayout& layout, const Activations& x, int64_t row, int64_t begin, int n_groups,
                int at, PanelRows* out) {
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
    for (int g = 0; g < n_groups; ++g) out->start[at][g] = -layout.zero * (sum[2 * g] + sum[2 * g + 1]);
  } else if (layout.has_min) {
    for (int g = 0; g < n_groups; ++g) out->offset[at][g] = scale[g / 2] * static_cast<float>(sum[g]);
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
  const int group_bytes = GroupBytes(layout), super_bytes = SuperBytes(layout);
  __builtin_memset(sums, 0, static_cast<size_t>(n_rows * kTileRows) * sizeof(float));
  for (int64_t begin = 0; begin < x.n_cols; begin += kPanelCols) {
    const auto n_cols = static_cast<int>(Smaller(kPanelCols, x.n_cols - begin));
    const int n_groups = n_cols / layout.group;
    UnpackOperands(layout, tile + begin / kUnitCols * kStepBytes * layout.bits, n_cols / kUnitCols,
                   operands);
    UnpackScales(layout, tile + offsets.groups + begin / layout.group * group_bytes,
                 tile + offsets.supers + begin / kSuperCols * super_bytes, n_groups, scale, neg_min);
    const Panel panel = {operands, scale, neg_min, n_groups};
    PanelRows rows;
    for (int64_t i = 0; i < n_rows;) {
      const int n = NextRows(n_rows - i, kRowBlock);
      for (int r = 0; r < n; ++r) {
        PrepareRow(layout, x, ActivationRow(x, row_begin + i + r), begin, n_groups, r, &rows);
      }
      kernels[n - 1](panel, rows, sums + i * kTileRows);
      i += n;
    }
  }
}

/// The same for F32, F16 and BF16, into chains [n_rows][4][16].
void MultiplyFloatTile(TensorType type, const uint8_t* tile, const Activations& x, int64_t row_begin,
                       int64_t n_rows, float* chains) {
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

int64_t MatMul(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x, float* y,
               int64_t y_stride) {
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
