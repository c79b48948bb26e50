// From values to places on an axis, and the round numbers that are written there.
#pragma once

#include <string>
#include <vector>

#include "report/chart.h"

namespace weir {

class Scale {
 public:
  /// From the least to the greatest value with some room, ends on round numbers. Any values make a scale: none at all,
  /// a single one; on a logarithmic axis those that are not above 0 have no place and are passed over.
  static Scale Over(const Axis& axis, const std::vector<double>& values);
  /// Exactly these ends.
  static Scale Between(const Axis& axis, double low, double high);

  /// 0 to 1, and outside for values that are.
  double Place(double value) const;
  /// At most `most` of them, evenly chosen where there are more.
  std::vector<double> Ticks(int most) const;
  bool Has(double value) const;
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  bool log_ = false;
  double low_ = 0, high_ = 1;
  std::vector<double> wanted_ticks_;
};

/// "0.5", "20", "1,000", "2M": short, for an axis.
std::string TickText(double value);

}  // namespace weir
