#include "quantise/descent.h"

namespace weir {

Descent::Descent(const float* x, const float* approximation, const float* products, int n)
    : products_(products), n_(n) {
  for (float& pull : pull_) pull = 0;
  for (int i = 0; i < n; ++i) MoveOne(i, approximation[i] - x[i]);
}

float Descent::Along(const float* direction, int begin, int n) const {
  float slope = 0, curve = 0;
  for (int i = 0; i < n; ++i) {
    if (direction[i] == 0) continue;
    const float* row = products(begin + i) + begin;
    F4 sum = {};
    for (int j = 0; j < n; j += 4) sum += Load(row + j) * Load(direction + j);
    curve += direction[i] * Total(sum);
    slope += direction[i] * pull_[begin + i];
  }
  return curve > 0 ? slope / curve : 0;
}

void Descent::Move(const float* delta, int begin, int n) {
  for (int i = 0; i < n; ++i) {
    if (delta[i] != 0) MoveOne(begin + i, delta[i]);
  }
}

void Descent::MoveOne(int i, float delta) {
  const float* row = products(i);
  for (int j = 0; j < n_; j += 4) Store(Load(pull_ + j) - All(delta) * Load(row + j), pull_ + j);
}

}  // namespace weir
