// The row operations over vectors of 16 lanes: the body of rows_avx2.cpp and rows_avx512.cpp, which
// define V and the operations on it before they include this file. Lengths are multiples of 16
// (kernel_table.h), so there are no tails, except in Max.

namespace weir {
namespace {

// Rows of the state are fetched into the cache this many rows before their use. From memory delta_rule
// gains a fifth by it; 4 to 24 rows make no difference.
constexpr int64_t kRowsAhead = 8;

void Prefetch(const void* address) { __builtin_prefetch(address); }

V Exp(V x) {
  const V clamped = Min(Set1(kExpHighest), x);
  const V shifted = Fma(clamped, Set1(kLog2E), Set1(kExpShift));
  const V n = Sub(shifted, Set1(kExpShift));
  const V r = Fma(n, Set1(-kLn2Low), Fma(n, Set1(-kLn2High), clamped));
  V p = Fma(Set1(kExpC4), r, Set1(kExpC3));
  p = Fma(p, r, Set1(kExpC2));
  p = Fma(p, r, Set1(kExpC1));
  p = Fma(p, r, Set1(kExpC0));
  p = Fma(p, Mul(r, r), r);
  const V scale = PowerOfTwo(shifted);
  return ZeroWhereLess(x, Set1(kExpLowest), Fma(p, scale, scale));
}

V OnePlusExpOfMinus(V x) { return Add(Set1(1), Exp(Sub(Set1(0), x))); }
V Silu(V x) { return Div(x, OnePlusExpOfMinus(x)); }

float Dot(const float* x, const float* y, int64_t n) {
  V sum = Set1(0);
  for (int64_t i = 0; i < n; i += 16) sum = Fma(Load(x + i), Load(y + i), sum);
  return Sum(sum);
}

void Quantize(const float* x, int64_t n, int8_t* q, float* scale, int32_t* sum) {
  for (int64_t block = 0; block < n / kQuantBlock; ++block) {
    const V a = Load(x + block * kQuantBlock);
    const V b = Load(x + block * kQuantBlock + 16);
    const float max = MaxMagnitude(a, b);
    int8_t* out = q + block * kQuantBlock;
    if (max >= kTiniestBlock && max < __builtin_inff()) {
      const V factor = Set1(127 / max);
      scale[block] = max / 127;
      sum[2 * block] = StoreRounded(out, Mul(a, factor));
      sum[2 * block + 1] = StoreRounded(out + 16, Mul(b, factor));
    } else {
      scale[block] = max < kTiniestBlock ? 0 : __builtin_nanf("");
      sum[2 * block] = StoreRounded(out, Set1(0));
      sum[2 * block + 1] = StoreRounded(out + 16, Set1(0));
    }
  }
}

void RmsNorm(const float* x, const float* weight, int64_t n, float eps, float* y) {
  const float mean = Dot(x, x, n) / static_cast<float>(n);
  const V factor = Set1(1 / Sqrt(mean + eps));
  for (int64_t i = 0; i < n; i += 16) Store(y + i, Mul(Mul(Load(x + i), factor), Load(weight + i)));
}

void L2Norm(float* x, int64_t n, float eps, float factor) {
  const float norm = Sqrt(Dot(x, x, n));
  const V scale = Set1(factor / (norm < eps ? eps : norm));
  for (int64_t i = 0; i < n; i += 16) Store(x + i, Mul(Load(x + i), scale));
}

void AddTo(const float* y, int64_t n, float* x) {
  for (int64_t i = 0; i < n; i += 16) Store(x + i, Add(Load(x + i), Load(y + i)));
}

void AddScaled(const float* y, float factor, int64_t n, float* x) {
  const V f = Set1(factor);
  for (int64_t i = 0; i < n; i += 16) Store(x + i, Fma(f, Load(y + i), Load(x + i)));
}

void SiluMul(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t i = 0; i < n; i += 16) Store(y + i, Mul(Silu(Load(gate + i)), Load(up + i)));
}

void SigmoidMul(const float* gate, int64_t n, float* x) {
  for (int64_t i = 0; i < n; i += 16) {
    Store(x + i, Div(Load(x + i), OnePlusExpOfMinus(Load(gate + i))));
  }
}

void ConvSilu(const float* w, const float* const x[4], int64_t n, float* y) {
  for (int64_t i = 0; i < n; i += 16) {
    V sum = Mul(Load(w + i), Load(x[0] + i));
    for (int tap = 1; tap < 4; ++tap) sum = Fma(Load(w + tap * n + i), Load(x[tap] + i), sum);
    Store(y + i, Silu(sum));
  }
}

/// One token. Row by row: each comes from memory once, is read again from the L1 cache, and stored once.
/// Holding k, q and the row in registers instead reaches only three quarters of this loop's speed from
/// memory, where decoding finds the state.
void DeltaStep(float* state, const DeltaTokens& token, int64_t dim) {
  const float *q = token.q, *k = token.k;
  const float decay = token.decay[0], beta = token.beta[0];
  const float kq = Dot(k, q, dim);
  for (int64_t j = 0; j < dim; ++j) {
    float* row = state + j * dim;
    V with_k = Set1(0);
    V with_q = Set1(0);
    for (int64_t i = 0; i < dim; i += 16) {
      Prefetch(row + kRowsAhead * dim + i);  // past the last row comes the next head, as a rule
      const V s = Load(row + i);
      with_k = Fma(s, Load(k + i), with_k);
      with_q = Fma(s, Load(q + i), with_q);
    }
    const float d = beta * Fma(-decay, Sum(with_k), token.v[j]);
    token.out[j] = Fma(d, kq, decay * Sum(with_q));
    for (int64_t i = 0; i < dim; i += 16) {
      Store(row + i, Fma(Load(k + i), Set1(d), Mul(Set1(decay), Load(row + i))));
    }
  }
}

// Rows of the state that go through a prompt's tokens together: they stay in the L1 cache.
constexpr int64_t kDeltaRows = 32;

/// What a token changes in kDeltaRows rows of the state: row = decay * row + d * k.
struct DeltaChange {
  const float* k;
  V decay;
  alignas(64) float d[kDeltaRows];
};

/// Dot products of kDeltaRows rows with a token's key and query.
struct DeltaDots {
  alignas(64) float with_k[kDeltaRows];
  alignas(64) float with_q[kDeltaRows];
};

/// One pass over the rows: applies the change of the token before and multiplies with the next token while a
/// vector of the state is in a register. All rows pass before the next token needs their sums, so that folding
/// lanes and the few operations on a change overlap with other rows.
template <bool kApply, bool kMultiply>
void DeltaPass(float* state, int64_t dim, const DeltaChange& change, const float* k, const float* q,
               DeltaDots* dots) {
  constexpr int kSide = kAccumulators >= 8 ? 4 : 2;  // rows side by side, two sums each
  for (int64_t j = 0; j < kDeltaRows; j += kSide) {
    float* rows = state + j * dim;
    V sum[2 * kSide];
    for (int a = 0; a < 2 * kSide; ++a) sum[a] = Set1(0);
    for (int64_t i = 0; i < dim; i += 16) {
      const V before = kApply ? Load(change.k + i) : Set1(0);
      const V key = kMultiply ? Load(k + i) : Set1(0), query = kMultiply ? Load(q + i) : Set1(0);
      for (int r = 0; r < kSide; ++r) {
        V s = Load(rows + r * dim + i);
        if (kApply) {
          s = Fma(before, Set1(change.d[j + r]), Mul(change.decay, s));
          Store(rows + r * dim + i, s);
        }
        if (!kMultiply) continue;
        sum[r] = Fma(s, key, sum[r]);
        sum[kSide + r] = Fma(s, query, sum[kSide + r]);
      }
    }
    if (!kMultiply) continue;
    float dot[2 * kSide];
    for (int a = 0; a < 2 * kSide; a += 4) StoreSums(dot + a, sum + a);
    for (int r = 0; r < kSide; ++r) {
      dots->with_k[j + r] = dot[r];
      dots->with_q[j + r] = dot[kSide + r];
    }
  }
}

/// The change that the token makes, and its output, from what the state was before it.
void DeltaOutput(const DeltaDots& dots, const DeltaTokens& token, int64_t dim, DeltaChange* change) {
  const V decay = Set1(token.decay[0]), minus_decay = Set1(-token.decay[0]);
  const V beta = Set1(token.beta[0]), kq = Set1(Dot(token.k, token.q, dim));
  change->k = token.k;
  change->decay = decay;
  for (int64_t j = 0; j < kDeltaRows; j += 16) {
    const V d = Mul(beta, Fma(minus_decay, Load(dots.with_k + j), Load(token.v + j)));
    Store(token.out + j, Fma(d, kq, Mul(decay, Load(dots.with_q + j))));
    Store(change->d + j, d);
  }
}

/// Rows of the state do not meet: a block of them takes all tokens of a prompt's chunk before the next block does.
void DeltaRule(float* state, const DeltaTokens& tokens, int64_t dim) {
  if (tokens.n_tokens == 1 || dim % kDeltaRows != 0) {
    for (int64_t t = 0; t < tokens.n_tokens; ++t) DeltaStep(state, tokens.from(t), dim);
    return;
  }
  for (int64_t block = 0; block < dim; block += kDeltaRows) {
    float* rows = state + block * dim;
    DeltaChange change;
    DeltaDots dots;
    for (int64_t t = 0; t < tokens.n_tokens; ++t) {
      DeltaTokens token = tokens.from(t);
      token.v += block;
      token.out += block;
      if (t == 0) {
        DeltaPass<false, true>(rows, dim, change, token.k, token.q, &dots);
      } else {
        DeltaPass<true, true>(rows, dim, change, token.k, token.q, &dots);
      }
      DeltaOutput(dots, token, dim, &change);
    }
    DeltaPass<true, false>(rows, dim, change, nullptr, nullptr, nullptr);
  }
}

float Max(const float* x, int64_t n) {
  V max[4] = {Set1(-__builtin_inff()), Set1(-__builtin_inff()), Set1(-__builtin_inff()),
              Set1(-__builtin_inff())};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int part = 0; part < 4; ++part) max[part] = Max(Load(x + i + 16 * part), max[part]);
  }
  float largest = MaxOf(Max(Max(max[0], max[1]), Max(max[2], max[3])));
  for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest + 0.0f;  // makes -0 into +0, so that the order of comparisons cannot show
}

}  // namespace
}  // namespace weir

#include "kernels/attention_simd.inl"

namespace weir {
namespace {

constexpr RowKernels kRows = {
    Quantize, RmsNorm,   L2Norm,     AddTo,          AddScaled,     SiluMul, SigmoidMul,
    ConvSilu, DeltaRule, AttendPage, MergeAttention, StorePosition, Max};

}  // namespace
}  // namespace weir
