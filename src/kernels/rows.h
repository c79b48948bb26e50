// The row operations of each instruction set, and what they share: the constants of exp().
//
// Every input is meant to be finite. What happens to others is the same on every instruction set,
// up to the payload of a NaN: NaN stays NaN, and a block that quantize cannot represent (NaN or
// infinity in it) gets q = 0 and scale NaN, so that its products are NaN as they would be in f32,
// not plausible numbers. A block whose largest magnitude is below kTiniestBlock (127 / it would
// overflow) is all zero. max gives +0 for -0.
#pragma once

#include "kernels/kernel_table.h"

namespace weir {

extern const RowKernels kRowsPlain;
#if defined(__x86_64__)
extern const RowKernels kRowsAvx2;
extern const RowKernels kRowsAvx512;
#endif

/// e^x, the same bits as in every kernel: within 1.013 ulp (every float tried), exactly 1 at 0; 0
/// below ln(2^-126) = -87.3 instead of subnormals, and at most e^88.3755 = 2.4e38, never infinity.
float Exp(float x);

inline constexpr float kTiniestBlock = 0x1p-120f;
inline constexpr int kKvBlock = 32;  // components per scale of KvType::kQ8_0

// e^x = 2^n e^r with n = round(x / ln 2) and |r| <= ln(2) / 2. Adding kExpShift rounds x / ln 2 to
// an integer and leaves it in the low bits. ln 2 in two parts keeps r exact enough; the polynomial
// e^r = 1 + r + r^2 (c0 + c1 r + ... + c4 r^4) is the minimax fit of the relative error, refitted
// after each coefficient was rounded to a float: 3.1e-9, a twentieth of the last rounding.
inline constexpr float kExpLowest = -87.33654f;
inline constexpr float kExpHighest = 88.3755f;
inline constexpr float kLog2E = 0x1.715476p+0f;
inline constexpr float kExpShift = 0x1.8p+23f;
inline constexpr float kLn2High = 0x1.62e43p-1f;
inline constexpr float kLn2Low = -0x1.05c61p-29f;
inline constexpr float kExpC0 = 0x1.fffffcp-2f;
inline constexpr float kExpC1 = 0x1.555492p-3f;
inline constexpr float kExpC2 = 0x1.5558aep-5f;
inline constexpr float kExpC3 = 0x1.12398p-7f;
inline constexpr float kExpC4 = 0x1.6a4f0cp-10f;

}  // namespace weir
