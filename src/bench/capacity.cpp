#include "bench/capacity.h"

#include <algorithm>

namespace weir {
namespace {

constexpr int kRateSteps = 60;      // to 32768 times the first rate
constexpr int kTriesPerRepeat = 3;  // of what was disturbed, with --strict

/// What of an objective a repeat missed; empty: nothing.
std::string WhyMissed(const Slo& slo, const SloResult& result) {
  if (result.n_failed > 0) return fmt::format("{} of {} requests failed", result.n_failed, result.n_requests);
  for (size_t i = 0; i < slo.terms.size(); ++i) {
    const SloTerm& term = slo.terms[i];
    const double value = result.values_ms[i].value_or(0);
    if (value >= term.limit_ms) return fmt::format("{} is {:.4g} ms, not below {:.4g} ms", Name(term), value, term.limit_ms);
  }
  return "";
}

class Search {
 public:
  Search(const CellSpec& spec, Slo slo, const BenchOptions& options, Side& side, CellRunner& runner, Store& store)
      : spec_(spec), slo_(std::move(slo)), by_rate_(spec.load.arrivals != Arrivals::kClosed), options_(options),
        side_(side), runner_(runner), store_(store), search_(by_rate_ ? kRateSteps : spec.load.users) {}

  Status Run() {
    while (const std::optional<int> step = Next()) {
      WEIR_RETURN_IF_ERROR(Try(*step));
      if (runner_.Stopped()) return {};
    }
    for (auto& [step, probe] : probes_) {
      if (probe.cell->ended) continue;
      if (!probe.missed.empty()) probe.cell->flags.push_back({"objective_missed", fmt::format("{} (in {} of {} repeats)", probe.missed, probe.n_missed,
                                                                   probe.n_held + probe.n_missed)});
      WEIR_RETURN_IF_ERROR(runner_.EndMeasured(side_, *probe.cell));
    }
    return AddAnswer();
  }

 private:
  struct Probe {
    RunningCell* cell = nullptr;
    int n_held = 0, n_missed = 0;
    std::string missed;  // why it broke
  };

  /// The next load of the search; at its end the best one again, until it has all its repeats.
  std::optional<int> Next() {
    if (const std::optional<int> step = search_.Next()) return step;
    if (search_.best() == 0 || probes_[search_.best()].n_held >= options_.repeats) return std::nullopt;
    return search_.best();
  }

  double LoadOf(int step) const { return by_rate_ ? RateOfStep(spec_.load.rate, step) : step; }

  Result<Probe*> ProbeOf(int step) {
    Probe& probe = probes_[step];
    if (probe.cell) return &probe;
    RunningCell& cell = side_.cells.emplace_back();
    cell.spec = spec_;
    (by_rate_ ? void(cell.spec.load.rate = LoadOf(step)) : void(cell.spec.load.users = step));
    cell.slo = slo_;
    probe.cell = &cell;
    WEIR_TRY([[maybe_unused]] const bool fits, runner_.Plan(side_, cell));
    return &probe;
  }

  Status Try(int step) {
    WEIR_TRY(Probe * probe, ProbeOf(step));
    RunningCell& cell = *probe->cell;
    const int n_rejected = cell.seen.n_rejected;
    bool measured = false;
    if (!cell.ended) {
      WEIR_TRY(measured, runner_.Repeat(side_, cell, ++n_tried_));
    }
    if (runner_.Stopped()) return {};
    if (!measured) {
      // It does not fit, or does not run: that does not change.
      WEIR_TRY(const CellResult ended, store_.ResultOfCell(*cell.id));
      probe->missed = ended.reason;
      search_.Report(step, false);
      search_.Report(step, false);
      return {};
    }
    if (cell.seen.n_rejected > n_rejected && cell.n_attempts < kTriesPerRepeat * options_.repeats) return {};
    const bool holds = cell.judged && cell.judged->holds;
    if (holds) {
      ++probe->n_held;
    } else {
      ++probe->n_missed;
      probe->missed = cell.judged ? WhyMissed(slo_, *cell.judged) : cell.seen.first_failure;
    }
    search_.Report(step, holds);
    return {};
  }

  Status AddAnswer() {
    CapacityRow row;
    row.model = side_.model;
    row.target = spec_.target;
    row.key = KeyOf(spec_);
    row.objective = spec_.slo;
    row.unit = by_rate_ ? "requests_per_s" : "users";
    if (const int best = search_.best(); best > 0) {
      row.best = LoadOf(best);
      row.cell = probes_[best].cell->id;
    }
    if (const std::optional<int> broken = search_.broken()) {
      row.broken = LoadOf(*broken);
      row.why = probes_[*broken].missed;
    }
    return store_.AddCapacity(runner_.run(), row);
  }

  const CellSpec& spec_;
  const Slo slo_;
  const bool by_rate_;
  const BenchOptions& options_;
  Side& side_;
  CellRunner& runner_;
  Store& store_;
  CapacitySearch search_;
  std::map<int, Probe> probes_;
  int64_t n_tried_ = 0;
};

}  // namespace

Status SearchCapacity(const CellSpec& spec, const BenchOptions& options, Side& side, CellRunner& runner, Store& store) {
  WEIR_TRY(Slo slo, ParseSlo(spec.slo));
  return Search(spec, std::move(slo), options, side, runner, store).Run();
}

}  // namespace weir
