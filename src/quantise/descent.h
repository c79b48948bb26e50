// Descent on the error that the outputs of a matrix see: e' P e, where e are the errors of the weights of a window and
// P the mean products of what they are multiplied with. Inputs that move together let errors cancel: rounding one
// weight up pays for rounding another one down.
#pragma once

#include "quantise/encode.h"
#include "quantise/fit.h"

namespace weir {

class Descent {
 public:
  /// Values x[0, n) of a window, approximated by `approximation`. `products` is [256][256].
  Descent(const float* x, const float* approximation, const float* products, int n);

  /// Moving the values [begin, begin + n) along `direction` by this much brings the error down furthest.
  float Along(const float* direction, int begin, int n) const;
  /// The approximation of [begin, begin + n) changes by `delta`.
  void Move(const float* delta, int begin, int n);
  void MoveOne(int i, float delta);

  /// P e, minus half the slope of the error.
  const float* pull() const { return pull_; }
  float curvature(int i) const { return products_[i * kWindow + i]; }
  const float* products(int i) const { return products_ + i * kWindow; }

  /// One pass over the levels of values [begin, begin + n), of the same step. True if one changed.
  template <class Grid>
  bool SweepLevels(int begin, int n, float step, float* level) {
    if (step == 0) return false;
    bool changed = false;
    for (int i = begin; i < begin + n; ++i) {
      const float next = NearestLevel<Grid>(level[i] + pull_[i] / (step * curvature(i)));
      if (next == level[i]) continue;
      MoveOne(i, step * (next - level[i]));
      level[i] = next;
      changed = true;
    }
    return changed;
  }

 private:
  const float* products_;
  const int n_;
  float pull_[kWindow];
};

}  // namespace weir
