// The least squares beneath every encoder: scales for codes, codes for scales.
//
// Levels (what a code stands for, before scaling) are kept as floats. Sub-blocks are multiples of four long.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/codebooks.h"

namespace weir {

/// Blocks with nothing larger are zero: the smallest step above zero that a half can hold is 60 times as large.
inline constexpr float kTiny = 1e-9f;

/// Four floats at a time, of which the compiler makes what the processor has. Written out because loops over floats are
/// vectorised only where no sum changes its order.
using F4 = float __attribute__((vector_size(16)));
using I4 = int32_t __attribute__((vector_size(16)));

inline F4 Load(const float* p) {
  F4 v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
inline void Store(F4 v, float* p) { std::memcpy(p, &v, sizeof(v)); }
inline F4 All(float x) { return F4{x, x, x, x}; }
inline F4 Min(F4 a, F4 b) { return a < b ? a : b; }
inline F4 Max(F4 a, F4 b) { return a > b ? a : b; }
inline float Total(F4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

/// The levels kLow, kLow + 1, .., kHigh.
template <int kLow, int kHigh>
struct IntegerGrid {
  static constexpr float kLowest = kLow, kHighest = kHigh;
  /// How far apart two places are at which the largest value is tried.
  static constexpr float kStartStep = (kHigh - kLow + 1) * 0.0078125f + 0.1f;
  static F4 Nearest(F4 level) {
    const F4 round = All(12582912.0f);  // 1.5 * 2^23: no fraction survives
    return (Min(Max(level, All(kLowest)), All(kHighest)) + round) - round;
  }
};

/// The levels of IQ4_NL and IQ4_XS.
struct Iq4Grid {
  static constexpr float kLowest = -127, kHighest = 113;
  static constexpr float kStartStep = 5;
  static F4 Nearest(F4 level) {
    F4 nearest = All(kIq4Levels[0]);
    for (int k = 0; k < 15; ++k) {
      const float low = kIq4Levels[k], high = kIq4Levels[k + 1];
      nearest += level > All(0.5f * (low + high)) ? All(high - low) : All(0);
    }
    return nearest;
  }
};

template <class Grid>
inline float NearestLevel(float level) {
  return Grid::Nearest(All(level))[0];
}

/// The code of a level of that grid.
inline uint8_t Iq4Code(float level) {
  uint8_t code = 0;
  while (code < 15 && kIq4Levels[code] < static_cast<int>(level)) ++code;
  return code;
}

inline float Inverse(float step) { return step != 0.0f ? 1.0f / step : 0.0f; }

/// value = step * level - min.
struct Affine {
  float step = 0, min = 0;
};

/// Chooses the nearest levels to n values; returns the weighted squared error.
template <class Grid, int n>
inline float ChooseLevels(const float* x, const float* w, Affine a, float* level) {
  const F4 inverse = All(Inverse(a.step)), step = All(a.step), min = All(a.min);
  F4 sum = {};
  for (int i = 0; i < n; i += 4) {
    const F4 value = Load(x + i), chosen = Grid::Nearest((value + min) * inverse);
    const F4 error = value - (step * chosen - min);
    Store(chosen, level + i);
    sum += Load(w + i) * error * error;
  }
  return Total(sum);
}

/// What least squares needs of values and levels, each weighted.
struct Moments {
  float level, level_level, value_level;
};

template <int n>
inline Moments MomentsOf(const float* x, const float* w, const float* level) {
  F4 sum = {}, squares = {}, products = {};
  for (int i = 0; i < n; i += 4) {
    const F4 at = Load(level + i), weighted = Load(w + i) * at;
    sum += weighted;
    squares += weighted * at;
    products += weighted * Load(x + i);
  }
  return {Total(sum), Total(squares), Total(products)};
}

/// Calls with every start that is worth a try: the inverse of a step that puts the largest magnitude near one end of
/// the grid. A step may be negative, and grids are not symmetric, so both ends are tried.
template <class Grid, int n, class Fn>
inline void ForStarts(const float* x, Fn fn) {
  constexpr int kStarts = 14;
  float top = 0;
  for (int i = 0; i < n; ++i) top = std::fabs(x[i]) > std::fabs(top) ? x[i] : top;
  if (std::fabs(top) < kTiny) return;
  for (const float end : {-Grid::kLowest, Grid::kHighest}) {
    for (int k = 0; k < kStarts; ++k) {
      const float place = end + Grid::kStartStep * static_cast<float>(2 - k);
      fn((end == Grid::kHighest ? place : -place) / top);
    }
  }
}

/// The step with which the levels of the grid come nearest to n values, of either sign; 0 for zeros.
template <class Grid, int n>
inline float FitStep(const float* x, const float* w) {
  float best_gain = 0, best_step = 0;
  ForStarts<Grid, n>(x, [&](float inverse) {
    for (int round = 0; round < 2; ++round) {
      F4 squares = {}, products = {};
      for (int i = 0; i < n; i += 4) {
        const F4 value = Load(x + i), level = Grid::Nearest(value * All(inverse));
        const F4 weighted = Load(w + i) * level;
        squares += weighted * level;
        products += weighted * value;
      }
      const float level_level = Total(squares), value_level = Total(products);
      if (!(level_level > 0)) return;
      const float gain = value_level * value_level / level_level;
      if (gain > best_gain) {
        best_gain = gain;
        best_step = value_level / level_level;
      }
      inverse = Inverse(value_level / level_level);
    }
  });
  return best_step;
}

/// The step and minimum for n values by weighted least squares over `level`. A format without a sign for its minimum
/// has kFreeMin = false: min >= 0.
template <bool kFreeMin>
inline Affine SolveAffine(const Moments& m, float sum_w, float sum_x) {
  const float determinant = sum_w * m.level_level - m.level * m.level;
  Affine a;
  if (determinant > 1e-6f * sum_w * m.level_level) {
    a.step = (sum_w * m.value_level - sum_x * m.level) / determinant;
    a.min = (m.level * m.value_level - m.level_level * sum_x) / determinant;
  } else {  // all levels are the same
    a.min = -sum_x / sum_w;
  }
  if (!kFreeMin && a.min < 0) {
    a.min = 0;
    a.step = m.level_level > 0 ? m.value_level / m.level_level : 0;
  }
  if (a.step < 0) a.step = 0;
  return a;
}

/// The step >= 0 and the minimum with which levels 0 .. kHighest come nearest to n values.
template <class Grid, int n, bool kFreeMin>
inline Affine FitAffine(const float* x, const float* w) {
  F4 lows = Load(x), highs = lows, weights = {}, weighted = {};
  for (int i = 0; i < n; i += 4) {
    const F4 value = Load(x + i), weight = Load(w + i);
    lows = Min(lows, value);
    highs = Max(highs, value);
    weights += weight;
    weighted += weight * value;
  }
  float low = std::min(std::min(lows[0], lows[1]), std::min(lows[2], lows[3]));
  const float high = std::max(std::max(highs[0], highs[1]), std::max(highs[2], highs[3]));
  if (!kFreeMin && low > 0) low = 0;
  const float sum_w = Total(weights), sum_x = Total(weighted);
  Affine best{0, kFreeMin || low < 0 ? -low : 0.0f};
  if (high - low < kTiny) return best;
  float level[n], best_error = ChooseLevels<Grid, n>(x, w, best, level);
  // Both ends are drawn in by fractions of a step, or left out a little: with few levels, reaching for an outlier
  // costs the others more than it gives.
  constexpr float kDraw = Grid::kHighest < 8 ? 0.25f : 0.35f;
  constexpr int kDraws = Grid::kHighest < 8 ? 5 : 4;
  const float step = (high - low) / Grid::kHighest;
  for (int from_low = -1; from_low < kDraws - 1; ++from_low) {
    for (int from_high = -1; from_high < kDraws - 1; ++from_high) {
      const float low_end = low + kDraw * step * static_cast<float>(from_low);
      const float high_end = high - kDraw * step * static_cast<float>(from_high);
      Affine a{(high_end - low_end) / Grid::kHighest, kFreeMin || low_end < 0 ? -low_end : 0.0f};
      for (int round = 0; round < 3; ++round) {
        const float error = ChooseLevels<Grid, n>(x, w, a, level);
        if (error < best_error) {
          best_error = error;
          best = a;
        }
        const Affine next = SolveAffine<kFreeMin>(MomentsOf<n>(x, w, level), sum_w, sum_x);
        if (next.step == a.step && next.min == a.min) break;
        a = next;
      }
    }
  }
  return best;
}

}  // namespace weir
