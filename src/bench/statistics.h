// What repeats say together.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "store/store.h"

namespace weir {

struct Interval {
  double low = 0, high = 0;
};

/// 95 % percentile-bootstrap interval of the median: samples are drawn with replacement 10,000
/// times, always with the same random numbers. Nothing from fewer than two samples. With three
/// samples it is the least and the greatest of them, because a quarter of all draws have the same
/// outer sample at least twice.
std::optional<Interval> MedianInterval(std::span<const double> samples);

/// Share of the limit: median decode rate / median limit.
std::optional<double> RooflineShare(const CellResult& cell);

/// How a cell ended, from its rows and how many of its planned repeats failed.
struct Verdict {
  CellStatus status = CellStatus::kOk;
  std::string reason;
};
struct AttemptsSeen {
  int n_ok = 0, n_failed = 0;
  std::string first_failure;
  bool interrupted = false;
};
Verdict Judge(const CellResult& cell, const AttemptsSeen& attempts);

/// What earlier cells of the same model gave.
struct Decoded {
  int users = 0;
  double tok_s = 0;  // median, of all users together
};

/// cliff: with fewer users, all of them together got tokens more than 5 % faster.
std::optional<Flag> FindCliff(const CellResult& cell, std::span<const Decoded> before);

/// The rates before and after a repeat.
struct RatesAround {
  RatesRow before, after;
};

/// noisy: repeats of decode or aggregate spread over more than 10 % of the median. rates_drifted: a
/// rate changed by more than 15 % during a repeat. share_above_one. logits_differ: repeats gave
/// different bits. few_repeats: fewer than three. repeats_failed: some failed, and the figures are
/// those of the others. probe_buffer_small: the bandwidths may be those of the caches. Details are
/// short, with the worst number only.
std::vector<Flag> FindFlags(const CellResult& cell, const AttemptsSeen& attempts,
                            std::span<const RatesAround> rates);

}  // namespace weir
