// What choosing a token does with a row of logits, block by block.
//
// A probability is an integer, a multiple of 2^-40 of the largest one: sums have no order, and bits
// cannot depend on the instruction set. Integers up to 2^40 are exact in a double, and so are the
// sums of a block of them, so that is what the kernels add up.
#pragma once

#include <cstdint>

namespace weir {

inline constexpr int64_t kLogitBlock = 128;  // logits that share a maximum: eight tiles
inline constexpr int kWeightBits = 40;

inline constexpr int64_t LogitBlocks(int64_t n_vocab) {
  return (n_vocab + kLogitBlock - 1) / kLogitBlock;
}

/// Makes logits into probabilities times 2^40: w(x) = 2^(40 + y) to the nearest integer, with
/// y = (x - max) * octaves. 2^40 if y > 0; 0 for NaN.
struct WeightScale {
  double max;      // the largest logit, or anything finite above the others if it is infinite
  double octaves;  // log2(e) / temperature
  double least;    // smaller weights become 0
};

struct SamplingKernels {
  /// The sum of the weights of n <= kLogitBlock logits, and each in weights[n], unless that is
  /// null; up to 15 numbers more are written there.
  double (*weigh)(const float* logits, int64_t n, const WeightScale& scale, double* weights);
  /// Appends the logits that are >= limit, and their ids, counted from first_id; n <= kLogitBlock.
  /// Returns how many; up to 15 numbers more are written.
  int64_t (*collect)(const float* logits, int64_t n, float limit, int32_t first_id, int32_t* ids,
                     float* found);
  /// Makes logit i of n <= kLogitBlock -infinity if bit i of `allowed` (64 a word) is 0. Returns
  /// the largest that is left; NaN counts as -infinity.
  float (*forbid)(float* logits, int64_t n, const uint64_t* allowed);
  /// A hash of the bits of n <= kLogitBlock logits: the sum modulo 2^64 over pairs of neighbours of
  /// (bits + key)(bits + key), where + is modulo 2^32. This is NH of UMAC (Black and others, 1999):
  /// a value that changes shows unless its neighbour is the one number in 2^32 that its key makes
  /// 0. Zeros up to a multiple of 16.
  uint64_t (*hash)(const float* logits, int64_t n);
};

extern const SamplingKernels kSamplingPlain;
#if defined(__x86_64__)
extern const SamplingKernels kSamplingAvx2;
extern const SamplingKernels kSamplingAvx512;
#endif

// The constants that are arrays are not inline: ISA objects must not hold weak symbols.

// Numbers without a pattern (SplitMix64), whose fixed value is all that matters.
struct HashKeys {
  constexpr HashKeys() {
    uint64_t state = 0;
    for (uint32_t& key : word) {
      uint64_t x = state += 0x9e3779b97f4a7c15;
      x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
      x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
      key = static_cast<uint32_t>(x >> 32);
    }
  }
  uint32_t word[kLogitBlock] = {};
};
constexpr HashKeys kHashKeys;

// Far enough below the smallest y that gives a weight of 1, which is -41.
inline constexpr double kLowestOctave = -64;
// Adding it rounds to an integer n and leaves n + 40 in the low bits.
inline constexpr double kOctaveShift = 0x1.8p52 + kWeightBits;
inline constexpr double kRoundShift = 0x1p52;
// 2^t = 1 + c1 t + ... + c10 t^10 for |t| <= 1/2: the minimax fit of the relative error, refitted
// after each coefficient was rounded to a double. 2^-50.6; with one coefficient less 2^-43.5, an
// eighth of a unit of the largest weights.
constexpr double kPower[] = {1,
                             0x1.62e42fefa3a3cp-1,
                             0x1.ebfbdff82c653p-3,
                             0x1.c6b08d7034bd1p-5,
                             0x1.3b2ab6fb778e0p-7,
                             0x1.5d87fead893c2p-10,
                             0x1.430913ab6ca80p-13,
                             0x1.ffcb262675d62p-17,
                             0x1.62be0ff197791p-20,
                             0x1.b6a0d03a0cb33p-24,
                             0x1.e94b02a45d14ep-28};
inline constexpr int kPowerDegree = 10;

}  // namespace weir
