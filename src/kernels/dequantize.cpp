#include "kernels/dequantize.h"

#include <bit>
#include <cstring>

#include "kernels/codebooks.h"
#include "util/error.h"

// One function per block format: `b` is the block in the file, `y` its values. All products are
// exact in float32, so only the final additions round (Q4_1, Q5_1, Q2_K, Q4_K, Q5_K).

namespace weir {
namespace {

uint16_t Load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }

uint32_t Load32(const uint8_t* p) { return Load16(p) | uint32_t{Load16(p + 2)} << 16; }

float LoadHalf(const uint8_t* p) { return HalfToFloat(Load16(p)); }

int Low(uint8_t byte) { return byte & 15; }

int High(uint8_t byte) { return byte >> 4; }

int Bit(uint32_t bits, int i) { return static_cast<int>(bits >> i & 1); }

void F32(const uint8_t* b, float* y) { *y = std::bit_cast<float>(Load32(b)); }

void F16(const uint8_t* b, float* y) { *y = LoadHalf(b); }

void BF16(const uint8_t* b, float* y) { *y = BFloat16ToFloat(Load16(b)); }

void Q8_0(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  for (int j = 0; j < 32; ++j) y[j] = d * static_cast<int8_t>(b[2 + j]);
}

void Q4_0(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint8_t* q = b + 2;
  for (int j = 0; j < 16; ++j) {
    y[j] = d * (Low(q[j]) - 8);
    y[j + 16] = d * (High(q[j]) - 8);
  }
}

void Q4_1(const uint8_t* b, float* y) {
  const float d = LoadHalf(b), m = LoadHalf(b + 2);
  const uint8_t* q = b + 4;
  for (int j = 0; j < 16; ++j) {
    y[j] = d * Low(q[j]) + m;
    y[j + 16] = d * High(q[j]) + m;
  }
}

void Q5_0(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint32_t high = Load32(b + 2);
  const uint8_t* q = b + 6;
  for (int j = 0; j < 16; ++j) {
    y[j] = d * ((Low(q[j]) | Bit(high, j) << 4) - 16);
    y[j + 16] = d * ((High(q[j]) | Bit(high, j + 16) << 4) - 16);
  }
}

void Q5_1(const uint8_t* b, float* y) {
  const float d = LoadHalf(b), m = LoadHalf(b + 2);
  const uint32_t high = Load32(b + 4);
  const uint8_t* q = b + 8;
  for (int j = 0; j < 16; ++j) {
    y[j] = d * (Low(q[j]) | Bit(high, j) << 4) + m;
    y[j + 16] = d * (High(q[j]) | Bit(high, j + 16) << 4) + m;
  }
}

void IQ4_NL(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint8_t* q = b + 2;
  for (int j = 0; j < 16; ++j) {
    y[j] = d * kIq4Levels[Low(q[j])];
    y[j + 16] = d * kIq4Levels[High(q[j])];
  }
}

/// 2^(e - 128): half the block's scale, since the levels are twice the FP4 values.
float Mxfp4Scale(uint8_t e) {
  return std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}

void MXFP4(const uint8_t* b, float* y) {
  const float d = Mxfp4Scale(b[0]);
  const uint8_t* q = b + 1;
  for (int j = 0; j < 16; ++j) {
    y[j] = d * kMxfp4Levels[Low(q[j])];
    y[j + 16] = d * kMxfp4Levels[High(q[j])];
  }
}

void Q2_K(const uint8_t* b, float* y) {
  const uint8_t *scales = b, *q = b + 16;
  const float d = LoadHalf(b + 80), dmin = LoadHalf(b + 82);
  for (int sub = 0; sub < 16; ++sub) {
    const int half = sub / 8, shift = sub % 8 / 2 * 2;
    const uint8_t* bytes = q + 32 * half + 16 * (sub % 2);
    const float scale = d * Low(scales[sub]), min = dmin * High(scales[sub]);
    for (int l = 0; l < 16; ++l) *y++ = scale * (bytes[l] >> shift & 3) - min;
  }
}

/// The 6-bit scale of a sub-block of Q3_K: low nibbles in bytes 0 to 7, high pairs in bytes 8
/// to 11.
int Q3KScale(const uint8_t* s, int sub) {
  const int low = sub < 8 ? Low(s[sub]) : High(s[sub - 8]);
  return (low | (s[8 + sub % 4] >> (sub / 4 * 2) & 3) << 4) - 32;
}

void Q3_K(const uint8_t* b, float* y) {
  const uint8_t *high = b, *q = b + 32, *scales = b + 96;
  const float d = LoadHalf(b + 108);
  for (int sub = 0; sub < 16; ++sub) {
    const int half = sub / 8, shift = sub % 8 / 2 * 2, start = 16 * (sub % 2);
    const float scale = d * Q3KScale(scales, sub);
    for (int l = start; l < start + 16; ++l) {
      *y++ = scale * ((q[32 * half + l] >> shift & 3) - (Bit(high[l], sub / 2) ? 0 : 4));
    }
  }
}

/// The 6-bit scale and min of a sub-block of Q4_K or Q5_K, packed in 12 bytes.
void ScaleAndMin(const uint8_t* s, int sub, int* scale, int* min) {
  if (sub < 4) {
    *scale = s[sub] & 63;
    *min = s[sub + 4] & 63;
  } else {
    *scale = Low(s[sub + 4]) | s[sub - 4] >> 6 << 4;
    *min = High(s[sub + 4]) | s[sub] >> 6 << 4;
  }
}

void Q4_K(const uint8_t* b, float* y) {
  const float d = LoadHalf(b), dmin = LoadHalf(b + 2);
  const uint8_t *scales = b + 4, *q = b + 16;
  for (int sub = 0; sub < 8; ++sub) {
    int scale, min;
    ScaleAndMin(scales, sub, &scale, &min);
    const float step = d * scale, offset = dmin * min;
    const int shift = sub % 2 * 4;
    for (int l = 0; l < 32; ++l) *y++ = step * (q[sub / 2 * 32 + l] >> shift & 15) - offset;
  }
}

void Q5_K(const uint8_t* b, float* y) {
  const float d = LoadHalf(b), dmin = LoadHalf(b + 2);
  const uint8_t *scales = b + 4, *high = b + 16, *q = b + 48;
  for (int sub = 0; sub < 8; ++sub) {
    int scale, min;
    ScaleAndMin(scales, sub, &scale, &min);
    const float step = d * scale, offset = dmin * min;
    const int shift = sub % 2 * 4;
    for (int l = 0; l < 32; ++l) {
      const int nibble = q[sub / 2 * 32 + l] >> shift & 15;
      *y++ = step * (nibble | Bit(high[l], sub) << 4) - offset;
    }
  }
}

void Q6_K(const uint8_t* b, float* y) {
  const float d = LoadHalf(b + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half, *scales = b + 192 + 8 * half;
    for (int j = 0; j < 128; ++j) {
      const int quarter = j / 32, l = j % 32;
      const uint8_t byte = low[l + quarter % 2 * 32];
      const int nibble = quarter < 2 ? Low(byte) : High(byte);
      const int e = (nibble | (high[l] >> (2 * quarter) & 3) << 4) - 32;
      *y++ = d * static_cast<int8_t>(scales[j / 16]) * e;
    }
  }
}

/// Values of one grid entry, bit k of `signs` set where element k is negative.
template <int kElements>
void Signed(float scale, const uint8_t (&grid)[kElements], uint32_t signs, float* y) {
  for (int k = 0; k < kElements; ++k) {
    y[k] = scale * (Bit(signs, k) ? -int{grid[k]} : int{grid[k]});
  }
}

void IQ2_XXS(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const Codebooks& books = GetCodebooks();
  for (int group = 0; group < 8; ++group) {
    const uint8_t* indices = b + 2 + 8 * group;
    const uint32_t word = Load32(indices + 4);
    const float scale = d * 0.125f * (2 * (word >> 28) + 1);
    for (int l = 0; l < 4; ++l, y += 8) {
      Signed(scale, books.iq2xxs[indices[l]], ExpandSigns(word >> (7 * l) & 127), y);
    }
  }
}

/// The scale of sub-group l (of four) of IQ2_XS and IQ2_S: one nibble for two.
float Iq2Scale(float d, uint8_t nibbles, int l) {
  return d * 0.125f * (2 * (l < 2 ? Low(nibbles) : High(nibbles)) + 1);
}

void IQ2_XS(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint8_t *entries = b + 2, *scales = b + 66;
  const Codebooks& books = GetCodebooks();
  for (int i = 0; i < 32; ++i, y += 8) {
    const uint32_t entry = Load16(entries + 2 * i);
    Signed(Iq2Scale(d, scales[i / 4], i % 4), books.iq2xs[entry & 511], ExpandSigns(entry >> 9), y);
  }
}

void IQ2_S(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint8_t *q = b + 2, *signs = b + 34, *high = b + 66, *scales = b + 74;
  const Codebooks& books = GetCodebooks();
  for (int i = 0; i < 32; ++i, y += 8) {
    const int group = i / 4, l = i % 4;
    const int index = q[i] | (high[group] >> (2 * l) & 3) << 8;
    Signed(Iq2Scale(d, scales[group], l), books.iq2s[index], signs[i], y);
  }
}

void IQ3_XXS(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint8_t *q = b + 2, *words = b + 66;
  const Codebooks& books = GetCodebooks();
  for (int i = 0; i < 32; ++i, y += 8) {
    const uint32_t word = Load32(words + i / 4 * 4);
    const float scale = d * 0.25f * (2 * (word >> 28) + 1);
    const uint32_t signs = ExpandSigns(word >> (7 * (i % 4)) & 127);
    Signed(scale, books.iq3xxs[q[2 * i]], signs, y);
    Signed(scale, books.iq3xxs[q[2 * i + 1]], signs >> 4, y + 4);
  }
}

void IQ3_S(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint8_t *q = b + 2, *high = b + 66, *signs = b + 74, *scales = b + 106;
  const Codebooks& books = GetCodebooks();
  for (int i = 0; i < 64; ++i, y += 4) {
    const int group = i / 8;
    const uint8_t nibbles = scales[group / 2];
    const float scale = d * (2 * (group % 2 ? High(nibbles) : Low(nibbles)) + 1);
    const int index = q[i] | Bit(high[group], i % 8) << 8;
    Signed(scale, books.iq3s[index], signs[i / 2] >> (i % 2 * 4), y);
  }
}

void IQ4_XS(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint32_t high = Load16(b + 2);
  const uint8_t *low = b + 4, *q = b + 8;
  for (int group = 0; group < 8; ++group, q += 16, y += 32) {
    const uint32_t nibble = low[group / 2] >> (group % 2 * 4) & 15;
    const int scale = static_cast<int>(nibble | (high >> (2 * group) & 3) << 4) - 32;
    for (int j = 0; j < 16; ++j) {
      y[j] = d * scale * kIq4Levels[Low(q[j])];
      y[j + 16] = d * scale * kIq4Levels[High(q[j])];
    }
  }
}

/// Eight values of IQ1_S or IQ1_M: the grid's, all shifted by an eighth up or down.
void Shifted(float scale, const int8_t (&grid)[8], bool down, float* y) {
  const float delta = down ? -0.125f : 0.125f;
  for (int k = 0; k < 8; ++k) y[k] = scale * (grid[k] + delta);
}

void IQ1_S(const uint8_t* b, float* y) {
  const float d = LoadHalf(b);
  const uint8_t *q = b + 2, *high = b + 34;
  const Codebooks& books = GetCodebooks();
  for (int i = 0; i < 32; ++i, y += 8) {
    const uint32_t word = Load16(high + i / 4 * 2);
    const uint32_t index = q[i] | (word >> (3 * (i % 4)) & 7) << 8;
    Shifted(d * (2 * (word >> 12 & 7) + 1), books.iq1s[index], Bit(word, 15), y);
  }
}

void IQ1_M(const uint8_t* b, float* y) {
  const uint8_t *q = b, *high = b + 32, *scales = b + 48;
  uint32_t half = 0;
  for (int k = 0; k < 4; ++k) half |= uint32_t{Load16(scales + 2 * k)} >> 12 << (4 * k);
  const float d = HalfToFloat(static_cast<uint16_t>(half));
  const Codebooks& books = GetCodebooks();
  for (int i = 0; i < 32; ++i, y += 8) {
    const int nibble = high[i / 2] >> (i % 2 * 4) & 15;
    const int scale = Load16(scales + i / 8 * 2) >> (i % 8 / 2 * 3) & 7;
    Shifted(d * (2 * scale + 1), books.iq1s[q[i] | (nibble & 7) << 8], nibble >> 3, y);
  }
}

template <void (*kBlock)(const uint8_t*, float*), TensorType kType>
void Blocks(const uint8_t* row, int64_t n, float* values) {
  const TypeTraits& traits = Traits(kType);
  for (int64_t i = 0; i < n; i += traits.block_size, row += traits.block_bytes) {
    kBlock(row, values + i);
  }
}

}  // namespace

float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00)
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  // Placing the bits 13 up leaves an exponent 112 too small; a power of two corrects it, exactly,
  // and makes subnormal halves normal.
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to 65536
  if (magnitude < 0x38800000) {
    // Below the smallest normal half, adding 0.5 leaves the bits of value / 2^-24 in the low
    // mantissa, rounded to nearest even by the addition itself.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  const uint32_t odd = magnitude >> 13 & 1;
  return static_cast<uint16_t>(sign | (magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

float BFloat16ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

void DequantizeRow(TensorType type, const uint8_t* row, int64_t n, float* values) {
#define WEIR_CASE(name)     \
  case TensorType::k##name: \
    return Blocks<name, TensorType::k##name>(row, n, values)
  switch (type) {
    WEIR_CASE(F32);
    WEIR_CASE(F16);
    WEIR_CASE(BF16);
    WEIR_CASE(Q8_0);
    WEIR_CASE(Q4_0);
    WEIR_CASE(Q4_1);
    WEIR_CASE(Q5_0);
    WEIR_CASE(Q5_1);
    WEIR_CASE(Q2_K);
    WEIR_CASE(Q3_K);
    WEIR_CASE(Q4_K);
    WEIR_CASE(Q5_K);
    WEIR_CASE(Q6_K);
    WEIR_CASE(IQ1_S);
    WEIR_CASE(IQ1_M);
    WEIR_CASE(IQ2_XXS);
    WEIR_CASE(IQ2_XS);
    WEIR_CASE(IQ2_S);
    WEIR_CASE(IQ3_XXS);
    WEIR_CASE(IQ3_S);
    WEIR_CASE(IQ4_NL);
    WEIR_CASE(IQ4_XS);
    WEIR_CASE(MXFP4);
  }
#undef WEIR_CASE
  WEIR_CHECK(!"a type of the enum");
}

}  // namespace weir
