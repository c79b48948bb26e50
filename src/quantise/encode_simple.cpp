// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and IQ4_NL: blocks of 32 values with one scale, and a minimum or none.
#include <cmath>

#include "quantise/descent.h"
#include "quantise/encode_window.h"
#include "quantise/fit.h"

namespace weir {
namespace {

constexpr int kBlock = 32;

/// Low nibbles are the first half of a block, high ones the second.
void PackNibbles(const uint8_t* code, uint8_t* out) {
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<uint8_t>((code[j] & 15) | (code[j + 16] & 15) << 4);
  }
}

void PackFifthBits(const uint8_t* code, uint8_t* out) {
  uint32_t bits = 0;
  for (int j = 0; j < kBlock; ++j) bits |= uint32_t{code[j]} >> 4 << j;
  Store16(bits, out);
  Store16(bits >> 16, out + 2);
}

void Codes(const float* level, int zero, uint8_t* code) {
  for (int j = 0; j < kBlock; ++j) code[j] = static_cast<uint8_t>(static_cast<int>(level[j]) + zero);
}

struct Q8_0 {
  using Grid = IntegerGrid<-127, 127>;
  static constexpr bool kHasMin = false;
  static void Pack(const float* level, Affine a, uint8_t* out) {
    StoreHalf(a.step, out);
    Codes(level, 0, out + 2);
  }
};

struct Q4_0 {
  using Grid = IntegerGrid<-8, 7>;
  static constexpr bool kHasMin = false;
  static void Pack(const float* level, Affine a, uint8_t* out) {
    uint8_t code[kBlock];
    Codes(level, 8, code);
    StoreHalf(a.step, out);
    PackNibbles(code, out + 2);
  }
};

struct Q4_1 {
  using Grid = IntegerGrid<0, 15>;
  static constexpr bool kHasMin = true;
  static void Pack(const float* level, Affine a, uint8_t* out) {
    uint8_t code[kBlock];
    Codes(level, 0, code);
    StoreHalf(a.step, out);
    StoreHalf(-a.min, out + 2);
    PackNibbles(code, out + 4);
  }
};

struct Q5_0 {
  using Grid = IntegerGrid<-16, 15>;
  static constexpr bool kHasMin = false;
  static void Pack(const float* level, Affine a, uint8_t* out) {
    uint8_t code[kBlock];
    Codes(level, 16, code);
    StoreHalf(a.step, out);
    PackFifthBits(code, out + 2);
    PackNibbles(code, out + 6);
  }
};

struct Q5_1 {
  using Grid = IntegerGrid<0, 31>;
  static constexpr bool kHasMin = true;
  static void Pack(const float* level, Affine a, uint8_t* out) {
    uint8_t code[kBlock];
    Codes(level, 0, code);
    StoreHalf(a.step, out);
    StoreHalf(-a.min, out + 2);
    PackFifthBits(code, out + 4);
    PackNibbles(code, out + 8);
  }
};

struct IQ4_NL {
  using Grid = Iq4Grid;
  static constexpr bool kHasMin = false;
  static void Pack(const float* level, Affine a, uint8_t* out) {
    uint8_t code[kBlock];
    for (int j = 0; j < kBlock; ++j) code[j] = Iq4Code(level[j]);
    StoreHalf(a.step, out);
    PackNibbles(code, out + 2);
  }
};

Affine Halved(Affine a) { return {Half(a.step), Half(a.min)}; }

template <class Format>
Affine Fit(const float* x, const float* w) {
  if constexpr (Format::kHasMin) {
    return Halved(FitAffine<typename Format::Grid, kBlock, true>(x, w));
  } else {
    return Halved({FitStep<typename Format::Grid, kBlock>(x, w), 0});
  }
}

/// Levels and scales in turn, while errors of one block can be paid for in another.
template <class Format>
void Refine(const Window& window, Affine* a, float* level) {
  constexpr int kPasses = 8;
  float values[kWindow];
  for (int i = 0; i < window.n; ++i) values[i] = a[i / kBlock].step * level[i] - a[i / kBlock].min;
  Descent descent(window.x, values, window.products, window.n);
  constexpr float kOnes[kBlock] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                   1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const auto move_along = [&](const float* direction, int begin, float by) {
    float delta[kBlock];
    for (int i = 0; i < kBlock; ++i) delta[i] = by * direction[i];
    descent.Move(delta, begin, kBlock);
  };
  for (int pass = 0; pass < kPasses; ++pass) {
    bool changed = false;
    for (int begin = 0; begin < window.n; begin += kBlock) {
      Affine& at = a[begin / kBlock];
      float* levels = level + begin;
      changed |= descent.SweepLevels<typename Format::Grid>(begin, kBlock, at.step, level);
      const float step = Half(at.step + descent.Along(levels, begin, kBlock));
      move_along(levels, begin, step - at.step);
      at.step = step;
      if constexpr (Format::kHasMin) {
        const float min = Half(at.min - descent.Along(kOnes, begin, kBlock));
        move_along(kOnes, begin, at.min - min);
        at.min = min;
      }
    }
    if (!changed) break;
  }
}

template <class Format>
void Encode(const Window& window, int block_bytes, uint8_t* out) {
  Affine a[kWindow / kBlock];
  float level[kWindow];
  for (int begin = 0; begin < window.n; begin += kBlock) {
    const float *x = window.x + begin, *w = window.w + begin;
    a[begin / kBlock] = Fit<Format>(x, w);
    ChooseLevels<typename Format::Grid, kBlock>(x, w, a[begin / kBlock], level + begin);
  }
  if (window.products) Refine<Format>(window, a, level);
  for (int b = 0; b < window.n / kBlock; ++b) {
    Format::Pack(level + b * kBlock, a[b], out + b * block_bytes);
  }
}

}  // namespace

void EncodeSimple(TensorType type, const Window& window, uint8_t* out) {
  const int block_bytes = Traits(type).block_bytes;
  switch (type) {
    case TensorType::kQ4_0: return Encode<Q4_0>(window, block_bytes, out);
    case TensorType::kQ4_1: return Encode<Q4_1>(window, block_bytes, out);
    case TensorType::kQ5_0: return Encode<Q5_0>(window, block_bytes, out);
    case TensorType::kQ5_1: return Encode<Q5_1>(window, block_bytes, out);
    case TensorType::kQ8_0: return Encode<Q8_0>(window, block_bytes, out);
    default: return Encode<IQ4_NL>(window, block_bytes, out);
  }
}

}  // namespace weir
