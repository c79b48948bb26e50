// The instruments of this machine: measured rates, and the process's peak memory.
#pragma once

#include <memory>
#include <optional>

#include "bench/bench.h"
#include "machine/rates.h"

namespace weir {

class MachineInstruments : public Instruments {
 public:
  explicit MachineInstruments(int n_threads) : n_threads_(n_threads) {}

  void Release() override { prober_.reset(); }
  Status Prepare(int64_t reserved_bytes) override;
  Result<RatesRow> MeasureRates() override;
  void ResetPeakMemory() override;
  std::optional<int64_t> PeakMemory() override;
  bool Stopped() override;

  /// How the rates were measured, with the best of each so far; null before the first measurement.
  const MachineRates* best() const { return best_ ? &*best_ : nullptr; }

 private:
  const int n_threads_;
  std::optional<Prober> prober_;
  std::optional<MachineRates> best_;
  bool peak_was_reset_ = false;
};

}  // namespace weir
