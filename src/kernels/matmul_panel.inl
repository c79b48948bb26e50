// The way of a pair of tiles through the matrix kernels of every vector instruction set: opening its
// panels, asking memory for what comes next, writing what came out.

namespace weir {
namespace {

/// How far ahead of a unit its tile is asked for, in bytes. While the codes are multiplied as they come in,
/// 1 to 4 KiB are equally good on an Emerald Rapids guest (16 lose 7 %), 4 to 6 are best on a Zen 5 one. Where more rows
/// follow, what is asked for has time until the next panel: there 16 KiB gain up to 25 % over 3.
constexpr int kAhead = 4608, kFarAhead = 16384;

int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }

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

/// What is multiplied: a pair of tiles, of which `next` will follow.
struct Pair {
  const uint8_t* tile[kPair];
  const uint8_t* next[kPair];
};

/// Unpacks the scales of n_cols columns from column `begin` on, and asks for those of the panel
/// after them.
void OpenPanel(const PackLayout& layout, const TileOffsets& offsets, const Pair& pair,
               int64_t total_cols, int64_t begin, int n_cols, Panel* panel) {
  const int64_t unit_bytes = kStepBytes * layout.bits;
  const bool last = begin + n_cols == total_cols;
  const auto groups_at = [&](int64_t column) {
    return offsets.groups + column / layout.group * GroupBytes(layout);
  };
  const auto supers_at = [&](int64_t column) {
    return offsets.supers + column / kSuperCols * SuperBytes(layout);
  };
  panel->n_groups = n_cols / layout.group;
  panel->ahead = kAhead;
  panel->ahead_lines = 0;
  panel->lines_left = layout.bits;
  panel->codes_left = (total_cols - begin) / kUnitCols * unit_bytes;
  for (int t = 0; t < kPair; ++t) {
    const uint8_t* tile = pair.tile[t];
    const uint8_t* ahead = last ? pair.next[t] : tile;
    const int64_t ahead_begin = last ? 0 : begin + n_cols;
    Prefetch(ahead + groups_at(ahead_begin), groups_at(n_cols) - groups_at(0));
    Prefetch(ahead + supers_at(ahead_begin), supers_at(n_cols) - supers_at(0));
    UnpackScales(layout, tile + groups_at(begin), tile + supers_at(begin), panel->n_groups,
                 panel->scale[t][0], panel->neg_min[t][0]);
    panel->units[t] = panel->codes[t] = tile + begin / kUnitCols * unit_bytes;
    panel->next[t] = pair.next[t];
  }
}

/// Leaves to the next of n_blocks kernels its part of asking for codes: as many as the panel has,
/// ahead of it.
void AskAhead(int n_cols, int64_t n_blocks, Panel* panel) {
  panel->ahead += int64_t{panel->ahead_lines} * 64 * (n_cols / kUnitCols);
  panel->ahead_lines = static_cast<int>((panel->lines_left + n_blocks - 1) / n_blocks);
  panel->lines_left -= panel->ahead_lines;
}

}  // namespace
}  // namespace weir
