// Blocks of the file taken apart into codes and scales (spec 11; codebook types as pack_layout.cpp
// codes them). Values are not computed here: the layouts keep every bit of the file's scales.

#include <cstring>

#include "kernels/codebooks.h"
#include "kernels/pack_layout.h"
#include "util/error.h"

namespace weir {
namespace {

uint16_t Load16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }

uint32_t Load32(const uint8_t* p) { return Load16(p) | uint32_t{Load16(p + 2)} << 16; }

/// Low nibbles of n bytes, then their high nibbles.
template <int n>
void Nibbles(const uint8_t* q, uint8_t* codes) {
  for (int j = 0; j < n; ++j) codes[j] = q[j] & 15;
  for (int j = 0; j < n; ++j) codes[n + j] = q[j] >> 4;
}

void AddFifthBits(const uint8_t* bits, uint8_t* codes) {
  const uint32_t word = Load32(bits);
  for (int j = 0; j < 32; ++j) codes[j] |= static_cast<uint8_t>((word >> j & 1) << 4);
}

/// The file adds m where the layout subtracts a minimum.
uint16_t Negated(uint16_t half) { return half ^ 0x8000; }

void Q8_0(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  for (int j = 0; j < 32; ++j) out->codes[j] = b[2 + j] ^ 0x80;
}

void Q4_0(const uint8_t* b, FileBlock* out) {  // and IQ4_NL
  out->d = Load16(b);
  Nibbles<16>(b + 2, out->codes);
}

void Q4_1(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  out->d_min = Negated(Load16(b + 2));
  Nibbles<16>(b + 4, out->codes);
}

void Q5_0(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  Nibbles<16>(b + 6, out->codes);
  AddFifthBits(b + 2, out->codes);
}

void Q5_1(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  out->d_min = Negated(Load16(b + 2));
  Nibbles<16>(b + 8, out->codes);
  AddFifthBits(b + 4, out->codes);
}

void MXFP4(const uint8_t* b, FileBlock* out) {
  out->scale[0] = b[0];
  Nibbles<16>(b + 1, out->codes);
}

/// The four 2-bit fields of 32 bytes, twice: the order of Q2_K and Q3_K.
void Pairs(const uint8_t* q, uint8_t* codes) {
  for (int i = 0; i < 8; ++i) {
    const uint8_t* bytes = q + i / 4 * 32;
    for (int l = 0; l < 32; ++l) codes[32 * i + l] = bytes[l] >> (i % 4 * 2) & 3;
  }
}

void Q2_K(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b + 80);
  out->d_min = Load16(b + 82);
  std::memcpy(out->scale, b, 16);
  Pairs(b + 16, out->codes);
}

void Q3_K(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b + 108);
  const uint8_t *high = b, *scales = b + 96;
  Pairs(b + 32, out->codes);
  for (int i = 0; i < 8; ++i) {
    for (int l = 0; l < 32; ++l) {
      out->codes[32 * i + l] |= static_cast<uint8_t>((high[l] >> i & 1) << 2);
    }
  }
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
    const int pair = scales[8 + i % 4] >> (i / 4 * 2) & 3;
    out->scale[i] = static_cast<uint8_t>((low | pair << 4) - 32);
  }
}

/// The 6-bit scales and minima of Q4_K and Q5_K.
void ScalesAndMins(const uint8_t* s, FileBlock* out) {
  for (int i = 0; i < 4; ++i) {
    out->scale[i] = s[i] & 63;
    out->min[i] = s[i + 4] & 63;
    out->scale[i + 4] = static_cast<uint8_t>((s[i + 8] & 15) | s[i] >> 6 << 4);
    out->min[i + 4] = static_cast<uint8_t>(s[i + 8] >> 4 | s[i + 4] >> 6 << 4);
  }
}

void Q4_K(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  out->d_min = Load16(b + 2);
  ScalesAndMins(b + 4, out);
  for (int t = 0; t < 4; ++t) Nibbles<32>(b + 16 + 32 * t, out->codes + 64 * t);
}

void Q5_K(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  out->d_min = Load16(b + 2);
  ScalesAndMins(b + 4, out);
  for (int t = 0; t < 4; ++t) Nibbles<32>(b + 48 + 32 * t, out->codes + 64 * t);
  const uint8_t* high = b + 16;
  for (int i = 0; i < 8; ++i) {
    for (int l = 0; l < 32; ++l) {
      out->codes[32 * i + l] |= static_cast<uint8_t>((high[l] >> i & 1) << 4);
    }
  }
}

void Q6_K(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b + 208);
  std::memcpy(out->scale, b + 192, 16);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
    uint8_t* codes = out->codes + 128 * half;
    Nibbles<64>(low, codes);
    for (int quarter = 0; quarter < 4; ++quarter) {
      for (int l = 0; l < 32; ++l) {
        codes[32 * quarter + l] |= static_cast<uint8_t>((high[l] >> (2 * quarter) & 3) << 4);
      }
    }
  }
}

void IQ4_XS(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  const uint32_t high = Load16(b + 2);
  for (int i = 0; i < 8; ++i) {
    const uint32_t low = b[4 + i / 2] >> (i % 2 * 4) & 15u;
    out->scale[i] = static_cast<uint8_t>((low | (high >> (2 * i) & 3) << 4) - 32);
    Nibbles<16>(b + 8 + 16 * i, out->codes + 32 * i);
  }
}

/// Grid entries as codes without signs, one byte per element, element 0 lowest.
struct GridCodes {
  uint64_t iq2xxs[256];
  uint64_t iq2xs[512];
  uint64_t iq2s[1024];
  uint64_t iq1s[2048];
  uint32_t iq3xxs[256];
  uint32_t iq3s[512];
};

template <class Word, class Level, size_t kEntries, size_t kElements, class Index>
void EncodeGrid(const Level (&grid)[kEntries][kElements], Index index, Word (&codes)[kEntries]) {
  static_assert(sizeof(Word) == kElements);
  for (size_t entry = 0; entry < kEntries; ++entry) {
    codes[entry] = 0;
    for (size_t i = 0; i < kElements; ++i) {
      codes[entry] |= static_cast<Word>(index(grid[entry][i])) << (8 * i);
    }
  }
}

GridCodes EncodeGrids() {
  const Codebooks& books = GetCodebooks();
  const auto iq2 = [](int level) { return level / 17; };  // 8, 25, 43
  GridCodes codes;
  EncodeGrid(books.iq2xxs, iq2, codes.iq2xxs);
  EncodeGrid(books.iq2xs, iq2, codes.iq2xs);
  EncodeGrid(books.iq2s, iq2, codes.iq2s);
  EncodeGrid(
      books.iq1s, [](int level) { return level + 1; }, codes.iq1s);
  EncodeGrid(
      books.iq3xxs, [](int level) { return (level - 4) / 8; }, codes.iq3xxs);  // 4, 12 .. 52, 62
  EncodeGrid(
      books.iq3s, [](int level) { return level / 2; }, codes.iq3s);  // 1, 3 .. 15
  return codes;
}

const GridCodes& Grids() {
  static const GridCodes codes = EncodeGrids();
  return codes;
}

/// Bit i of `bits` to the lowest bit of byte i.
uint64_t SpreadBits(uint32_t bits) {
  const uint64_t own = bits * uint64_t{0x0101010101010101} & 0x8040201008040201;
  return (own + 0x7f7f7f7f7f7f7f7f) >> 7 & 0x0101010101010101;
}

void StoreCodes(uint64_t codes, int i, FileBlock* out) {
  std::memcpy(out->codes + 8 * i, &codes, 8);  // little endian, as the file
}

uint8_t OddScale(uint32_t s) { return static_cast<uint8_t>(2 * s + 1); }

void IQ2_XXS(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  const GridCodes& grids = Grids();
  for (int group = 0; group < 8; ++group) {
    const uint8_t* indices = b + 2 + 8 * group;
    const uint32_t word = Load32(indices + 4);
    out->scale[group] = OddScale(word >> 28);
    for (int l = 0; l < 4; ++l) {
      const uint64_t signs = SpreadBits(ExpandSigns(word >> (7 * l) & 127));
      StoreCodes(grids.iq2xxs[indices[l]] | signs << 2, 4 * group + l, out);
    }
  }
}

/// Two nibbles of scales per 32 columns.
void NibbleScales(const uint8_t* nibbles, FileBlock* out) {
  for (int i = 0; i < 16; ++i) out->scale[i] = OddScale(nibbles[i / 2] >> (i % 2 * 4) & 15);
}

void IQ2_XS(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  NibbleScales(b + 66, out);
  const GridCodes& grids = Grids();
  for (int i = 0; i < 32; ++i) {
    const uint32_t entry = Load16(b + 2 + 2 * i);
    StoreCodes(grids.iq2xs[entry & 511] | SpreadBits(ExpandSigns(entry >> 9)) << 2, i, out);
  }
}

void IQ2_S(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  NibbleScales(b + 74, out);
  const uint8_t *q = b + 2, *signs = b + 34, *high = b + 66;
  const GridCodes& grids = Grids();
  for (int i = 0; i < 32; ++i) {
    const int index = q[i] | (high[i / 4] >> (i % 4 * 2) & 3) << 8;
    StoreCodes(grids.iq2s[index] | SpreadBits(signs[i]) << 2, i, out);
  }
}

void IQ3_XXS(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  const uint8_t* q = b + 2;
  const GridCodes& grids = Grids();
  for (int group = 0; group < 8; ++group) {
    const uint32_t word = Load32(b + 66 + 4 * group);
    out->scale[group] = OddScale(word >> 28);
    for (int i = 4 * group; i < 4 * group + 4; ++i) {
      const uint64_t codes = grids.iq3xxs[q[2 * i]] | uint64_t{grids.iq3xxs[q[2 * i + 1]]} << 32;
      const uint64_t signs = SpreadBits(ExpandSigns(word >> (7 * (i % 4)) & 127));
      StoreCodes(codes | signs << 3, i, out);
    }
  }
}

void IQ3_S(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  const uint8_t *q = b + 2, *high = b + 66, *signs = b + 74, *scales = b + 106;
  const GridCodes& grids = Grids();
  for (int group = 0; group < 8; ++group) {
    out->scale[group] = OddScale(scales[group / 2] >> (group % 2 * 4) & 15);
  }
  for (int i = 0; i < 32; ++i) {
    const uint32_t bits = high[i / 4] >> (i % 4 * 2);
    const uint64_t codes = grids.iq3s[q[2 * i] | (bits & 1) << 8] |
                           uint64_t{grids.iq3s[q[2 * i + 1] | (bits >> 1 & 1) << 8]} << 32;
    StoreCodes(codes | SpreadBits(signs[i]) << 3, i, out);
  }
}

/// Eight elements of IQ1: bit 2 of every code says that the delta is negative.
uint64_t Iq1Codes(uint32_t index, bool down) {
  return Grids().iq1s[index] | (down ? 0x0404040404040404 : 0);
}

void IQ1_S(const uint8_t* b, FileBlock* out) {
  out->d = Load16(b);
  const uint8_t* q = b + 2;
  for (int group = 0; group < 8; ++group) {
    const uint32_t word = Load16(b + 34 + 2 * group);
    out->scale[group] = OddScale(word >> 12 & 7);
    for (int l = 0; l < 4; ++l) {
      const int i = 4 * group + l;
      StoreCodes(Iq1Codes(q[i] | (word >> (3 * l) & 7) << 8, word >> 15), i, out);
    }
  }
}

void IQ1_M(const uint8_t* b, FileBlock* out) {
  const uint8_t *q = b, *high = b + 32, *scales = b + 48;
  out->d = 0;
  for (int k = 0; k < 4; ++k) {
    out->d = static_cast<uint16_t>(out->d | Load16(scales + 2 * k) >> 12 << (4 * k));
  }
  for (int i = 0; i < 16; ++i) {
    out->scale[i] = OddScale(Load16(scales + i / 4 * 2) >> (i % 4 * 3) & 7u);
  }
  for (int i = 0; i < 32; ++i) {
    const uint32_t nibble = high[i / 2] >> (i % 2 * 4) & 15u;
    StoreCodes(Iq1Codes(q[i] | (nibble & 7) << 8, nibble >> 3), i, out);
  }
}

}  // namespace

DecodeFn DecoderOf(TensorType type) {
  switch (type) {
    case TensorType::kQ8_0:
      return Q8_0;
    case TensorType::kQ4_0:
      return Q4_0;
    case TensorType::kQ4_1:
      return Q4_1;
    case TensorType::kQ5_0:
      return Q5_0;
    case TensorType::kQ5_1:
      return Q5_1;
    case TensorType::kQ2_K:
      return Q2_K;
    case TensorType::kQ3_K:
      return Q3_K;
    case TensorType::kQ4_K:
      return Q4_K;
    case TensorType::kQ5_K:
      return Q5_K;
    case TensorType::kQ6_K:
      return Q6_K;
    case TensorType::kIQ1_S:
      return IQ1_S;
    case TensorType::kIQ1_M:
      return IQ1_M;
    case TensorType::kIQ2_XXS:
      return IQ2_XXS;
    case TensorType::kIQ2_XS:
      return IQ2_XS;
    case TensorType::kIQ2_S:
      return IQ2_S;
    case TensorType::kIQ3_XXS:
      return IQ3_XXS;
    case TensorType::kIQ3_S:
      return IQ3_S;
    case TensorType::kIQ4_NL:
      return Q4_0;
    case TensorType::kIQ4_XS:
      return IQ4_XS;
    case TensorType::kMXFP4:
      return MXFP4;
    case TensorType::kF32:
    case TensorType::kF16:
    case TensorType::kBF16:
      break;
  }
  WEIR_CHECK(!"a quantised type");
  return nullptr;
}

}  // namespace weir
