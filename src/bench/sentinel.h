// Who disturbed a measurement, and what it took: two readings of the machine's counters and those in between.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "machine/counters.h"
#include "store/store.h"

namespace weir {

/// Readings of a meter at the wall that are further apart say too little of the time between them.
inline constexpr int64_t kWallGapNs = 10'000'000'000;

/// What happened between the first and the last of `readings`, of which there are at least two. Processor time of
/// others counts only if `others_count`: a server on this machine that is measured is another process too.
DisturbanceRow FindDisturbance(std::span<const Counters> readings, bool others_count);

/// In a few words, why a repeat with this should be made again; empty if it was quiet.
std::string WhyDisturbed(const DisturbanceRow& disturbance);

/// stolen, other_load, throttled, swapped, major_faults, frequency_dropped: with the worst of all repeats, or the sum.
std::vector<Flag> FlagDisturbances(std::span<const DisturbanceRow> repeats);

/// Energy of each meter from the first to the last reading. A counter's wrap is allowed for once; watts are
/// integrated by trapezoids, and refused if two readings are more than 3 s apart. `idle` (may be empty) are the watts
/// of the same meters, in the same order, when nothing ran.
std::vector<EnergyRow> FindEnergy(std::span<const Counters> readings,
                                  std::span<const std::optional<double>> idle);

/// Watts of each meter between two readings.
std::vector<std::optional<double>> MeanWatts(const Counters& first, const Counters& last);

/// The same of a meter at the wall, for a window of the wall clock: refused if readings do not enclose it, or are more
/// than 10 s apart within.
std::optional<EnergyRow> FindWallEnergy(std::span<const WallReading> readings, int64_t begin_unix_ns,
                                        int64_t end_unix_ns);

/// The rows of `sample` that a reading gives.
std::vector<SampleRow> SamplesOf(const Counters& reading);

}  // namespace weir
