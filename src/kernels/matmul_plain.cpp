#include <algorithm>
#include <cmath>

#include "kernels/matmul.h"
#include "kernels/pack_layout.h"

namespace weir {
namespace {

struct Output {
  float* y;  // of the tile's first row
  int64_t stride;
  int n_rows;  // of the tile
};

int64_t ActivationRow(const Activations& x, int64_t i) { return x.pick ? x.pick[i] : i; }

/// 32 columns of a tile, unpacked.
struct Unit {
  uint8_t operands[kUnitSteps][kTileRows][kStepCols];
  GroupScale scales[kUnitCols / kSumBlock][kTileRows];
};

/// Adds the products with 32 columns of one row of activations to out[n_rows].
void AddUnit(const PackLayout& layout, const Unit& unit, const int8_t* q, float x_scale,
             const int32_t* sums, int n_rows, float* out) {
  const int n_steps = layout.group / kStepCols;
  const int n_sums = layout.group / kSumBlock;
  for (int g = 0; g < kUnitCols / layout.group; ++g) {
    int32_t sum = sums[g * n_sums];
    if (n_sums == 2) sum += sums[g * n_sums + 1];
    for (int r = 0; r < n_rows; ++r) {
      int32_t dot = -layout.zero * sum;
      for (int s = g * n_steps; s < (g + 1) * n_steps; ++s) {
        for (int c = 0; c < kStepCols; ++c) dot += unit.operands[s][r][c] * q[s * kStepCols + c];
      }
      const GroupScale& weight = unit.scales[g][r];
      out[r] = std::fmaf(weight.scale * x_scale, static_cast<float>(dot), out[r]);
      if (layout.has_min) {
        out[r] = std::fmaf(-weight.min, x_scale * static_cast<float>(sum), out[r]);
      }
    }
  }
}

void MultiplyTile(const PackLayout& layout, const TileOffsets& offsets, const uint8_t* tile,
                  const Activations& x, const Output& out) {
  for (int64_t i = 0; i < x.n_rows; ++i) std::fill_n(out.y + i * out.stride, out.n_rows, 0.f);
  Unit unit;
  for (int64_t u = 0; u < x.n_cols / kUnitCols; ++u) {
    UnpackUnit(layout, tile + u * kStepBytes * layout.bits, unit.operands[0][0]);
    const int n_groups = kUnitCols / layout.group;
    for (int g = 0; g < n_groups; ++g) {
      for (int r = 0; r < kTileRows; ++r) {
        unit.scales[g][r] = ScaleAt(layout, tile, offsets, u * n_groups + g, r);
      }
    }
    for (int64_t i = 0; i < x.n_rows; ++i) {
      const int64_t row = ActivationRow(x, i);
      AddUnit(layout, unit, x.q8 + row * x.n_cols + u * kUnitCols,
              x.scale[row * (x.n_cols / kQuantBlock) + u],
              x.sum + row * (x.n_cols / kSumBlock) + u * (kUnitCols / kSumBlock), out.n_rows,
              out.y + i * out.stride);
    }
  }
}

void MultiplyFloatTile(TensorType type, const uint8_t* tile, const Activations& x,
                       const Output& out) {
  for (int64_t i = 0; i < x.n_rows; ++i) {
    const float* values = x.f32 + ActivationRow(x, i) * x.n_cols;
    float chains[4][kTileRows] = {};
    for (int64_t c = 0; c < x.n_cols; ++c) {
      for (int r = 0; r < kTileRows; ++r) {
        float& chain = chains[c % 4][r];
        chain = std::fmaf(FloatAt(type, tile, c * kTileRows + r), values[c], chain);
      }
    }
    for (int r = 0; r < out.n_rows; ++r) {
      out.y[i * out.stride + r] = (chains[0][r] + chains[1][r]) + (chains[2][r] + chains[3][r]);
    }
  }
}

}  // namespace

int64_t MatMulPlain(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                    const Activations& x, float* y, int64_t y_stride) {
  const int64_t tile_bytes = TileBytes(w.type, w.n_cols);
  for (int64_t t = tile_begin; t < tile_end; ++t) {
    const int64_t row = t * kTileRows;
    const auto n_rows = static_cast<int>(std::min<int64_t>(kTileRows, w.n_rows - row));
    const Output out = {y + row, y_stride, n_rows};
    const uint8_t* tile = w.tiles + t * tile_bytes;
    if (IsQuantized(w.type)) {
      const PackLayout& layout = LayoutOf(w.type);
      MultiplyTile(layout, OffsetsOf(layout, w.n_cols), tile, x, out);
    } else {
      MultiplyFloatTile(w.type, tile, x, out);
    }
  }
  return tile_end - tile_begin;
}

}  // namespace weir
