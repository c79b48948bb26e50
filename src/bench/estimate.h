// How long the rest of a bench will take: a rough model of each piece, corrected by how the pieces
// so far compared with it.
#pragma once

#include <cstdint>

#include "bench/workload.h"

namespace weir {

/// Seconds of one repeat on a machine of ordinary speed: only the proportions matter much.
double RoughSeconds(const ModelRow& model, const Workload& load);
double RoughLoadSeconds(const ModelRow& model);

/// Adds up what was planned and what was done.
class Estimate {
 public:
  void Plan(double rough_seconds) { planned_ += rough_seconds; }
  /// A piece planned with rough_seconds is over; a piece that was left out took no time.
  void Done(double rough_seconds, double seconds);
  /// Seconds until all that was planned is done; `current` seconds went into a piece that is not
  /// over.
  double Left(double current) const;

 private:
  double planned_ = 0;  // not done yet
  double rough_done_ = 0, seconds_done_ = 0;
};

}  // namespace weir
