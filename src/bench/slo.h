// What users must not wait longer than, and how many of them a target can serve so.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load.h"

namespace weir {

/// One limit of an objective: a quantile of a latency.
struct SloTerm {
  enum class Metric { kTtft, kItl, kTpot, kE2e };
  Metric metric = Metric::kTtft;
  double quantile = 0.95;
  double limit_ms = 0;
};
std::string_view Name(SloTerm::Metric metric);
/// "ttft_p95"
std::string Name(const SloTerm& term);

struct Slo {
  std::vector<SloTerm> terms;
};

/// "ttft_p95<1s,itl_p95<100ms": metrics ttft, itl, tpot and e2e, quantiles p1 to p99 or median, limits in ms or s.
/// kBadInput, with what was expected.
Result<Slo> ParseSlo(std::string_view text);

struct SloResult {
  std::vector<std::optional<double>> values_ms;  // of each term; nothing: no request has one
  bool holds = false;  // all terms, and no request failed
  int64_t n_requests = 0, n_failed = 0;
  int64_t n_good = 0;  // requests that held every limit themselves: of ITL, their own quantile
  double goodput_per_s = 0;    // good ones a second
  double goodput_tok_s = 0;    // their tokens
};

/// Of requests that are no warm-up, over the time from the first one's schedule to the last one's end. Latencies
/// count from the scheduled time.
SloResult Evaluate(const Slo& slo, std::span<const RequestRecord> records);

/// Looks for the largest load that holds an objective: doubles until it breaks, then halves the distance. What
/// breaks is tried twice, because one bad moment is no limit.
class CapacitySearch {
 public:
  /// Loads are the whole numbers from 1 to `most`.
  explicit CapacitySearch(int most) : most_(most) {}
  /// The load to try next; nothing: the search is over.
  std::optional<int> Next() const;
  void Report(int load, bool holds);
  /// The largest that held, below all that broke; 0: not even one did. A load that held and then breaks twice is
  /// broken.
  int best() const;
  /// The smallest that broke twice.
  std::optional<int> broken() const { return broken_; }
  /// Whether `most` held, so that the limit is somewhere above.
  bool unlimited() const { return best() == most_; }

 private:
  int most_;
  std::set<int> held_;
  std::optional<int> broken_;
  std::map<int, int> n_broken_;
};

/// Requests a second for step 1, 2, .. of a search for a rate: from `least`, four steps to the double.
double RateOfStep(double least, int step);

}  // namespace weir
