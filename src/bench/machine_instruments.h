// The instruments of this machine: measured rates, and the process's peak memory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/bench.h"
#include "machine/counters.h"
#include "machine/nvml.h"
#include "machine/rates.h"

namespace weir {

class MachineInstruments : public Instruments {
 public:
  /// Bandwidth is measured over at most `most_probe_bytes`, 0 for as much as it needs: less is
  /// faster, and a row that says so.
  MachineInstruments(int n_threads, int64_t most_probe_bytes)
      : n_threads_(n_threads), most_probe_bytes_(most_probe_bytes) {}

  void Release() override { prober_.reset(); }
  Status Prepare(int64_t reserved_bytes) override;
  Result<RatesRow> MeasureRates() override;
  void ResetPeakMemory() override;
  std::optional<int64_t> PeakMemory() override;
  int threads() const override { return n_threads_; }
  int64_t cache_bytes() const override;
  void BeginWatch() override;
  void Watch() override;
  void EndWatch(AttemptRow& row) override;
  bool Stopped() override;

  /// What the meters show while nothing runs: to be called before there is anything, but after SetWallFile.
  void MeasureIdle();
  /// A meter at the wall, whose readings another program appends to a file. kBadInput if it cannot be read.
  Status SetWallFile(std::string path);

  /// How the rates were measured, with the best of each so far; null before the first measurement.
  const MachineRates* best() const { return best_ ? &*best_ : nullptr; }

 private:
  Counters Read() const;
  std::optional<EnergyRow> WallEnergy(int64_t begin_unix_ns, int64_t end_unix_ns) const;

  const int n_threads_;
  const int64_t most_probe_bytes_;
  std::optional<Prober> prober_;
  std::optional<MachineRates> best_;
  bool peak_was_reset_ = false;
  const std::unique_ptr<Nvml> nvml_ = Nvml::Open();
  std::vector<Counters> readings_;
  std::vector<std::optional<double>> idle_w_;
  std::string wall_file_;
  std::optional<double> wall_idle_w_;
  int64_t begin_unix_ns_ = 0;
};

}  // namespace weir
