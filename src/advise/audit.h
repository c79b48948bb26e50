// What published numbers rest on: which are possible, and how far from the limit they sit.
#pragma once

#include <string>
#include <vector>

#include "advise/article.h"
#include "advise/machine_catalogue.h"

namespace weir {

/// A row against one figure for the machine's bandwidth.
struct BandwidthUse {
  std::string name;  // "catalogue", or what the article calls it
  double gb_s = 0;
  double share = 0;  // of it, that the weights alone need; above 1 is impossible
};

/// A row against the best rate of multiplications that the machine's maker states.
struct ArithmeticUse {
  double gmac_s = 0;
  double share = 0;   // of it, that the weights alone need
  bool int8 = false;  // it is that of int8; of floats, it may be half of what int8 reaches or less, and forbids nothing
  bool possible() const { return share <= 1 || !int8; }
};

struct RowFinding {
  PublishedRow row;
  int64_t weight_bytes = 0;  // that a step must stream at least
  double steps_per_s = 0;    // tok_s / users: every user gets a token per step
  std::vector<BandwidthUse> uses;  // the machine's first
  ArithmeticUse arithmetic;
  std::string side;  // of the roofline, on which it sits: "bandwidth" or "arithmetic", what it uses the larger share of
  bool lone_peak = false;  // a peak, and no median of the same cell beside it
  /// "possible", "exceeds_claim": more than a bandwidth that the article names but less than the machine's peak,
  /// "impossible", or "unknown_model": nothing can be said.
  std::string verdict;
  std::vector<std::string> reasons;  // why it is impossible or unknown
};

/// A ratio of two bandwidths, and whether the claim holds with it. Claims below 1 are whole percents.
struct RatioBasis {
  std::string name;
  double of_gb_s = 0, to_gb_s = 0;
  bool supports = false;
  double ratio() const { return of_gb_s / to_gb_s; }
};
struct RatioFinding {
  RatioClaim claim;
  std::vector<RatioBasis> bases;
  bool supported = false;  // by any
};

struct FitFinding {
  FitClaim claim;
  Fit fit;
  bool holds() const { return fit.comfort == claim.comfort; }
};

struct PowerFinding {
  PowerClaim claim;
  std::optional<double> catalogue_w;
  std::string catalogue_of;
  bool other_boundary = false;  // than other powers of the article: they do not compare
};

struct Audit {
  std::vector<RowFinding> rows;
  std::vector<RatioFinding> ratios;
  std::vector<FitFinding> fits;
  std::vector<PowerFinding> powers;
};

/// kBadInput for a machine that is not catalogued, and for a model of a claim that is not. A step of a dense model must
/// read all its weights, one of a mixture those that a single token needs, and multiply with them for each user; keys,
/// values and states come on top and are left out, so a share is the least that the row can have used. No speculation
/// is assumed. Nor can a machine compute with weights that its memory does not hold, or answer before it has read them
/// once.
Result<Audit> AuditArticle(const Article& article, const MachineCatalogue& catalogue);

}  // namespace weir
