#include "kernels/intrinsics.h"
#include "kernels/probe.h"
#include "kernels/tile_config.h"

namespace weir {

// Two by two tiles of products from two of either operand, 64 columns: the shape with the fewest loads, were
// there any.
int64_t ProbeInt8Amx(int a, int b, int64_t n_rounds) {
  alignas(64) int8_t left[kTileBytes], right[kTileBytes];
  for (int i = 0; i < kTileBytes; ++i) {
    left[i] = static_cast<int8_t>(a);
    right[i] = static_cast<int8_t>(b);
  }
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.n_rows[tile] = 16;
    config.row_bytes[tile] = 64;
  }
  asm volatile("" ::: "memory");  // tile loads do not tell the compiler what they read
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, left, 64);
  _tile_loadd(5, left, 64);
  _tile_loadd(6, right, 64);
  _tile_loadd(7, right, 64);
  for (int64_t round = 0; round < n_rounds; ++round) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  alignas(64) int32_t sums[4][kTileBytes / 4];
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  _tile_release();
  int64_t total = 0;
  for (const auto& tile : sums) {
    for (int32_t sum : tile) total += sum;
  }
  return total;
}

}  // namespace weir
