// The shapes of AMX's eight tile registers.
#pragma once

#include <cstdint>

namespace weir {

inline constexpr int kTileBytes = 1024;  // at most 16 rows of 64 bytes

/// The operand of ldtilecfg (Intel SDM volume 1, 18.2).
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t n_rows[16] = {};
};

}  // namespace weir
