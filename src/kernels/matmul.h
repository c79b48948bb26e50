// The matrix multiplication of each instruction set (kernel_table.h says what it computes).
#pragma once

#include "kernels/kernel_table.h"

namespace weir {

int64_t MatMulPlain(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                    const Activations& x, float* y, int64_t y_stride);
#if defined(__x86_64__)
int64_t MatMulAvx2(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                   const Activations& x, float* y, int64_t y_stride);
int64_t MatMulAvxVnni(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                      const Activations& x, float* y, int64_t y_stride);
int64_t MatMulAvx512(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end,
                     const Activations& x, float* y, int64_t y_stride);
int64_t MatMulAmx(const PackedMatrix& w, int64_t tile_begin, int64_t tile_end, const Activations& x,
                  float* y, int64_t y_stride);
#endif

}  // namespace weir
