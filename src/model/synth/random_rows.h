// Random rows of any tensor type whose dequantised values have a chosen spread.
#pragma once

#include <cstdint>
#include <vector>

#include "gguf/tensor_type.h"

namespace weir {

/// A well mixed 64-bit function of x (the finaliser of splitmix64).
inline uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// Codes and sub-block scales are random bits; the scales of whole blocks are the same everywhere
/// and set so that values have a mean of about 0 and the standard deviation `std` (MXFP4: the
/// nearest that a power of two allows). No value is ever infinite or NaN.
class RandomRows {
 public:
  RandomRows(TensorType type, double std);

  /// Writes a row of n elements (a multiple of the block size), a function of `seed` alone.
  void Fill(uint64_t seed, int64_t n, uint8_t* row) const;

  /// What a block carries beside its codes: halves, or for MXFP4 the exponent byte.
  struct BlockScales {
    uint16_t scale = 0, min = 0;
  };

 private:
  TensorType type_;
  BlockScales scales_;            // of quantised types
  std::vector<uint32_t> values_;  // F32, F16, BF16: the bits of the value that each byte stands for
};

}  // namespace weir
