// What measured rows teach about rows that were not measured.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "advise/cell_figures.h"
#include "machine/rates.h"
#include "store/database.h"
#include "util/error.h"

namespace weir {

struct Range {
  double low = 0, high = 0;
};

/// What the efficiency of a cell depends on most.
struct CellTraits {
  double bits_per_weight = 0;  // of the file
  double weight_bytes = 0;     // of the file
  double users = 1;
  bool operator==(const CellTraits&) const = default;
};

/// A measured figure, above 0.
struct Experience {
  int64_t cell = 0;  // row id
  CellTraits traits;
  double value = 0;
};

struct Lesson {
  Range range;
  std::vector<int64_t> cells;  // that it rests on, nearest first
};

/// Expects `traits` to behave as its neighbours do: a local regression of the logarithm, weighted by nearness. The
/// range is as wide as such predictions of each neighbour from the others were wrong, and never narrower than
/// 10 %. Nothing where there are too few neighbours, or where they scatter so much that the range would exceed
/// kWidestLesson.
inline constexpr double kWidestLesson = 1.5;  // high / low
std::optional<Lesson> Learn(std::span<const Experience> rows, const CellTraits& traits);

/// What cells of a machine reached. The attainable time of a decode step is T* and, on top, its multiply-accumulates at
/// the rate that prompts reach: weights stream while nothing is multiplied, so the share of T* alone falls with users,
/// the sooner the fewer bits a weight has, and rows of few users would say little about many. T* is that of `rates`.
struct MachineExperience {
  std::optional<MachineRates> rates;       // the best of the last run that measured all four
  std::vector<Experience> decode_share;    // attainable time of a decode step / its time
  std::vector<Experience> prefill_gmac_s;  // multiply-accumulates of all kinds
};
/// Of the cells that `figures` reads of such a machine, without those whose answers were wrong or whose memory was on a
/// disk.
Result<MachineExperience> ReadExperience(Database& database, const std::string& machine, const std::string& isa,
                                         int threads, FigureReader& figures);

}  // namespace weir
