// The block formats of GGUF, element by element: the specification that every packed layout and every
// kernel is tested against (spec 11). Portable C++, exact in float32 up to the sign of zero.
#pragma once

#include <cstdint>

#include "gguf/tensor_type.h"

namespace weir {

/// Writes the n values of one row of `type` at `row` (n a multiple of the block size, no alignment needed).
void DequantizeRow(TensorType type, const uint8_t* row, int64_t n, float* values);

float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);  // round to nearest even
float BFloat16ToFloat(uint16_t bits);

}  // namespace weir
