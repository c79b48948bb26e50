// Random numbers that are the same everywhere.
#pragma once

#include <cmath>
#include <cstdint>

namespace weir {

/// splitmix64. Streams of one seed are independent of each other, so that more draws from one of
/// them leave the others as they were.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0) : state_(seed) {
    if (stream > 0) state_ = seed ^ Random(stream).Next();
  }

  uint64_t Next() {
    uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  /// 0 to n - 1.
  uint64_t Below(uint64_t n) { return Next() % n; }
  /// In (0, 1].
  double Uniform() { return (static_cast<double>(Next() >> 11) + 1) * 0x1p-53; }
  double Exponential(double mean) { return -mean * std::log(Uniform()); }

 private:
  uint64_t state_;
};

}  // namespace weir
