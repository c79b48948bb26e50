// The rates that a kernel's speed is compared with, measured in the same process.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

#include "machine/rates.h"

namespace weir {

/// B, B_rw, R and F of an instruction set with n_threads threads, over 1 GB: larger caches than that make them look
/// higher than they are.
inline MachineRates MeasureCeilings(Isa isa, int n_threads) {
  auto prober = Prober::Create(isa, {int64_t{1} << 30, true}, n_threads);
  const auto rates =
      prober.ok() ? prober->Measure(n_threads, 7) : Result<MachineRates>(prober.error());
  if (!rates.ok()) {
    std::fprintf(stderr, "%s\n", rates.error().message.c_str());
    std::exit(1);
  }
  std::printf("%d threads: read %.1f GB/s, read and write %.1f GB/s, int8 %.0f GMAC/s, f32 %.0f GMAC/s (%s)\n",
              n_threads, rates->read_gb_s, rates->read_write_gb_s, rates->int8_gmac_s,
              rates->f32_gmac_s, rates->isa.c_str());
  return *rates;
}

/// Counts `amount` (1e9 bytes or multiply-accumulates) per iteration: as a rate, and as its share of a ceiling.
inline void Count(benchmark::State& state, const char* unit, double amount, const char* ceiling,
                  double rate) {
  using benchmark::Counter;
  state.counters[unit] = Counter(amount, Counter::kIsIterationInvariantRate);
  state.counters[ceiling] = Counter(amount / rate, Counter::kIsIterationInvariantRate);
}

}  // namespace weir
