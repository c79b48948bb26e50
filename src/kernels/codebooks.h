// The grids of the IQ formats: results of an optimisation that no rule regenerates, so part of the format.
// Stored compactly (2- or 3-bit level codes, spec appendix A) and expanded once at start-up.
// Data: Copyright (c) 2023-2026 The ggml authors, MIT licence.
#pragma once

#include <cstdint>

namespace weir {

struct Codebooks {
  uint8_t iq2xxs[256][8];  // levels 8, 25, 43
  uint8_t iq2xs[512][8];
  uint8_t iq2s[1024][8];
  uint8_t iq3xxs[256][4];  // levels 4 to 62
  uint8_t iq3s[512][4];    // odd levels 1 to 15
  int8_t iq1s[2048][8];    // levels -1, 0, 1
};

const Codebooks& GetCodebooks();

/// The eight signs of a 7-bit sign index (bit set: negative): the eighth makes their number even.
inline uint8_t ExpandSigns(uint32_t index) {
  return static_cast<uint8_t>(index | (__builtin_popcount(index) & 1) << 7);
}

inline constexpr int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr int8_t kMxfp4Levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace weir
