// Attention over one page, and the formats of keys and values; part of rows_simd.inl.
//
// Keys and values are widened to f32 once for all queries, into a piece of the L1 cache; the kernels then
// multiply f32. A single token's few heads take the same path: what it costs beside registers (one store
// and one load per 16 values) hides behind the memory that decoding waits for.

namespace weir {
namespace {

constexpr int kQueryTile = 60;           // queries that share what is widened; their weights take 16 KB
constexpr int64_t kWidened = 64 * 64;    // floats widened at a time: 16 KB
constexpr int64_t kValueColumns = 64;    // components of all positions of a page widened at a time
static_assert(kValueColumns * kPageTokens <= kWidened);

/// Fetches a range of memory into the L2 cache, a little at each of n steps of a loop that computes: fetched
/// all at once, the lines would wait for memory in turn and the arithmetic for all of them. No branches: an
/// empty range is one line of it again and again.
class Fetch {
 public:
  Fetch(const void* begin, int64_t n_bytes, int64_t n_steps)
      : at_(static_cast<const char*>(begin)), step_(n_bytes / n_steps) {}
  void Step() {
    __builtin_prefetch(at_, 0, 2);
    __builtin_prefetch(at_ + step_ / 2, 0, 2);
    at_ += step_;
  }

 private:
  const char* at_;
  int64_t step_;
};

int Smaller(int a, int b) { return a < b ? a : b; }

/// The piece of a page that Widen reads: columns [column, column + n_columns) of rows [begin, end).
struct Piece {
  const void* page;
  KvType type;
  int64_t head_dim;
  int begin, end;
  int64_t column, n_columns;
};

struct Pair {
  V first, second;
};

/// The vectors of a piece, read in pairs by load(row, column), go to out + row * row_stride + n * vector_stride.
template <class LoadPair>
void WidenWith(LoadPair load, const Piece& piece, int64_t row_stride, int64_t vector_stride,
               float* out, Fetch& prefetch) {
  Fetch fetch = prefetch;
  for (int j = piece.begin; j < piece.end; ++j) {
    float* to = out + (j - piece.begin) * row_stride;
    for (int64_t i = 0; i < piece.n_columns; i += 32, to += 2 * vector_stride) {
      if (i % 64 == 0) fetch.Step();
      const Pair pair = load(j, piece.column + i);
      Store(to, pair.first);
      Store(to + vector_stride, pair.second);
    }
  }
  prefetch = fetch;
}

template <class Target>
void WidenTo(const Piece& piece, Target widen) {
  const int64_t dim = piece.head_dim;
  const float* f32 = static_cast<const float*>(piece.page);
  const uint16_t* half = static_cast<const uint16_t*>(piece.page);
  const int8_t* q8 = static_cast<const int8_t*>(piece.page);
  const uint16_t* scale = reinterpret_cast<const uint16_t*>(q8 + kPageTokens * dim);
  switch (piece.type) {
    case KvType::kF32:
      return widen([=](int64_t j, int64_t i) {
        return Pair{Load(f32 + j * dim + i), Load(f32 + j * dim + i + 16)};
      });
    case KvType::kF16:
      return widen([=](int64_t j, int64_t i) {
        return Pair{Load(half + j * dim + i), Load(half + j * dim + i + 16)};
      });
    case KvType::kBF16:
      return widen([=](int64_t j, int64_t i) {
        return Pair{LoadBFloat(half + j * dim + i), LoadBFloat(half + j * dim + i + 16)};
      });
    case KvType::kQ8_0:
      return widen([=](int64_t j, int64_t i) {
        const int8_t* q = q8 + j * dim + i;
        const V d = SetHalf(scale + (j * dim + i) / kKvBlock);
        return Pair{Mul(LoadInt8(q), d), Mul(LoadInt8(q + 16), d)};
      });
  }
}

/// Values as [row][n_columns].
void WidenValues(const Piece& piece, float* out, Fetch& fetch) {
  WidenTo(piece, [&](auto load) { WidenWith(load, piece, piece.n_columns, 16, out, fetch); });
}

/// Keys as [row / 4][head_dim / 16][row % 4][16], so that four keys are read through one pointer.
void WidenKeys(const Piece& piece, float* out, Fetch& fetch) {
  WidenTo(piece, [&](auto load) {
    Piece four = piece;
    for (; four.begin < piece.end; four.begin += 4, out += 4 * piece.head_dim) {
      four.end = four.begin + 4;
      WidenWith(load, four, 16, 64, out, fetch);
    }
  });
}

/// Weights exp(score - max of the page) of each query, and the factors of its merge.
struct PageSoftmax {
  alignas(64) float weight[kQueryTile][kPageTokens];
  float keep[kQueryTile];
  float take[kQueryTile];
};

/// How many vectors of each query fit beside one another when kQueries share kAccumulators registers.
template <int kQueries>
constexpr int kPerQuery = kQueries * 4 <= kAccumulators ? 4 : kAccumulators / kQueries;

constexpr int64_t kVectorColumns = 16 * kPerQuery<kHeadBlock>;  // components of AddValues at a time

template <int kN>
struct Count {};

/// body(first, Count<n>) for blocks of queries that are computed side by side.
template <class Body>
void ForBlocks(int n_queries, Body body) {
  int q = 0;
  for (; q + kHeadBlock <= n_queries; q += kHeadBlock) body(q, Count<kHeadBlock>());
  if constexpr (kHeadBlock > 4) { for (; q + 4 <= n_queries; q += 4) body(q, Count<4>()); }
  for (; q + 2 <= n_queries; q += 2) body(q, Count<2>());
  if (q < n_queries) body(q, Count<1>());
}

/// The number of positions that a query sees: the most and the least of a few.
template <int kQueries>
int MostPositions(const AttentionQuery* queries) {
  int most = queries[0].n_positions;
  for (int h = 1; h < kQueries; ++h) most = -Smaller(-most, -queries[h].n_positions);
  return most;
}
template <int kQueries>
int LeastPositions(const AttentionQuery* queries) {
  int least = queries[0].n_positions;
  for (int h = 1; h < kQueries; ++h) least = Smaller(least, queries[h].n_positions);
  return least;
}

/// weight[h][j] = scale * dot(q_h, key j) for n_keys keys, a multiple of 4, as WidenKeys leaves them.
template <int kQueries>
void Scores(const AttentionQuery* queries, int64_t head_dim, const float* keys, int n_keys,
            float scale, float (*weight)[kPageTokens], int first, Fetch& prefetch) {
  constexpr int kBlock = kPerQuery<kQueries>;
  const float* q[kQueries];
  for (int h = 0; h < kQueries; ++h) q[h] = queries[h].q;
  Fetch fetch = prefetch;
  for (int j = 0; j < n_keys; j += kBlock) {
    V sum[kQueries * kBlock];
    for (int a = 0; a < kQueries * kBlock; ++a) sum[a] = Set1(0);
    const float* four = keys + j / 4 * 4 * head_dim + j % 4 * 16;
    for (int64_t i = 0; i < head_dim; i += 16, four += 64) {
      fetch.Step();
      V key[kBlock];
      for (int p = 0; p < kBlock; ++p) key[p] = Load(four + 16 * p);
      for (int h = 0; h < kQueries; ++h) {
        const V x = Load(q[h] + i);
        for (int p = 0; p < kBlock; ++p) sum[h * kBlock + p] = Fma(x, key[p], sum[h * kBlock + p]);
      }
    }
    float dot[kQueries * kBlock];
    for (int a = 0; a < kQueries * kBlock; a += 4) StoreSums(dot + a, sum + a);
    for (int h = 0; h < kQueries; ++h) {
      for (int p = 0; p < kBlock; ++p) weight[h][first + j + p] = scale * dot[h * kBlock + p];
    }
  }
  prefetch = fetch;
}

/// Merges a softmax's max and sum into a query's, and tells by which factors both outputs go in.
void MergeSums(float part_max, float part_sum, AttentionQuery& whole, float& keep, float& take) {
  const float max = part_max > whole.max ? part_max : whole.max;
  keep = First(Exp(Set1(whole.max - max)));
  take = First(Exp(Set1(part_max - max)));
  whole.max = max;
  whole.sum = Fma(whole.sum, keep, part_sum * take);
}

/// Turns the scores of a query into weights and merges the page's maximum and sum into its state.
void Normalise(float* weight, AttentionQuery& query, float& keep, float& take) {
  const int n_padded = (query.n_positions + 15) / 16 * 16;
  for (int j = query.n_positions; j < n_padded; ++j) weight[j] = -__builtin_inff();
  const float page_max = Max(weight, n_padded);
  V sum = Set1(0);
  for (int j = 0; j < n_padded; j += 16) {
    const V e = Exp(Sub(Load(weight + j), Set1(page_max)));
    Store(weight + j, e);
    sum = Add(sum, e);
  }
  MergeSums(page_max, Sum(sum), query, keep, take);
}

/// out_h = keep_h out_h + take_h sum over j of weight_hj v_j, for 16 * kVectors components from `column` on;
/// values [kPageTokens][n_columns]. Positions that not all queries see are added query by query: a weight
/// of 0 would not do, since 0 times a value may be -0 or NaN.
template <int kVectors, int kQueries>
void AddValues(const PageSoftmax& page, int first, const AttentionQuery* queries,
               const float* values, int64_t n_columns, int64_t column, Fetch& prefetch) {
  V sum[kQueries][kVectors];
  for (int h = 0; h < kQueries; ++h) {
    for (int c = 0; c < kVectors; ++c) sum[h][c] = Set1(0);
  }
  const int common = LeastPositions<kQueries>(queries);
  const float* weight = page.weight[first];
  const float* row = values;
  Fetch fetch = prefetch;
  for (int j = 0; j < common; ++j, ++weight, row += n_columns) {
    fetch.Step();
    V value[kVectors];
    for (int c = 0; c < kVectors; ++c) value[c] = Load(row + 16 * c);
    for (int h = 0; h < kQueries; ++h) {
      const V factor = Set1(weight[h * kPageTokens]);
      for (int c = 0; c < kVectors; ++c) sum[h][c] = Fma(factor, value[c], sum[h][c]);
    }
  }
  prefetch = fetch;
#pragma GCC unroll 8
  for (int h = 0; h < kQueries; ++h) {
    for (int j = common; j < queries[h].n_positions; ++j) {
      const V factor = Set1(page.weight[first + h][j]);
      for (int c = 0; c < kVectors; ++c) {
        sum[h][c] = Fma(factor, Load(values + j * n_columns + 16 * c), sum[h][c]);
      }
    }
    const V keep = Set1(page.keep[first + h]), take = Set1(page.take[first + h]);
    for (int c = 0; c < kVectors; ++c) {
      float* out = queries[h].out + column + 16 * c;
      Store(out, Fma(Load(out), keep, Mul(sum[h][c], take)));
    }
  }
}

/// The scores of a tile of queries against the first n_positions keys, values being fetched meanwhile.
void AllScores(const AttentionQuery* queries, int n_queries, int64_t head_dim, const KvPage& page,
               int n_positions, float scale, float* widened, PageSoftmax& softmax) {
  const int rows = Smaller(kPageTokens, static_cast<int>(kWidened / head_dim) / 4 * 4);
  constexpr int kBlock = kPerQuery<kHeadBlock>;
  const int64_t n_steps = (n_queries + kHeadBlock - 1) / kHeadBlock *
                          ((n_positions + kBlock - 1) / kBlock) * (head_dim / 16) + n_positions * ((head_dim + 63) / 64);
  Fetch fetch(page.v, KvPageBytes(page.type, head_dim) / kPageTokens * n_positions, n_steps);
  for (int j = 0; j < n_positions; j += rows) {
    const int end = Smaller(j + rows, (n_positions + 3) / 4 * 4);
    WidenKeys({page.k, page.type, head_dim, j, end, 0, head_dim}, widened, fetch);
    ForBlocks(n_queries, [&]<int kQueries>(int q, Count<kQueries>) {
      const int n = Smaller(rows, (MostPositions<kQueries>(queries + q) + 3) / 4 * 4 - j);
      Scores<kQueries>(queries + q, head_dim, widened, n, scale, softmax.weight + q, j, fetch);
    });
  }
}

/// All components of the values, the next page's keys being fetched meanwhile.
void AllValues(const AttentionQuery* queries, int n_queries, int64_t head_dim, const KvPage& page,
               int n_positions, float* widened, const PageSoftmax& softmax) {
  const int64_t n_steps = (n_queries + kHeadBlock - 1) / kHeadBlock * n_positions *
                          ((head_dim + kVectorColumns - 1) / kVectorColumns) + n_positions * ((head_dim + 63) / 64);
  Fetch fetch(page.next_k ? page.next_k : page.v,
              KvPageBytes(page.type, head_dim) / kPageTokens * page.n_next_positions, n_steps);
  for (int64_t i = 0; i < head_dim; i += kValueColumns) {
    const int64_t n = head_dim - i < kValueColumns ? head_dim - i : kValueColumns;
    WidenValues({page.v, page.type, head_dim, 0, n_positions, i, n}, widened, fetch);
    ForBlocks(n_queries, [&]<int kQueries>(int q, Count<kQueries>) {
      constexpr int kVectors = kPerQuery<kQueries>;
      int64_t c = 0;
      for (; c + 16 * kVectors <= n; c += 16 * kVectors) {
        AddValues<kVectors, kQueries>(softmax, q, queries + q, widened + c, n, i + c, fetch);
      }
      for (; c < n; c += 16) {
        AddValues<1, kQueries>(softmax, q, queries + q, widened + c, n, i + c, fetch);
      }
    });
  }
}

void AttendPage(AttentionQuery* queries, int n_queries, int64_t head_dim, const KvPage& page,
                float scale) {
  PageSoftmax softmax;
  alignas(64) float widened[kWidened];
  for (; n_queries > 0; queries += kQueryTile, n_queries -= kQueryTile) {
    const int n = Smaller(n_queries, kQueryTile);
    int n_positions = 0;
    for (int q = 0; q < n; ++q) n_positions = -Smaller(-n_positions, -queries[q].n_positions);
    AllScores(queries, n, head_dim, page, n_positions, scale, widened, softmax);
    for (int q = 0; q < n; ++q) {
      Normalise(softmax.weight[q], queries[q], softmax.keep[q], softmax.take[q]);
    }
    AllValues(queries, n, head_dim, page, n_positions, widened, softmax);
  }
}

void MergeAttention(const AttentionQuery& part, int64_t head_dim, AttentionQuery& whole) {
  float keep, take;
  MergeSums(part.max, part.sum, whole, keep, take);
  for (int64_t i = 0; i < head_dim; i += 16) {
    Store(whole.out + i, Fma(Load(whole.out + i), Set1(keep), Mul(Load(part.out + i), Set1(take))));
  }
}

void StoreQ8(const float* x, int64_t head_dim, int8_t* q, uint16_t* scale) {
  for (int64_t i = 0; i < head_dim; i += kKvBlock, x += kKvBlock, q += kKvBlock, ++scale) {
    const V a = Load(x), b = Load(x + 16);
    const float max = MaxMagnitude(a, b);
    const bool finite = max < __builtin_inff();
    const V factor = Set1(127 / max);
    const bool zero = !finite || max < kTiniestBlock;
    StoreRounded(q, zero ? Set1(0) : Mul(a, factor));
    StoreRounded(q + 16, zero ? Set1(0) : Mul(b, factor));
    uint16_t halves[16];
    StoreHalf(halves, Set1(finite ? max / 127 : __builtin_nanf("")));
    *scale = halves[0];
  }
}

void StorePosition(const float* x, int64_t head_dim, KvType type, int position, void* page) {
  const int64_t at = position * head_dim;
  uint16_t* half = static_cast<uint16_t*>(page) + at;
  if (type == KvType::kQ8_0) {
    int8_t* q = static_cast<int8_t*>(page);
    uint16_t* scale = reinterpret_cast<uint16_t*>(q + kPageTokens * head_dim);
    return StoreQ8(x, head_dim, q + at, scale + at / kKvBlock);
  }
  for (int64_t i = 0; i < head_dim; i += 16) {
    const V v = Load(x + i);
    if (type == KvType::kF32) Store(static_cast<float*>(page) + at + i, v);
    if (type == KvType::kF16) StoreHalf(half + i, v);
    if (type == KvType::kBF16) StoreBFloat(half + i, v);
  }
}

}  // namespace
}  // namespace weir
