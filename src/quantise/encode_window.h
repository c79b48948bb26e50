// The encoders of one window of a row, by family of formats (encode.cpp chooses).
#pragma once

#include <algorithm>
#include <cstdint>

#include "gguf/tensor_type.h"
#include "kernels/dequantize.h"
#include "quantise/encode.h"

namespace weir {

/// Up to 256 consecutive values of a row.
struct Window {
  const float* x;         // [n]
  const float* w;         // [n] weights of squared errors, > 0
  const float* products;  // [256][256] or null: Importance::products
  int n;
};

/// The nearest finite half, as a float.
inline float Half(float value) {
  return HalfToFloat(FloatToHalf(std::clamp(value, -kMaxWeight, kMaxWeight)));
}

inline void Store16(uint32_t value, uint8_t* out) {
  out[0] = static_cast<uint8_t>(value);
  out[1] = static_cast<uint8_t>(value >> 8);
}
inline void StoreHalf(float value, uint8_t* out) { Store16(FloatToHalf(value), out); }

// Blocks of 32 with a scale, some with a minimum: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL.
void EncodeSimple(TensorType type, const Window& window, uint8_t* out);
// Blocks of 256 with scaled scales: Q2_K to Q6_K, IQ4_XS.
void EncodeSuper(TensorType type, const Window& window, uint8_t* out);
// Blocks of 256 whose values come from codebooks: IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S.
void EncodeCodebook(TensorType type, const Window& window, uint8_t* out);

}  // namespace weir
