// The row operations over vectors of 16 lanes: the body of rows_avx2.cpp and rows_avx512.cpp, which
// define V and the operations on it before they include this file. Lengths are multiples of 16
// (kernel_table.h), so there are no tails, except in Max.

namespace weir {
namespace {

// Rows of the state and of keys are fetched into the cache this many rows before their use. From
// memory delta_rule gains a fifth by it and attend_page half to two thirds; 4 to 24 rows make no
// difference.
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

/// Row by row: each comes from memory once, is read again from the L1 cache, and stored once.
/// Holding k, q and the row in registers instead (dim = 128, AVX-512) is 1.7 times as fast while
/// the state stays in the L2 cache but reaches only three quarters of this loop's speed from
/// memory, where decoding finds it.
void DeltaRule(float* state, const float* q, const float* k, const float* v, float decay,
               float beta, int64_t dim, float* out) {
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
    const float d = beta * Fma(-decay, Sum(with_k), v[j]);
    out[j] = Fma(d, kq, decay * Sum(with_q));
    for (int64_t i = 0; i < dim; i += 16) {
      Store(row + i, Fma(Load(k + i), Set1(d), Mul(Set1(decay), Load(row + i))));
    }
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

/// One page's softmax for a few heads: weights exp(score - max of the page), and the factors of the
/// merge.
template <int kHeads>
struct PageSoftmax {
  float weight[kHeads][kPageTokens];
  float keep[kHeads];
  float take[kHeads];
};

/// How many vectors of each head fit beside one another when kHeads heads share kAccumulators
/// registers.
template <int kHeads>
constexpr int kPerHead = kHeads * 4 <= kAccumulators ? 4 : kAccumulators / kHeads;

/// weight[h][j] = scale * dot(q_h, k_j), keys loaded once for all heads. Writes up to three
/// positions too many, copies of the last. Fetches keys ahead, and the values that AddValues reads
/// in short pieces.
template <int kHeads, class T>
void Scores(const float* q, int64_t q_stride, int64_t head_dim, const T* k, const T* v,
            int n_positions, float scale, PageSoftmax<kHeads>& page) {
  constexpr int kBlock = kPerHead<kHeads>;
  for (int j = 0; j < n_positions; j += kBlock) {
    int64_t row[kBlock];
    for (int p = 0; p < kBlock; ++p) {
      row[p] = (j + p < n_positions ? j + p : n_positions - 1) * head_dim;
    }
    V sum[kHeads * kBlock];
    for (int a = 0; a < kHeads * kBlock; ++a) sum[a] = Set1(0);
    for (int64_t i = 0; i < head_dim; i += 16) {
      V key[kBlock];
      for (int p = 0; p < kBlock; ++p) {
        key[p] = Load(k + row[p] + i);
        Prefetch(k + row[p] + i + kRowsAhead * head_dim);
        Prefetch(v + row[p] + i);
      }
      for (int h = 0; h < kHeads; ++h) {
        const V x = Load(q + h * q_stride + i);
        for (int p = 0; p < kBlock; ++p) sum[h * kBlock + p] = Fma(x, key[p], sum[h * kBlock + p]);
      }
    }
    float dot[kHeads * kBlock];
    for (int a = 0; a < kHeads * kBlock; a += 4) StoreSums(dot + a, sum + a);
    for (int h = 0; h < kHeads; ++h) {
      for (int p = 0; p < kBlock; ++p) page.weight[h][j + p] = scale * dot[h * kBlock + p];
    }
  }
}

/// Turns the scores of head h into weights and merges the page's maximum and sum into the state.
template <int kHeads>
void Normalise(PageSoftmax<kHeads>& page, int h, int n_positions, float& state_max,
               float& state_sum) {
  float* weight = page.weight[h];
  const int n_padded = (n_positions + 15) / 16 * 16;
  for (int j = n_positions; j < n_padded; ++j) weight[j] = -__builtin_inff();
  const float page_max = Max(weight, n_padded);
  V sum = Set1(0);
  for (int j = 0; j < n_padded; j += 16) {
    const V e = Exp(Sub(Load(weight + j), Set1(page_max)));
    Store(weight + j, e);
    sum = Add(sum, e);
  }
  const float max = page_max > state_max ? page_max : state_max;
  page.keep[h] = First(Exp(Set1(state_max - max)));
  page.take[h] = First(Exp(Set1(page_max - max)));
  state_max = max;
  state_sum = Fma(state_sum, page.keep[h], Sum(sum) * page.take[h]);
}

/// out_h = keep_h out_h + take_h sum over j of weight_hj v_j, for the 16 * kVectors components at
/// `v` and `out`.
template <int kVectors, int kHeads, class T>
void AddValues(const PageSoftmax<kHeads>& page, const T* v, int n_positions, int64_t head_dim,
               float* out) {
  V sum[kHeads][kVectors];
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kVectors; ++c) sum[h][c] = Set1(0);
  }
  for (int j = 0; j < n_positions; ++j) {
    V value[kVectors];
    for (int c = 0; c < kVectors; ++c) value[c] = Load(v + j * head_dim + 16 * c);
    for (int h = 0; h < kHeads; ++h) {
      const V weight = Set1(page.weight[h][j]);
      for (int c = 0; c < kVectors; ++c) sum[h][c] = Fma(weight, value[c], sum[h][c]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int c = 0; c < kVectors; ++c) {
      float* at = out + h * head_dim + 16 * c;
      Store(at, Fma(Load(at), Set1(page.keep[h]), Mul(sum[h][c], Set1(page.take[h]))));
    }
  }
}

template <int kHeads, class T>
void AttendHeads(const float* q, int64_t q_stride, int64_t head_dim, const T* k, const T* v,
                 int n_positions, float scale, float* state_max, float* state_sum, float* out) {
  PageSoftmax<kHeads> page;
  Scores(q, q_stride, head_dim, k, v, n_positions, scale, page);
  for (int h = 0; h < kHeads; ++h) Normalise(page, h, n_positions, state_max[h], state_sum[h]);
  constexpr int kVectors = kPerHead<kHeads>;
  int64_t i = 0;
  for (; i + 16 * kVectors <= head_dim; i += 16 * kVectors) {
    AddValues<kVectors>(page, v + i, n_positions, head_dim, out + i);
  }
  for (; i < head_dim; i += 16) AddValues<1>(page, v + i, n_positions, head_dim, out + i);
}

template <class T>
void AttendPageOf(const float* q, int64_t q_stride, int n_heads, int64_t head_dim, const T* k,
                  const T* v, int n_positions, float scale, const AttentionState& state) {
  for (int h = 0; h < n_heads;) {
    const bool together = h + kHeadBlock <= n_heads;
    const auto attend = together ? AttendHeads<kHeadBlock, T> : AttendHeads<1, T>;
    attend(q + h * q_stride, q_stride, head_dim, k, v, n_positions, scale, state.max + h,
           state.sum + h, state.out + h * head_dim);
    h += together ? kHeadBlock : 1;
  }
}

void AttendPage(const float* q, int64_t q_stride, int n_heads, int64_t head_dim, const void* k,
                const void* v, KvType kv_type, int n_positions, float scale,
                const AttentionState& state) {
  if (kv_type == KvType::kF32) {
    AttendPageOf(q, q_stride, n_heads, head_dim, static_cast<const float*>(k),
                 static_cast<const float*>(v), n_positions, scale, state);
  } else {
    AttendPageOf(q, q_stride, n_heads, head_dim, static_cast<const uint16_t*>(k),
                 static_cast<const uint16_t*>(v), n_positions, scale, state);
  }
}

void ToHalf(const float* x, int64_t n, uint16_t* half) {
  for (int64_t i = 0; i < n; i += 16) StoreHalf(half + i, Load(x + i));
}

constexpr RowKernels kRows = {Quantize,   RmsNorm,  L2Norm,    AddTo,      AddScaled, SiluMul,
                              SigmoidMul, ConvSilu, DeltaRule, AttendPage, ToHalf,    Max};

}  // namespace
}  // namespace weir
