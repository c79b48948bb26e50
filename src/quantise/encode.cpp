#include "quantise/encode.h"

#include <algorithm>
#include <cstring>

#include "kernels/dequantize.h"
#include "quantise/encode_window.h"

namespace weir {
namespace {

using enum TensorType;
using Encoder = void (*)(TensorType type, const Window& window, uint8_t* out);

Encoder EncoderOf(TensorType type) {
  switch (type) {
    case kQ4_0:
    case kQ4_1:
    case kQ5_0:
    case kQ5_1:
    case kQ8_0:
    case kIQ4_NL:
      return EncodeSimple;
    case kQ2_K:
    case kQ3_K:
    case kQ4_K:
    case kQ5_K:
    case kQ6_K:
    case kIQ4_XS:
      return EncodeSuper;
    case kIQ2_XXS:
    case kIQ2_XS:
    case kIQ2_S:
    case kIQ3_XXS:
    case kIQ3_S:
      return EncodeCodebook;
    default:
      return nullptr;
  }
}

bool IsFloat(TensorType type) { return type == kF32 || type == kF16 || type == kBF16; }

/// To nearest even; the values are finite and no larger than a half can be.
void EncodeFloats(TensorType type, const float* row, int64_t n, uint8_t* out) {
  if (type == kF32) {
    std::memcpy(out, row, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    if (type == kF16) {
      StoreHalf(row[i], out + 2 * i);
    } else {
      uint32_t bits;
      std::memcpy(&bits, row + i, sizeof(bits));
      Store16((bits + 0x7fff + (bits >> 16 & 1)) >> 16, out + 2 * i);
    }
  }
}

}  // namespace

bool CanEncode(TensorType type) { return IsFloat(type) || EncoderOf(type) != nullptr; }

void EncodeRow(TensorType type, const float* row, const Importance& importance, int64_t n,
               uint8_t* out) {
  if (IsFloat(type)) return EncodeFloats(type, row, n, out);
  const Encoder encode = EncoderOf(type);
  float alike[kWindow];
  std::fill_n(alike, kWindow, 1.0f);
  for (int64_t begin = 0; begin < n; begin += kWindow) {
    const int width = static_cast<int>(std::min<int64_t>(kWindow, n - begin));
    const float* w = importance.squares ? importance.squares + begin : alike;
    const float* products = importance.products ? importance.products + begin * kWindow : nullptr;
    encode(type, {row + begin, w, products, width}, out + RowBytes(type, begin));
  }
}

}  // namespace weir
