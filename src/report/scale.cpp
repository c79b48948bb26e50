#include "report/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/text.h"

namespace weir {
namespace {

/// 1, 2, 2.5 or 5 times a power of ten: the least that is not below `value`.
double RoundStep(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double step : {1.0, 2.0, 2.5, 5.0}) {
    if (step * power >= value * (1 - 1e-9)) return step * power;
  }
  return 10 * power;
}

/// Of 1, 2, 5, 10, 20, ... the greatest that is not above `value`, or the least that is not below.
double RoundLog(double value, bool up) {
  const double power = std::pow(10, std::floor(std::log10(value) + 1e-9));
  double below = power;
  for (const double step : {1.0, 2.0, 5.0, 10.0}) {
    if (up && step * power >= value * (1 - 1e-9)) return step * power;
    if (!up && step * power <= value * (1 + 1e-9)) below = step * power;
  }
  return below;
}

std::vector<double> Thin(std::vector<double> ticks, int most) {
  const auto n = static_cast<int>(ticks.size());
  if (n <= most) return ticks;
  const int stride = (n + most - 1) / std::max(most, 1);
  std::vector<double> kept;
  for (int i = 0; i < n; i += stride) kept.push_back(ticks[i]);
  return kept;
}

std::vector<double> LinearTicks(double low, double high, int most) {
  const double step = RoundStep((high - low) / std::max(most - 1, 1));
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) ticks.push_back(i * step + 0.0);  // no -0
  return ticks;
}

/// Powers of ten; with 2 and 5 times them where there is room.
std::vector<double> LogTicks(double low, double high, int most) {
  std::vector<double> fine, coarse;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high * (1 + 1e-9); power *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      const double tick = step * power;
      if (tick < low * (1 - 1e-9) || tick > high * (1 + 1e-9)) continue;
      fine.push_back(tick);
      if (step == 1) coarse.push_back(tick);
    }
  }
  return static_cast<int>(fine.size()) <= most || coarse.size() < 2 ? Thin(fine, most) : Thin(coarse, most);
}

}  // namespace

Scale Scale::Over(const Axis& axis, const std::vector<double>& values) {
  double low = 0, high = 0;
  bool any = false;
  for (const double value : values) {
    if (!std::isfinite(value) || (axis.log && value <= 0)) continue;
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    any = true;
  }
  if (!any) return Between(axis, axis.log ? 1 : 0, axis.log ? 10 : 1);
  if (axis.log && !axis.ticks.empty()) {
    const double room = high > low ? std::pow(high / low, 0.04) : 2;
    return Between(axis, low / room, high * room);
  }
  if (axis.log) {
    low = RoundLog(low, false);
    high = RoundLog(high, true);
    return Between(axis, low, high > low ? high : low * 10);
  }
  if (axis.from_zero) low = std::min(low, 0.0);
  if (high <= low) high = low + (low == 0 ? 1 : std::abs(low));
  const double step = RoundStep((high - low) / 5);
  return Between(axis, std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step);
}

Scale Scale::Between(const Axis& axis, double low, double high) {
  Scale scale;
  scale.log_ = axis.log;
  scale.low_ = low;
  scale.high_ = high;
  scale.wanted_ticks_ = axis.ticks;
  std::sort(scale.wanted_ticks_.begin(), scale.wanted_ticks_.end());
  scale.wanted_ticks_.erase(std::unique(scale.wanted_ticks_.begin(), scale.wanted_ticks_.end()),
                            scale.wanted_ticks_.end());
  return scale;
}

double Scale::Place(double value) const {
  if (log_) return (std::log(value) - std::log(low_)) / (std::log(high_) - std::log(low_));
  return (value - low_) / (high_ - low_);
}

bool Scale::Has(double value) const {
  return std::isfinite(value) && (!log_ || value > 0);
}

std::vector<double> Scale::Ticks(int most) const {
  if (wanted_ticks_.empty()) return log_ ? LogTicks(low_, high_, most) : LinearTicks(low_, high_, most);
  // Powers of two first, then what has room beside them, so that labels do not meet.
  std::vector<double> ticks;
  for (const bool powers : {true, false}) {
    for (const double tick : wanted_ticks_) {
      const bool is_power = tick > 0 && std::exp2(std::round(std::log2(tick))) == tick;
      const auto is_near = [&](double other) { return std::abs(Place(tick) - Place(other)) < 0.7 / most; };
      if (is_power != powers || !Has(tick) || tick < low_ || tick > high_) continue;
      if (std::none_of(ticks.begin(), ticks.end(), is_near)) ticks.push_back(tick);
    }
  }
  std::sort(ticks.begin(), ticks.end());
  return ticks;
}

std::string TickText(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1000) return ThreeDigits(value);
  return fmt::format("{:.4g}", value);
}

}  // namespace weir
