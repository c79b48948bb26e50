// Weights to the block formats of GGUF: the inverse of kernels/dequantize.h, which says what the bits mean.
//
// A format leaves much to choose: codes, scales, scales of scales. All of it is chosen to make the weighted
// squared error of a row small, by search: many starting points, the best scale for given codes in closed form,
// the best codes for given scales, until nothing changes. Rows stand alone and every sum has a fixed order, so the
// bytes depend on the row and its importance only.
#pragma once

#include <cstdint>

#include "gguf/tensor_type.h"

namespace weir {

/// Columns of a row whose errors may be weighed against each other.
inline constexpr int kWindow = 256;

/// How much an error in each column of a matrix matters: what the columns are multiplied with, as measured.
/// Null members are unknown; with both unknown, all columns count alike.
struct Importance {
  const float* squares = nullptr;   // [n] mean squared input of each column, > 0
  const float* products = nullptr;  // [ceil(n / 256)][256][256] mean products of the inputs of two columns of a window,
                                    // symmetric and positive definite; columns past n are not read
};

/// The largest magnitude that a row may hold: all formats keep scales, and some minima, in half precision.
inline constexpr float kMaxWeight = 65504.0f;

/// Whether EncodeRow knows the type.
bool CanEncode(TensorType type);

/// Writes the n values of `row` (n a multiple of the type's block size, all finite and at most kMaxWeight) as one row
/// of `type`, RowBytes(type, n) bytes at `out`.
void EncodeRow(TensorType type, const float* row, const Importance& importance, int64_t n,
               uint8_t* out);

}  // namespace weir
