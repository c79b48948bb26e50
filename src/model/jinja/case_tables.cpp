#include "model/jinja/case_tables.h"

#include <algorithm>
#include <span>

namespace weir::jinja {
namespace {

/// Characters first, first + step, .. last move by delta.
struct CaseRun {
  uint32_t first, last, step;
  int32_t delta;
};

#include "model/jinja/case_tables.inc"

}  // namespace

uint32_t MapCase(uint32_t code_point, bool upper) {
  const std::span<const CaseRun> runs =
      upper ? std::span<const CaseRun>(kToUpper) : std::span<const CaseRun>(kToLower);
  const auto run = std::lower_bound(runs.begin(), runs.end(), code_point,
                                    [](const CaseRun& r, uint32_t c) { return r.last < c; });
  if (run == runs.end() || code_point < run->first || (code_point - run->first) % run->step != 0) {
    return code_point;
  }
  return static_cast<uint32_t>(static_cast<int32_t>(code_point) + run->delta);
}

}  // namespace weir::jinja
