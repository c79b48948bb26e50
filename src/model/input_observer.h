// Somebody who looks at what enters the matrices of a step: quantise/calibration.h measures it.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace weir {

struct ActivationRows;
struct Projection;

class InputObserver {
 public:
  virtual ~InputObserver() = default;
  /// Rows [0, n_rows) of x.f32, or rows pick[0, n_rows), are about to be multiplied with each of `projections`. Called
  /// by the thread that runs the step, between its parallel parts.
  virtual void Seen(const ActivationRows& x, int64_t n_rows, const int32_t* pick,
                    std::initializer_list<Projection> projections) = 0;
};

}  // namespace weir
