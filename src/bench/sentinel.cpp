#include "bench/sentinel.h"

#include <algorithm>

namespace weir {
namespace {

// Above these a repeat is called disturbed. One percent of the processors' time is what an idle Linux takes.
constexpr double kSteal = 0.01, kOther = 0.03, kFrequency = 0.90;
constexpr int64_t kMajorFaults = 100;  // less is a program that loads a page or two of itself
constexpr double kGapSeconds = 3, kWallGapSeconds = 1e-9 * kWallGapNs;

template <class T>
std::optional<T> Difference(const std::optional<T>& before, const std::optional<T>& after) {
  if (!before || !after) return std::nullopt;
  return std::max(T{0}, *after - *before);
}

double Seconds(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

std::optional<double> LeastFrequencyShare(std::span<const Counters> readings) {
  std::optional<double> least, greatest;
  for (const Counters& reading : readings) {
    if (!reading.frequency_mhz) continue;
    least = std::min(least.value_or(*reading.frequency_mhz), *reading.frequency_mhz);
    greatest = std::max(greatest.value_or(*reading.frequency_mhz), *reading.frequency_mhz);
  }
  if (!least || *greatest <= 0) return std::nullopt;
  return *least / *greatest;
}

/// Joules by trapezoids of (seconds, watts); nothing with a gap.
template <class Points>
std::optional<double> Integrate(const Points& points, double gap_seconds) {
  double joules = 0;
  for (size_t i = 1; i < points.size(); ++i) {
    const double seconds = points[i].first - points[i - 1].first;
    if (seconds > gap_seconds) return std::nullopt;
    joules += seconds * (points[i].second + points[i - 1].second) / 2;
  }
  return joules;
}

std::optional<double> CountedJoules(const EnergyMeter& before, const EnergyMeter& after) {
  if (!before.joules || !after.joules) return std::nullopt;
  const double joules = *after.joules - *before.joules;
  if (joules >= 0) return joules;
  return before.wrap_joules > 0 ? std::optional(joules + before.wrap_joules) : std::nullopt;
}

std::optional<double> SampledJoules(std::span<const Counters> readings, size_t meter) {
  std::vector<std::pair<double, double>> points;
  for (const Counters& reading : readings) {
    if (!reading.meters[meter].watts) return std::nullopt;
    points.emplace_back(Seconds(reading.time_ns), *reading.meters[meter].watts);
  }
  return Integrate(points, kGapSeconds);
}

/// Meters come and go, a battery that is plugged in for instance.
bool SameMeters(std::span<const Counters> readings) {
  return std::all_of(readings.begin(), readings.end(), [&](const Counters& reading) {
    return std::equal(reading.meters.begin(), reading.meters.end(), readings[0].meters.begin(),
                      readings[0].meters.end(),
                      [](const EnergyMeter& a, const EnergyMeter& b) { return a.source == b.source; });
  });
}

struct Finding {
  const char* flag;
  double size;  // above 1: too much
  std::string detail;
};

std::vector<Finding> Findings(const DisturbanceRow& d) {
  std::vector<Finding> findings;
  if (d.steal_share) {
    findings.push_back({"stolen", *d.steal_share / kSteal,
                        fmt::format("the host took {:.1f} % of the processors' time", *d.steal_share * 100)});
  }
  if (d.other_share) {
    findings.push_back({"other_load", *d.other_share / kOther,
                        fmt::format("other programs took {:.1f} % of the processors' time", *d.other_share * 100)});
  }
  if (d.throttles) {
    findings.push_back({"throttled", *d.throttles > 0 ? 1.0 + static_cast<double>(*d.throttles) : 0,
                        fmt::format("cores slowed down {} times for heat or power", *d.throttles)});
  }
  if (d.swap_pages) {
    findings.push_back({"swapped", *d.swap_pages > 0 ? 1.0 + static_cast<double>(*d.swap_pages) : 0,
                        fmt::format("{} pages went to or from swap", *d.swap_pages)});
  }
  if (d.major_faults) {
    findings.push_back({"major_faults", static_cast<double>(*d.major_faults) / kMajorFaults,
                        fmt::format("{} times memory had to come from a disk", *d.major_faults)});
  }
  if (d.frequency_share && *d.frequency_share > 0) {
    findings.push_back({"frequency_dropped", kFrequency / *d.frequency_share,
                        fmt::format("the processors fell to {:.0f} % of their speed", *d.frequency_share * 100)});
  }
  return findings;
}

}  // namespace

DisturbanceRow FindDisturbance(std::span<const Counters> readings, bool others_count) {
  const Counters &first = readings.front(), &last = readings.back();
  DisturbanceRow row;
  const double seconds = Seconds(last.time_ns - first.time_ns) * last.cpus;
  if (seconds > 0) {
    const auto stolen = Difference(first.steal_s, last.steal_s);
    if (stolen) row.steal_share = *stolen / seconds;
    const auto busy = Difference(first.busy_s, last.busy_s), own = Difference(first.own_s, last.own_s);
    if (busy && own && others_count) row.other_share = std::clamp((*busy - *own) / seconds, 0.0, 1.0);
  }
  row.throttles = Difference(first.throttles, last.throttles);
  row.swap_pages = Difference(first.swap_pages, last.swap_pages);
  row.major_faults = Difference(first.major_faults, last.major_faults);
  row.frequency_share = LeastFrequencyShare(readings);
  return row;
}

std::string WhyDisturbed(const DisturbanceRow& disturbance) {
  std::string why;
  for (const Finding& finding : Findings(disturbance)) {
    if (finding.size <= 1) continue;
    why += fmt::format("{}{}", why.empty() ? "disturbed: " : ", ", finding.detail);
  }
  return why;
}

std::vector<Flag> FlagDisturbances(std::span<const DisturbanceRow> repeats) {
  std::vector<Finding> worst;
  for (const DisturbanceRow& repeat : repeats) {
    for (Finding& finding : Findings(repeat)) {
      if (finding.size <= 1) continue;
      const auto same = std::find_if(worst.begin(), worst.end(), [&](const Finding& other) {
        return std::string_view(other.flag) == finding.flag;
      });
      if (same == worst.end()) {
        worst.push_back(std::move(finding));
      } else if (same->size < finding.size) {
        *same = std::move(finding);
      }
    }
  }
  std::vector<Flag> flags;
  for (Finding& finding : worst) flags.push_back({finding.flag, finding.detail + ", in the worst repeat"});
  return flags;
}

std::vector<EnergyRow> FindEnergy(std::span<const Counters> readings,
                                  std::span<const std::optional<double>> idle) {
  std::vector<EnergyRow> rows;
  if (!SameMeters(readings)) return rows;
  const Counters &first = readings.front(), &last = readings.back();
  for (size_t i = 0; i < first.meters.size(); ++i) {
    const EnergyMeter& meter = first.meters[i];
    const auto joules =
        meter.joules ? CountedJoules(meter, last.meters[i]) : SampledJoules(readings, i);
    if (!joules) continue;
    EnergyRow row{meter.boundary, meter.source, *joules, Seconds(last.time_ns - first.time_ns), {}};
    if (idle.size() == first.meters.size()) row.idle_w = idle[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::optional<double>> MeanWatts(const Counters& first, const Counters& last) {
  const Counters pair[] = {first, last};
  std::vector<std::optional<double>> watts(first.meters.size());
  const double seconds = Seconds(last.time_ns - first.time_ns);
  if (!SameMeters(pair) || seconds <= 0) return watts;
  for (size_t i = 0; i < watts.size(); ++i) {
    const auto joules =
        first.meters[i].joules ? CountedJoules(first.meters[i], last.meters[i]) : SampledJoules(pair, i);
    if (joules) watts[i] = *joules / seconds;
  }
  return watts;
}

std::optional<EnergyRow> FindWallEnergy(std::span<const WallReading> readings, int64_t begin_unix_ns,
                                        int64_t end_unix_ns) {
  const auto after = std::upper_bound(
      readings.begin(), readings.end(), begin_unix_ns,
      [](int64_t time, const WallReading& reading) { return time < reading.unix_ns; });
  if (after == readings.begin() || end_unix_ns <= begin_unix_ns) return std::nullopt;
  // The window's ends lie between readings: what the meter showed there follows from its neighbours.
  std::vector<std::pair<double, double>> points;
  const auto at = [&](const WallReading& a, const WallReading& b, int64_t time) {
    const double share = static_cast<double>(time - a.unix_ns) / static_cast<double>(b.unix_ns - a.unix_ns);
    return a.watts + share * (b.watts - a.watts);
  };
  const auto seconds = [&](int64_t time) { return Seconds(time - begin_unix_ns); };
  for (auto it = after; it != readings.end(); ++it) {
    const WallReading& before = *(it - 1);
    if (Seconds(it->unix_ns - before.unix_ns) > kWallGapSeconds) return std::nullopt;
    if (points.empty()) points.emplace_back(0, at(before, *it, begin_unix_ns));
    if (it->unix_ns >= end_unix_ns) {
      points.emplace_back(seconds(end_unix_ns), at(before, *it, end_unix_ns));
      const auto joules = Integrate(points, kWallGapSeconds);
      return EnergyRow{"wall", "file", *joules, seconds(end_unix_ns), {}};
    }
    points.emplace_back(seconds(it->unix_ns), it->watts);
  }
  return std::nullopt;
}

std::vector<SampleRow> SamplesOf(const Counters& reading) {
  std::vector<SampleRow> rows;
  const auto add = [&](std::string name, const auto& value) {
    if (value) rows.push_back({reading.time_ns, std::move(name), static_cast<double>(*value)});
  };
  add("process_bytes", reading.process_bytes);
  add("available_bytes", reading.available_bytes);
  add("frequency_mhz", reading.frequency_mhz);
  add("temperature_c", reading.temperature_c);
  add("load", reading.load);
  for (const EnergyMeter& meter : reading.meters) add(meter.boundary + "_w", meter.watts);
  return rows;
}

}  // namespace weir
