// Two sides of a comparison, cell by cell, like with like only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/statistics.h"
#include "store/store.h"

namespace weir {

enum class Outcome {
  kSlower, kTie, kFaster,
  kUnproven,  // too few repeats for an interval
};
std::string_view Name(Outcome outcome);

/// A cell of the first side and the cell of another one that measured the same thing.
struct ComparedCell {
  CellResult base, other;
  double ratio = 1;  // median rate of other / base
  std::optional<Interval> interval = {};  // 95 %
  Outcome outcome = Outcome::kUnproven;
};

/// A cell without a partner, and why.
struct LeftOut {
  CellResult cell;
  std::string why;
};

struct Comparison {
  std::vector<ComparedCell> cells;        // the slowest of the other side first
  std::vector<LeftOut> left_out;          // of the first side
  std::optional<double> geometric_mean;   // of the ratios
  std::vector<std::string> differences;   // besides what is compared: machine, build, target, threads...
};

struct CompareOptions {
  std::string figure = "decode_tok_s";  // or aggregate_tok_s
  bool across_quants = false;           // cells of one model in different mixtures are partners
  bool across_targets = false;          // a server does not say what its model is: it has all of them
};

/// Partners are good cells of the same model (name and mixture, or architecture and size across mixtures) under the same
/// load, of the same target where a side has several. Where only the load differs, left_out says in what.
Comparison Compare(const std::vector<CellResult>& base, const std::vector<CellResult>& other,
                   const CompareOptions& options);

/// The cells of a run by their target: the engine, then others in the order in which they come first.
std::vector<std::pair<std::string, std::vector<CellResult>>> ByTarget(const std::vector<CellResult>& cells);

/// Whether a cell of the other side is slower by more than `share`: by its interval; by its ratio where there is none.
bool IsSlowerThan(const ComparedCell& cell, double share);

}  // namespace weir
