// What this computer can do, measured: the rates that the limit of a step divides by.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernels/isa.h"
#include "kernels/probe.h"
#include "machine/machine.h"
#include "util/error.h"
#include "util/memory.h"

namespace weir {

/// Each rate is the best of all passes with `threads` threads. 1 GB is 1e9 bytes; a MAC is one multiplication
/// and one addition.
struct MachineRates {
  int threads = 0;
  int passes = 0;
  std::string isa;             // of the loops: the best one present, whatever WEIR_ISA says
  double read_gb_s = 0;        // B: bytes read
  double read_write_gb_s = 0;  // B_rw: bytes read plus bytes written, in place
  double int8_gmac_s = 0;      // R
  double f32_gmac_s = 0;       // F
  int64_t buffer_bytes = 0;
  bool buffer_small = false;   // less than 8 times the last-level cache: B and B_rw may be too high
};

struct ProbeBuffer {
  int64_t bytes = 0;
  bool small = false;
};

/// 8 times the last-level caches (512 MiB if they are unknown, at least 128 MiB), but at most a third of the
/// available memory; `small` if that third is less.
ProbeBuffer PlanProbeBuffer(const Machine& machine);

/// Told, by the calling thread, how much of a long call is done.
using ProbeProgress = std::function<void(int64_t done, int64_t total)>;

/// Holds the buffer, so that measuring again is cheap: before and after every repeat of a benchmark, say. The
/// buffer is resident for as long as the prober lives; whoever reports peak memory subtracts it.
class Prober {
 public:
  /// Allocates the buffer and touches each page with n_threads threads: some seconds for 4 GB if a host has to
  /// find the memory. kBadInput if this machine does not support `isa`; kRefused if there is no memory for the
  /// buffer; kInterrupted.
  static Result<Prober> Create(Isa isa, ProbeBuffer buffer, int n_threads, ProbeProgress progress = {});

  /// At least 5 passes make a rate that others may divide by. A pass reads the buffer once and rewrites it
  /// once, and multiplies for 40 ms: 0.3 s for 4 GB at 35 GB/s. kInterrupted, between two passes.
  Result<MachineRates> Measure(int n_threads, int passes, ProbeProgress progress = {});

  int64_t buffer_bytes() const { return static_cast<int64_t>(buffer_.size()); }

 private:
  Prober(Isa isa, Buffer buffer, bool small);

  Isa isa_;
  const ProbeKernels* kernels_;
  Buffer buffer_;
  bool small_;
};

}  // namespace weir
