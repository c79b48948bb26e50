// The row operations in portable C++: the specification that the vector tables are tested against,
// bit by bit. Where a product is fused with a sum, the fma is written out.
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/rows.h"

namespace weir {

float Exp(float x) {
  if (x < kExpLowest) return 0;
  if (x > kExpHighest) x = kExpHighest;
  const float shifted = std::fmaf(x, kLog2E, kExpShift);
  const float n = shifted - kExpShift;
  const float r = std::fmaf(n, -kLn2Low, std::fmaf(n, -kLn2High, x));
  float p = std::fmaf(kExpC4, r, kExpC3);
  p = std::fmaf(p, r, kExpC2);
  p = std::fmaf(p, r, kExpC1);
  p = std::fmaf(p, r, kExpC0);
  p = std::fmaf(p, r * r, r);
  const float scale = std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) + 127) << 23);
  return std::fmaf(p, scale, scale);
}

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

float FoldLanes(float* lane) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}

float Dot(const float* x, const float* y, int64_t n) {
  float lane[16] = {};
  for (int64_t i = 0; i < n; ++i) lane[i % 16] = std::fmaf(x[i], y[i], lane[i % 16]);
  return FoldLanes(lane);
}

float Silu(float x) { return x / (1 + Exp(-x)); }

float HalfToFloat(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t exponent = half >> 10 & 31;
  const uint32_t mantissa = half & 0x3ff;
  uint32_t magnitude = (exponent + 112) << 23 | mantissa << 13;
  if (exponent == 0) {
    magnitude = std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-24f);
  } else if (exponent == 31) {
    magnitude = 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0);  // quiet, as F16C does
  }
  return std::bit_cast<float>(sign | magnitude);
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  uint32_t half;
  if (magnitude > 0x7f800000) {
    half = 0x7e00 | (magnitude >> 13 & 0x3ff);  // quiet, with the upper payload, as F16C does
  } else if (magnitude >= 0x477ff000) {         // 65520: halfway between the largest half and 2^16
    half = 0x7c00;
  } else if (magnitude < 0x38800000) {
    // Below 2^-14 a half is a multiple of 2^-24, which is the last bit of floats in [0.5, 1).
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000;
  } else {
    half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}

uint16_t FloatToBFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void Quantize(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum) {
  for (int64_t block = 0; block < n / kQuantBlock; ++block) {
    const float* in = x + block * kQuantBlock;
    int8_t* out = q + block * kQuantBlock;
    bool finite = true;
    float max = 0;
    for (int i = 0; i < kQuantBlock; ++i) {
      finite = finite && std::isfinite(in[i]);
      max = std::fabs(in[i]) > max ? std::fabs(in[i]) : max;
    }
    const bool zero = !finite || max < kTiniestBlock;
    scale[block] = !finite ? kNan : zero ? 0 : max / 127;
    sum[2 * block] = sum[2 * block + 1] = 0;
    for (int i = 0; i < kQuantBlock; ++i) {
      out[i] = zero ? 0 : static_cast<int8_t>(std::nearbyint(in[i] * (127 / max)));
      sum[2 * block + i / kSumBlock] += out[i];
    }
  }
}

void RmsNorm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  const float mean = Dot(x, x, n) / static_cast<float>(n);
  const float factor = 1 / std::sqrt(mean + eps);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor * weight[i];
}

void L2Norm(float* x, int64_t n, float eps, float factor) {
  const float norm = std::sqrt(Dot(x, x, n));
  const float scale = factor / (norm < eps ? eps : norm);
  for (int64_t i = 0; i < n; ++i) x[i] *= scale;
}

void Add(const float* y, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] += y[i];
}

void AddScaled(const float* y, float factor, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = std::fmaf(factor, y[i], x[i]);
}

void SiluMul(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = Silu(gate[i]) * up[i];
}

void SigmoidMul(const float* gate, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] /= 1 + Exp(-gate[i]);
}

void ConvSilu(const float* w, const float* const x[4], int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    float sum = w[i] * x[0][i];
    for (int tap = 1; tap < 4; ++tap) sum = std::fmaf(w[tap * n + i], x[tap][i], sum);
    y[i] = Silu(sum);
  }
}

void DeltaRule(float* state, const DeltaTokens& tokens, int64_t dim) {
  for (int64_t t = 0; t < tokens.n_tokens; ++t) {
    const float* q = tokens.q + t * tokens.stride;
    const float* k = tokens.k + t * tokens.stride;
    const float* v = tokens.v + t * tokens.stride;
    const float decay = tokens.decay[t * tokens.gate_stride];
    const float beta = tokens.beta[t * tokens.gate_stride];
    const float kq = Dot(k, q, dim);
    for (int64_t j = 0; j < dim; ++j) {
      float* row = state + j * dim;
      const float d = beta * std::fmaf(-decay, Dot(row, k, dim), v[j]);
      tokens.out[t * tokens.out_stride + j] = std::fmaf(d, kq, decay * Dot(row, q, dim));
      for (int64_t i = 0; i < dim; ++i) row[i] = std::fmaf(k[i], d, decay * row[i]);
    }
  }
}

float Max(const float* x, int64_t n) {
  float max = -kInfinity;
  for (int64_t i = 0; i < n; ++i) max = x[i] > max ? x[i] : max;
  return max + 0.0f;  // makes -0 into +0, so that the order of comparisons cannot show
}

float Widened(const void* page, KvType type, int64_t head_dim, int64_t position, int64_t i) {
  const int64_t at = position * head_dim + i;
  if (type == KvType::kF32) return static_cast<const float*>(page)[at];
  if (type == KvType::kQ8_0) {
    const int8_t* q = static_cast<const int8_t*>(page);
    const uint16_t* scale = reinterpret_cast<const uint16_t*>(q + kPageTokens * head_dim);
    return HalfToFloat(scale[at / kKvBlock]) * q[at];
  }
  const uint16_t bits = static_cast<const uint16_t*>(page)[at];
  return type == KvType::kF16 ? HalfToFloat(bits) : std::bit_cast<float>(uint32_t{bits} << 16);
}

float DotWithKey(const float* q, const KvPage& page, int64_t position, int64_t head_dim) {
  float lane[16] = {};
  for (int64_t i = 0; i < head_dim; ++i) {
    lane[i % 16] = std::fmaf(q[i], Widened(page.k, page.type, head_dim, position, i), lane[i % 16]);
  }
  return FoldLanes(lane);
}

/// The factors of a merge, and the merged max and sum.
struct Merge {
  Merge(float part_max, float part_sum, AttentionQuery& whole) {
    const float max = part_max > whole.max ? part_max : whole.max;
    keep = Exp(whole.max - max);
    take = Exp(part_max - max);
    whole.max = max;
    whole.sum = std::fmaf(whole.sum, keep, part_sum * take);
  }
  float keep, take;
};

void AttendPage(AttentionQuery* queries, int n_queries, int64_t head_dim, const KvPage& page,
                float scale) {
  for (AttentionQuery* query = queries; query < queries + n_queries; ++query) {
    float weight[kPageTokens];
    for (int j = 0; j < query->n_positions; ++j) {
      weight[j] = scale * DotWithKey(query->q, page, j, head_dim);
    }
    const float page_max = Max(weight, query->n_positions);
    float lane[16] = {};
    for (int j = 0; j < query->n_positions; ++j) {
      weight[j] = Exp(weight[j] - page_max);
      lane[j % 16] += weight[j];
    }
    const Merge merge(page_max, FoldLanes(lane), *query);
    for (int64_t i = 0; i < head_dim; ++i) {
      float value = 0;
      for (int j = 0; j < query->n_positions; ++j) {
        value = std::fmaf(weight[j], Widened(page.v, page.type, head_dim, j, i), value);
      }
      query->out[i] = std::fmaf(query->out[i], merge.keep, value * merge.take);
    }
  }
}

void MergeAttention(const AttentionQuery& part, int64_t head_dim, AttentionQuery& whole) {
  const Merge merge(part.max, part.sum, whole);
  for (int64_t i = 0; i < head_dim; ++i) {
    whole.out[i] = std::fmaf(whole.out[i], merge.keep, part.out[i] * merge.take);
  }
}

void StoreQ8(const float* x, int64_t head_dim, int8_t* q, uint16_t* scale) {
  for (int64_t i = 0; i < head_dim; i += kKvBlock) {
    bool finite = true;
    float max = 0;
    for (int j = 0; j < kKvBlock; ++j) {
      finite = finite && std::isfinite(x[i + j]);
      max = std::fabs(x[i + j]) > max ? std::fabs(x[i + j]) : max;
    }
    const bool zero = !finite || max < kTiniestBlock;
    scale[i / kKvBlock] = FloatToHalf(!finite ? kNan : max / 127);
    for (int j = 0; j < kKvBlock; ++j) {
      q[i + j] = zero ? 0 : static_cast<int8_t>(std::nearbyint(x[i + j] * (127 / max)));
    }
  }
}

void StorePosition(const float* x, int64_t head_dim, KvType type, int position, void* page) {
  const int64_t at = position * head_dim;
  if (type == KvType::kQ8_0) {
    int8_t* q = static_cast<int8_t*>(page);
    uint16_t* scale = reinterpret_cast<uint16_t*>(q + kPageTokens * head_dim);
    return StoreQ8(x, head_dim, q + at, scale + at / kKvBlock);
  }
  for (int64_t i = 0; i < head_dim; ++i) {
    if (type == KvType::kF32) {
      static_cast<float*>(page)[at + i] = x[i];
    } else {
      uint16_t& bits = static_cast<uint16_t*>(page)[at + i];
      bits = type == KvType::kF16 ? FloatToHalf(x[i]) : FloatToBFloat(x[i]);
    }
  }
}

}  // namespace

const RowKernels kRowsPlain = {
    Quantize, RmsNorm,   L2Norm,     Add,            AddScaled,     SiluMul, SigmoidMul,
    ConvSilu, DeltaRule, AttendPage, MergeAttention, StorePosition, Max};

}  // namespace weir
