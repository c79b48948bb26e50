// Sampling over groups of 16 logits: the body of sampling_avx2.cpp and sampling_avx512.cpp, which
// define D (a register of doubles), I (of 64-bit integers) and V (16 floats) and the operations on
// them before they include this file.

namespace weir {
namespace {

// The prefetcher of the processor follows so slow a reader badly: from beyond the second-level
// cache a row is weighed in 0.55 ms without this.
constexpr int64_t kAhead = 1024;

D Weight(D logit, D max, D octaves, D least) {
  const D y = Min(Max(Mul(Sub(logit, max), octaves), Set1(kLowestOctave)), Set1(0));
  const D shifted = Add(y, Set1(kOctaveShift));
  const D t = Sub(y, Sub(shifted, Set1(kOctaveShift)));
  D power = Set1(kPower[kPowerDegree]);
  for (int k = kPowerDegree - 1; k >= 0; --k) power = Fma(power, t, Set1(kPower[k]));
  const D weight = Sub(Add(AddExponent(power, shifted), Set1(kRoundShift)), Set1(kRoundShift));
  return ZeroWhereLess(weight, least);
}

/// The first n < 16 logits, then others.
struct Padded {
  Padded(const float* logits, int64_t n, float others) {
    for (int64_t i = 0; i < 16; ++i) x[i] = i < n ? logits[i] : others;
  }
  float x[16];
};

D WeighSixteen(const float* logits, const D& max, const D& octaves, const D& least,
               double* weights) {
  D sum = Set1(0);
  for (int i = 0; i < 16; i += kDoubles) {
    const D weight = Weight(LoadAsDoubles(logits + i), max, octaves, least);
    if (weights) Store(weights + i, weight);
    sum = Add(sum, weight);
  }
  return sum;
}

double Weigh(const float* logits, int64_t n, const WeightScale& scale, double* weights) {
  const D max = Set1(scale.max), octaves = Set1(scale.octaves), least = Set1(scale.least);
  D sum = Set1(0);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    __builtin_prefetch(logits + i + kAhead);  // past the block come the next ones, as a rule
    sum = Add(sum, WeighSixteen(logits + i, max, octaves, least, weights ? weights + i : nullptr));
  }
  if (i < n) {
    const Padded rest(logits + i, n - i, -__builtin_inff());
    sum = Add(sum, WeighSixteen(rest.x, max, octaves, least, weights ? weights + i : nullptr));
  }
  return Sum(sum);
}

int64_t Collect(const float* logits, int64_t n, float limit, int32_t first_id, int32_t* ids,
                float* found) {
  int64_t n_found = 0;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    n_found += CollectSixteen(logits + i, 0xffff, limit, first_id + static_cast<int32_t>(i),
                              ids + n_found, found + n_found);
  }
  if (i < n) {
    const Padded rest(logits + i, n - i, -__builtin_inff());
    n_found += CollectSixteen(rest.x, (1u << (n - i)) - 1, limit,
                              first_id + static_cast<int32_t>(i), ids + n_found, found + n_found);
  }
  return n_found;
}

float Forbid(float* logits, int64_t n, const uint64_t* allowed) {
  V largest = Set1Float(-__builtin_inff());
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const uint32_t bits = allowed[i / 64] >> (i % 64) & 0xffff;
    largest = Max(Keep(bits, logits + i), largest);
  }
  float max = MaxOf(largest);
  for (; i < n; ++i) {
    if (!(allowed[i / 64] >> (i % 64) & 1)) logits[i] = -__builtin_inff();
    max = logits[i] > max ? logits[i] : max;
  }
  return max + 0.0f;
}

uint64_t Hash(const float* logits, int64_t n) {
  I sum = Zero();
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) sum = AddProducts(sum, logits + i, kHashKeys.word + i);
  if (i < n) sum = AddProducts(sum, Padded(logits + i, n - i, 0).x, kHashKeys.word + i);
  return SumWords(sum);
}

}  // namespace
}  // namespace weir
