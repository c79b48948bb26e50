#include "machine/rates.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <utility>

#include "util/clock.h"
#include "util/interrupt.h"
#include "util/thread_pool.h"

namespace weir {
namespace {

constexpr int64_t kGrain = 1024 * kProbeBlock;  // bytes that a thread takes at a time: 0.2 ms
constexpr int64_t kRounds = 1 << 16;            // of multiplications at a time: about 0.2 ms
// Multiplications run in short windows: where other programs run too, one of them comes to lie between
// their time slices. Memory has no such choice, its passes are as long as the buffer.
constexpr int64_t kMultiplyNs = 5'000'000;
constexpr int kMultiplyWindows = 4;

template <class Fn>
double SecondsOf(Fn&& fn) {
  const int64_t begin = NowNs();
  fn();
  return static_cast<double>(std::max<int64_t>(1, NowNs() - begin)) * 1e-9;
}

/// Calls fn(first byte, number of bytes) for all of the buffer; returns GB/s.
template <class Fn>
double MemoryRate(ThreadPool& pool, int64_t n_bytes, Fn&& fn) {
  const double seconds = SecondsOf([&] {
    pool.ParallelFor(n_bytes, kGrain, [&](int64_t begin, int64_t end, int) { fn(begin, end - begin); });
  });
  return static_cast<double>(n_bytes) * 1e-9 / seconds;
}

/// Calls fn, which does `macs`, on all threads for about kMultiplyNs; returns the best GMAC/s of a few times.
template <class Fn>
double MultiplyRate(ThreadPool& pool, int64_t macs, Fn&& fn) {
  const double once = SecondsOf(fn);
  const int64_t calls = pool.n_threads() * (1 + static_cast<int64_t>(kMultiplyNs * 1e-9 / once));
  double seconds = std::numeric_limits<double>::infinity();
  for (int window = 0; window < kMultiplyWindows; ++window) {
    seconds = std::min(seconds, SecondsOf([&] {
      pool.ParallelFor(calls, 1, [&](int64_t, int64_t, int) { fn(); });
    }));
  }
  return static_cast<double>(calls * macs) * 1e-9 / seconds;
}

Error Stopped() { return {ErrorCode::kInterrupted, "interrupted", {}}; }

void Raise(double& best, double rate) { best = std::max(best, rate); }

}  // namespace

ProbeBuffer PlanProbeBuffer(const Machine& machine) {
  constexpr int64_t kMib = 1 << 20;
  const int64_t cache = LastLevelCacheBytes(machine).value_or(64 * kMib);
  const int64_t wanted = std::max(8 * cache, 128 * kMib);
  const int64_t most = std::max(machine.memory_available_bytes.value_or(kMib * 1024) / 3, kGrain);
  const int64_t bytes = std::min(wanted, most) / kProbeBlock * kProbeBlock;
  return {bytes, wanted > most};
}

Prober::Prober(Isa isa, Buffer buffer, bool small)
    : isa_(isa), kernels_(&Probes(isa)), buffer_(std::move(buffer)), small_(small) {}

Result<Prober> Prober::Create(Isa isa, ProbeBuffer plan, int n_threads, ProbeProgress progress) {
  if (!Supported(isa)) return BadInput("this machine does not support {}", Name(isa));
  WEIR_CHECK(plan.bytes > 0 && plan.bytes % kProbeBlock == 0);
  WEIR_TRY(Buffer buffer, Buffer::Allocate(plan.bytes));
  Prober prober(isa, std::move(buffer), plan.small);
  ThreadPool pool(n_threads);
  pool.ParallelFor(plan.bytes, kGrain, [&](int64_t begin, int64_t end, int thread) {
    if (Interrupted()) return;
    std::memset(prober.buffer_.data() + begin, 1, end - begin);  // written first, pages become huge
    if (thread == 0 && progress) progress(end, plan.bytes);
  });
  if (Interrupted()) return Stopped();
  return prober;
}

Result<MachineRates> Prober::Measure(int n_threads, int passes, ProbeProgress progress) {
  ThreadPool pool(n_threads);
  const ThreadPool::PinCaller pin(pool);
  const ProbeKernels& kernels = *kernels_;
  std::atomic<uint64_t> used{0};  // so that no result may be left out
  MachineRates rates{.threads = n_threads, .passes = passes, .isa = std::string(Name(isa_)),
                     .buffer_bytes = buffer_bytes(), .buffer_small = small_};
  for (int pass = 0; pass < passes; ++pass) {
    if (Interrupted()) return Stopped();
    const auto read = kernels.reads[pass % kernels.n_reads];
    Raise(rates.read_gb_s, MemoryRate(pool, buffer_bytes(), [&](int64_t at, int64_t n_bytes) {
            used += read(buffer_.data() + at, n_bytes);
          }));
    const auto read_write = kernels.read_writes[pass % kernels.n_read_writes];
    Raise(rates.read_write_gb_s, 2 * MemoryRate(pool, buffer_bytes(), [&](int64_t at, int64_t n_bytes) {
            read_write(buffer_.data() + at, n_bytes);
          }));
    Raise(rates.int8_gmac_s, MultiplyRate(pool, kRounds * kernels.int8_macs_per_round, [&] {
            used += kernels.multiply_int8(3, 5, kRounds);
          }));
    Raise(rates.f32_gmac_s, MultiplyRate(pool, kRounds * kernels.f32_macs_per_round, [&] {
            used += static_cast<uint64_t>(kernels.multiply_f32(3, 5, kRounds));
          }));
    if (progress) progress(pass + 1, passes);
  }
  return rates;
}

}  // namespace weir
