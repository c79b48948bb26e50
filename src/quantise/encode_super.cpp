// Q2_K to Q6_K and IQ4_XS: blocks of 256 values whose sub-blocks have small integers for scales, and a half that
// scales these. The integers are chosen after the halves, and the levels after the integers, so that each choice sees
// the rounding of those above it.
#include <cmath>
#include <cstring>

#include "quantise/descent.h"
#include "quantise/encode_window.h"
#include "quantise/fit.h"

namespace weir {
namespace {

constexpr int kMaxSubs = 16;

/// value = d * scale[sub] * level - dmin * min[sub].
struct Block {
  float d = 0, dmin = 0;
  float scale[kMaxSubs] = {}, min[kMaxSubs] = {};  // integers
  float level[kWindow] = {};

  Affine affine(int sub) const { return {d * scale[sub], dmin * min[sub]}; }
};

void Codes(const Block& block, int zero, uint8_t* code) {
  for (int i = 0; i < kWindow; ++i) code[i] = static_cast<uint8_t>(static_cast<int>(block.level[i]) + zero);
}

int Scale(const Block& block, int sub) { return static_cast<int>(block.scale[sub]); }
int Min(const Block& block, int sub) { return static_cast<int>(block.min[sub]); }
uint8_t Byte(int bits) { return static_cast<uint8_t>(bits); }

/// Two bits per value in the order of Q2_K and Q3_K: a byte has values l, l + 32, l + 64 and l + 96 of a half.
void PackPairs(const uint8_t* code, uint8_t* out) {
  for (int half = 0; half < 2; ++half) {
    for (int l = 0; l < 32; ++l) {
      const uint8_t* c = code + 128 * half + l;
      out[32 * half + l] = Byte((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
  }
}

/// Four bits per value in the order of Q4_K and Q5_K, and their scales and minima of six bits.
void PackNibblePairs(const uint8_t* code, uint8_t* out) {
  for (int t = 0; t < 4; ++t) {
    for (int l = 0; l < 32; ++l) {
      out[32 * t + l] = Byte((code[64 * t + l] & 15) | (code[64 * t + 32 + l] & 15) << 4);
    }
  }
}
void PackScalesAndMins(const Block& block, uint8_t* s) {
  for (int j = 0; j < 4; ++j) {
    s[j] = Byte(Scale(block, j) | Scale(block, j + 4) >> 4 << 6);
    s[j + 4] = Byte(Min(block, j) | Min(block, j + 4) >> 4 << 6);
    s[j + 8] = Byte((Scale(block, j + 4) & 15) | (Min(block, j + 4) & 15) << 4);
  }
}

struct Q2_K {
  using Grid = IntegerGrid<0, 3>;
  static constexpr int kSub = 16;
  static constexpr bool kHasMin = true;
  static constexpr float kLowScale = 0, kHighScale = 15, kHighMin = 15;
  static void Pack(const Block& block, uint8_t* out) {
    uint8_t code[kWindow];
    Codes(block, 0, code);
    for (int j = 0; j < 16; ++j) out[j] = Byte(Scale(block, j) | Min(block, j) << 4);
    PackPairs(code, out + 16);
    StoreHalf(block.d, out + 80);
    StoreHalf(block.dmin, out + 82);
  }
};

struct Q3_K {
  using Grid = IntegerGrid<-4, 3>;
  static constexpr int kSub = 16;
  static constexpr bool kHasMin = false;
  static constexpr float kLowScale = -32, kHighScale = 31, kHighMin = 0;
  static void Pack(const Block& block, uint8_t* out) {
    uint8_t code[kWindow];
    Codes(block, 4, code);
    std::memset(out, 0, 32);
    for (int i = 0; i < kWindow; ++i) {
      out[i % 32] = Byte(out[i % 32] | code[i] >> 2 << (i / 32));
    }
    PackPairs(code, out + 32);
    uint8_t* s = out + 96;
    std::memset(s, 0, 12);
    for (int j = 0; j < 16; ++j) {
      const int scale = Scale(block, j) + 32;
      s[j % 8] = Byte(s[j % 8] | (scale & 15) << (j / 8 * 4));
      s[8 + j % 4] = Byte(s[8 + j % 4] | scale >> 4 << (j / 4 * 2));
    }
    StoreHalf(block.d, out + 108);
  }
};

struct Q4_K {
  using Grid = IntegerGrid<0, 15>;
  static constexpr int kSub = 32;
  static constexpr bool kHasMin = true;
  static constexpr float kLowScale = 0, kHighScale = 63, kHighMin = 63;
  static void Pack(const Block& block, uint8_t* out) {
    uint8_t code[kWindow];
    Codes(block, 0, code);
    StoreHalf(block.d, out);
    StoreHalf(block.dmin, out + 2);
    PackScalesAndMins(block, out + 4);
    PackNibblePairs(code, out + 16);
  }
};

struct Q5_K {
  using Grid = IntegerGrid<0, 31>;
  static constexpr int kSub = 32;
  static constexpr bool kHasMin = true;
  static constexpr float kLowScale = 0, kHighScale = 63, kHighMin = 63;
  static void Pack(const Block& block, uint8_t* out) {
    uint8_t code[kWindow];
    Codes(block, 0, code);
    StoreHalf(block.d, out);
    StoreHalf(block.dmin, out + 2);
    PackScalesAndMins(block, out + 4);
    std::memset(out + 16, 0, 32);
    for (int i = 0; i < kWindow; ++i) {
      out[16 + i % 32] = Byte(out[16 + i % 32] | code[i] >> 4 << (i / 32));
    }
    PackNibblePairs(code, out + 48);
  }
};

struct Q6_K {
  using Grid = IntegerGrid<-32, 31>;
  static constexpr int kSub = 16;
  static constexpr bool kHasMin = false;
  static constexpr float kLowScale = -128, kHighScale = 127, kHighMin = 0;
  static void Pack(const Block& block, uint8_t* out) {
    uint8_t code[kWindow];
    Codes(block, 32, code);
    for (int half = 0; half < 2; ++half) {
      const uint8_t* c = code + 128 * half;
      for (int l = 0; l < 64; ++l) out[64 * half + l] = Byte((c[l] & 15) | (c[l + 64] & 15) << 4);
      for (int l = 0; l < 32; ++l) {
        out[128 + 32 * half + l] = Byte(c[l] >> 4 | c[l + 32] >> 4 << 2 | c[l + 64] >> 4 << 4 | c[l + 96] >> 4 << 6);
      }
    }
    for (int j = 0; j < 16; ++j) out[192 + j] = Byte(Scale(block, j));
    StoreHalf(block.d, out + 208);
  }
};

struct IQ4_XS {
  using Grid = Iq4Grid;
  static constexpr int kSub = 32;
  static constexpr bool kHasMin = false;
  static constexpr float kLowScale = -32, kHighScale = 31, kHighMin = 0;
  static void Pack(const Block& block, uint8_t* out) {
    uint32_t high = 0;
    std::memset(out + 4, 0, 4);
    for (int j = 0; j < 8; ++j) {
      const int scale = Scale(block, j) + 32;
      high |= static_cast<uint32_t>(scale >> 4) << (2 * j);
      out[4 + j / 2] = Byte(out[4 + j / 2] | (scale & 15) << (j % 2 * 4));
      for (int l = 0; l < 16; ++l) {
        const float* level = block.level + 32 * j + l;
        out[8 + 16 * j + l] = Byte(Iq4Code(level[0]) | Iq4Code(level[16]) << 4);
      }
    }
    StoreHalf(block.d, out);
    Store16(high, out + 2);
  }
};

float Clamp(float value, float low, float high) {
  return value < low ? low : value > high ? high : value;
}

template <class Format>
class Encoder {
 public:
  explicit Encoder(const Window& window) : window_(window) {}

  void Encode(uint8_t* out) {
    for (int sub = 0; sub < kSubs; ++sub) {
      const float *x = window_.x + sub * kSub, *w = window_.w + sub * kSub;
      if constexpr (Format::kHasMin) {
        wanted_[sub] = FitAffine<Grid, kSub, false>(x, w);
      } else {
        wanted_[sub] = {FitStep<Grid, kSub>(x, w), 0};
      }
    }
    SearchHalves();
    for (int round = 0; round < 3 && Polish(); ++round) {
    }
    if (window_.products) Refine();
    Format::Pack(best_, out);
  }

 private:
  using Grid = typename Format::Grid;
  static constexpr int kSub = Format::kSub;
  static constexpr int kSubs = kWindow / kSub;

  /// The integers and levels of a sub-block for given halves: those near what the sub-block alone would want.
  float ChooseSub(int sub, Block& block) const {
    const float *x = window_.x + sub * kSub, *w = window_.w + sub * kSub;
    float* best_level = block.level + sub * kSub;
    const float near_scale = std::nearbyint(wanted_[sub].step * Inverse(block.d));
    float best_error = -1;
    for (float s = near_scale - 1; s <= near_scale + 1; ++s) {
      const float scale = Clamp(s, Format::kLowScale, Format::kHighScale);
      if (scale != s && best_error >= 0) continue;
      // With a coarser step the best minimum moves: half a level of the difference, in the middle of the grid.
      const float near_min = std::nearbyint(wanted_[sub].min * Inverse(block.dmin));
      for (float m = near_min - 1; m <= near_min + 1; ++m) {
        const float min = Clamp(m, 0, Format::kHighMin);
        if (m != min && m != near_min) continue;
        float level[kSub];
        const float error =
            ChooseLevels<Grid, kSub>(x, w, {block.d * scale, block.dmin * min}, level);
        if (best_error < 0 || error < best_error) {
          best_error = error;
          block.scale[sub] = scale;
          block.min[sub] = min;
          std::memcpy(best_level, level, sizeof(level));
        }
      }
    }
    return best_error;
  }

  /// All sub-blocks for given halves; keeps them if nothing was better before.
  bool Try(float d, float dmin) {
    Block block;
    block.d = Half(d);
    block.dmin = Half(dmin);
    float error = 0;
    for (int sub = 0; sub < kSubs; ++sub) {
      error += ChooseSub(sub, block);
      if (best_error_ >= 0 && error >= best_error_) return false;
    }
    best_error_ = error;
    best_ = block;
    return true;
  }

  /// Starts from the largest scale and minimum at the end of their ranges, a little beyond, and before.
  void SearchHalves() {
    float step = 0, min = 0;
    for (const Affine& a : wanted_) {
      if (std::fabs(a.step) > std::fabs(step)) step = a.step;
      min = std::max(min, a.min);
    }
    Try(step / Format::kHighScale, Format::kHasMin ? min / Format::kHighMin : 0);
    if (step == 0 && min == 0) return;
    constexpr float kStretches[] = {0.88f, 0.92f, 0.96f, 1.0f, 1.04f, 1.08f, 1.14f};
    for (const float scale_stretch : kStretches) {
      if constexpr (Format::kHasMin) {
        for (const float min_stretch : {0.9f, 1.0f, 1.1f}) {
          Try(step / Format::kHighScale * scale_stretch, min / Format::kHighMin * min_stretch);
        }
      } else {
        Try(step / Format::kHighScale * scale_stretch, 0);
        Try(step / Format::kLowScale * scale_stretch, 0);
      }
    }
  }

  /// The halves that fit the integers and levels best by least squares, then all choices again.
  bool Polish() {
    // Normal equations of x = d a - dmin b with a = scale * level and b = min.
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (int i = 0; i < kWindow; ++i) {
      const int sub = i / kSub;
      const double w = static_cast<double>(window_.w[i]), x = static_cast<double>(window_.x[i]);
      const double a = static_cast<double>(best_.scale[sub] * best_.level[i]);
      const double b = static_cast<double>(best_.min[sub]);
      aa += w * a * a;
      ab += w * a * b;
      bb += w * b * b;
      xa += w * x * a;
      xb += w * x * b;
    }
    const double determinant = aa * bb - ab * ab;
    if (determinant > 1e-9 * aa * bb) {
      return Try(static_cast<float>((bb * xa - ab * xb) / determinant),
                 static_cast<float>((ab * xa - aa * xb) / determinant));
    }
    return aa > 0 && Try(static_cast<float>(xa / aa), best_.dmin);
  }

  /// Levels, integers and halves in turn, while errors of one column can be paid for in another.
  void Refine() {
    constexpr int kPasses = 8;
    float values[kWindow];
    for (int i = 0; i < kWindow; ++i) {
      const Affine a = best_.affine(i / kSub);
      values[i] = a.step * best_.level[i] - a.min;
    }
    Descent descent(window_.x, values, window_.products, kWindow);
    for (int pass = 0; pass < kPasses; ++pass) {
      bool changed = false;
      for (int sub = 0; sub < kSubs; ++sub) {
        changed |= descent.SweepLevels<Grid>(sub * kSub, kSub, best_.affine(sub).step, best_.level);
        changed |= RefineIntegers(sub, descent);
      }
      RefineHalves(descent);
      if (!changed) break;
    }
  }

  bool RefineIntegers(int sub, Descent& descent) {
    const int begin = sub * kSub;
    float direction[kSub];
    bool changed = false;
    const auto move = [&](float& integer, float low, float high) {
      const float next = Clamp(
          integer + std::nearbyint(descent.Along(direction, begin, kSub)), low, high);
      if (next == integer) return;
      for (float& value : direction) value *= next - integer;
      descent.Move(direction, begin, kSub);
      integer = next;
      changed = true;
    };
    for (int i = 0; i < kSub; ++i) direction[i] = best_.d * best_.level[begin + i];
    move(best_.scale[sub], Format::kLowScale, Format::kHighScale);
    if constexpr (Format::kHasMin) {
      for (float& value : direction) value = -best_.dmin;
      move(best_.min[sub], 0, Format::kHighMin);
    }
    return changed;
  }

  void RefineHalves(Descent& descent) {
    float direction[kWindow];
    const auto move = [&](float& half) {
      const float next = Half(half + descent.Along(direction, 0, kWindow));
      for (float& value : direction) value *= next - half;
      descent.Move(direction, 0, kWindow);
      half = next;
    };
    for (int i = 0; i < kWindow; ++i) direction[i] = best_.scale[i / kSub] * best_.level[i];
    move(best_.d);
    if constexpr (Format::kHasMin) {
      for (int i = 0; i < kWindow; ++i) direction[i] = -best_.min[i / kSub];
      move(best_.dmin);
    }
  }

  const Window& window_;
  Affine wanted_[kSubs];
  Block best_;
  float best_error_ = -1;  // none yet
};

}  // namespace

void EncodeSuper(TensorType type, const Window& window, uint8_t* out) {
  switch (type) {
    case TensorType::kQ2_K: return Encoder<Q2_K>(window).Encode(out);
    case TensorType::kQ3_K: return Encoder<Q3_K>(window).Encode(out);
    case TensorType::kQ4_K: return Encoder<Q4_K>(window).Encode(out);
    case TensorType::kQ5_K: return Encoder<Q5_K>(window).Encode(out);
    case TensorType::kQ6_K: return Encoder<Q6_K>(window).Encode(out);
    default: return Encoder<IQ4_XS>(window).Encode(out);
  }
}

}  // namespace weir
