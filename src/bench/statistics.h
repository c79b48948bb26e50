// What repeats say together.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "store/store.h"

namespace weir {

/// Of at least one value. Sorts them.
double Median(std::span<double> values);

struct Interval {
  double low = 0, high = 0;
};

/// 95 % percentile-bootstrap interval of the median: samples are drawn with replacement 10,000
/// times, always with the same random numbers. Nothing from fewer than two samples. With three
/// samples it is the least and the greatest of them, because a quarter of all draws have the same
/// outer sample at least twice.
std::optional<Interval> MedianInterval(std::span<const double> samples);

/// Whether the median is known to within `share` of itself, on either side. Not with fewer than five samples, of
/// which even the least and the greatest enclose the true median with a probability of only 94 %.
bool IsPrecise(std::span<const double> samples, double share);

/// 95 % bootstrap interval of median(a) / median(b). Nothing if either has fewer than five samples.
std::optional<Interval> RatioInterval(std::span<const double> a, std::span<const double> b);

/// The cells of one number of users and of tokens, fastest first, in groups between which there is a measurable
/// difference: cells of a group are tied. `cells` are indices.
struct RankedGroup {
  std::vector<size_t> cells;
};
struct Ranking {
  int users = 0;
  int64_t prompt_tokens = 0, gen_tokens = 0;
  std::vector<RankedGroup> groups;
};
/// Of what has at least two cells with a decode rate. A cell is tied with the first of a group if the interval of
/// their ratio contains 1, or if it cannot be told for want of samples.
std::vector<Ranking> RankCells(const std::vector<CellResult>& cells);

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
  bool open_loop = false;  // nobody waits for anybody, so that there is no time in which all users are served
  int n_rejected = 0;  // whole, and in no figure
  std::string last_rejection = {};
  std::vector<DisturbanceRow> disturbances = {};  // of whole repeats
};
Verdict Judge(const CellResult& cell, const AttemptsSeen& attempts);

/// What cells of the same model gave.
struct Decoded {
  int64_t id = 0;
  int users = 0;
  int64_t tokens = 0;  // prompt and answer
  double tok_s = 0;  // median, of all users together
};

/// cliff: with fewer users and as many tokens, all of them together got tokens more than 5 % faster.
std::optional<Flag> FindCliff(const Decoded& cell, std::span<const Decoded> all);

/// The rates before and after a repeat.
struct RatesAround {
  RatesRow before, after;
};

/// noisy: repeats of decode or aggregate spread over more than 10 % of the median. rates_drifted: a
/// rate changed by more than 15 % during a repeat. share_above_one. logits_differ: repeats gave
/// different bits. few_repeats: fewer than three. repeats_failed: some failed, and the figures are
/// those of the others. probe_buffer_small: the bandwidths may be those of the caches. repeats_rejected, and those of
/// FlagDisturbances. Details are short, with the worst number only.
std::vector<Flag> FindFlags(const CellResult& cell, const AttemptsSeen& attempts,
                            std::span<const RatesAround> rates);

}  // namespace weir
