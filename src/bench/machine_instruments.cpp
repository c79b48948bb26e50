#include "bench/machine_instruments.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "bench/sentinel.h"
#include "machine/machine.h"
#include "machine/memory_use.h"
#include "util/clock.h"
#include "util/interrupt.h"
#include "util/wall_clock.h"

namespace weir {
namespace {

// A repeat's rates are the best of the measurements before and after it: six passes, where five are
// enough.
constexpr int kPasses = 3;
constexpr auto kIdle = std::chrono::seconds(2);
constexpr auto kWallPoll = std::chrono::milliseconds(50);

}  // namespace

Status MachineInstruments::Prepare(int64_t reserved_bytes) {
  WEIR_TRY(const Isa isa,
           SelectIsa(nullptr));  // the limit is the machine's, whatever weir is told to use
  Machine machine = ReadMachine();
  if (machine.memory_available_bytes) {
    *machine.memory_available_bytes =
        std::max<int64_t>(0, *machine.memory_available_bytes - reserved_bytes);
  }
  ProbeBuffer plan = PlanProbeBuffer(machine);
  if (most_probe_bytes_ > 0 && most_probe_bytes_ < plan.bytes) {
    plan = {most_probe_bytes_ / kProbeBlock * kProbeBlock, true};
  }
  WEIR_TRY(prober_, Prober::Create(isa, plan, n_threads_));
  return {};
}

Result<RatesRow> MachineInstruments::MeasureRates() {
  WEIR_TRY(const MachineRates rates, prober_->Measure(n_threads_, kPasses));
  if (best_) {
    best_->passes += rates.passes;
  } else {
    best_ = rates;
  }
  best_->read_gb_s = std::max(best_->read_gb_s, rates.read_gb_s);
  best_->read_write_gb_s = std::max(best_->read_write_gb_s, rates.read_write_gb_s);
  best_->int8_gmac_s = std::max(best_->int8_gmac_s, rates.int8_gmac_s);
  best_->f32_gmac_s = std::max(best_->f32_gmac_s, rates.f32_gmac_s);
  best_->buffer_small |= rates.buffer_small;
  return RatesRow{NowNs(),           rates.read_gb_s,  rates.read_write_gb_s,
                  rates.int8_gmac_s, rates.f32_gmac_s, rates.buffer_small};
}

void MachineInstruments::ResetPeakMemory() { peak_was_reset_ = ResetPeakRss().ok(); }

std::optional<int64_t> MachineInstruments::PeakMemory() {
  const std::optional<int64_t> peak = peak_was_reset_ ? PeakRssBytes() : std::nullopt;
  if (!peak) return std::nullopt;
  return *peak - (prober_ ? prober_->buffer_bytes() : 0);
}

int64_t MachineInstruments::cache_bytes() const {
  // Unknown caches may hold anything.
  return LastLevelCacheBytes(ReadMachine()).value_or(INT64_MAX / 8);
}

Counters MachineInstruments::Read() const {
  Counters counters = ReadCounters();
  if (nvml_) nvml_->AddTo(counters);
  return counters;
}

void MachineInstruments::MeasureIdle() {
  const int64_t begin_unix_ns = UnixNs();
  const Counters first = Read();
  if (first.meters.empty() && wall_file_.empty()) return;  // most virtual machines: nothing to wait for
  std::this_thread::sleep_for(kIdle);
  idle_w_ = MeanWatts(first, Read());
  if (const auto wall = WallEnergy(begin_unix_ns, UnixNs())) wall_idle_w_ = wall->joules / wall->seconds;
}

Status MachineInstruments::SetWallFile(std::string path) {
  if (!path.empty() && !std::ifstream(path).is_open()) return BadInput("--wall-meter {}: cannot be read", path);
  wall_file_ = std::move(path);
  return {};
}

/// Waits until the file has a reading after the end: the meter writes when it likes, and between two of its readings
/// nothing is known yet. Not if it has been silent for longer than readings may be apart: it will not count then.
std::optional<EnergyRow> MachineInstruments::WallEnergy(int64_t begin_unix_ns, int64_t end_unix_ns) const {
  if (wall_file_.empty()) return std::nullopt;
  std::vector<WallReading> readings = ReadWallFile(wall_file_);
  while (!readings.empty() && readings.back().unix_ns < end_unix_ns &&
         UnixNs() - readings.back().unix_ns < kWallGapNs && !Interrupted()) {
    std::this_thread::sleep_for(kWallPoll);
    readings = ReadWallFile(wall_file_);
  }
  return FindWallEnergy(readings, begin_unix_ns, end_unix_ns);
}

void MachineInstruments::BeginWatch() {
  begin_unix_ns_ = UnixNs();
  readings_ = {Read()};
}

void MachineInstruments::Watch() { readings_.push_back(Read()); }

void MachineInstruments::EndWatch(AttemptRow& row) {
  const int64_t end_unix_ns = UnixNs();
  readings_.push_back(Read());
  row.disturbance = FindDisturbance(readings_, true);
  row.energy = FindEnergy(readings_, idle_w_);
  for (const Counters& reading : readings_) {
    for (SampleRow& sample : SamplesOf(reading)) row.samples.push_back(std::move(sample));
  }
  std::optional<EnergyRow> wall = WallEnergy(begin_unix_ns_, end_unix_ns);
  if (!wall) return;
  wall->idle_w = wall_idle_w_;
  row.energy.push_back(*wall);
}

bool MachineInstruments::Stopped() { return Interrupted(); }

}  // namespace weir
