#include "util/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "util/clock.h"
#include "util/error.h"
#include "util/processors.h"

namespace weir {
namespace {

// Long enough to bridge the serial pieces between two parallel ones, so that a step does not pay for
// waking its workers (some 25 us on a virtual machine) at each of them; short enough that with more
// threads than cores a waiting thread soon gives its core to one that works.
constexpr int64_t kSpinNs = 20'000;
constexpr int kPausesPerClockRead = 16;

void CpuRelax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins for spin_ns, then sleeps, until done(value) holds for the value of `word`; returns that value.
template <class T, class Done>
T Await(const std::atomic<T>& word, int64_t spin_ns, Done done) {
  T value = word.load(std::memory_order_acquire);
  if (done(value)) return value;
  const int64_t give_up = spin_ns > 0 ? NowNs() + spin_ns : 0;
  while (spin_ns > 0) {
    for (int i = 0; i < kPausesPerClockRead; ++i) {
      CpuRelax();
      value = word.load(std::memory_order_acquire);
      if (done(value)) return value;
    }
    if (NowNs() >= give_up) break;
  }
  while (!done(value)) {
    word.wait(value, std::memory_order_acquire);
    value = word.load(std::memory_order_acquire);
  }
  return value;
}

constexpr uint32_t kOpen = 1u << 31;

}  // namespace

// The caller never waits for a worker that has not woken up in time to help: a call opens the gate,
// workers count themselves in while it is open, and the caller closes it once no range is left and
// waits for those inside only. The fields of a call change only while the gate is closed and nobody
// is inside.
struct ThreadPool::Shared {
  alignas(64) std::atomic<uint32_t> generation{0};  // rises with each call: what idle workers watch
  alignas(64) std::atomic<uint32_t> gate{0};        // kOpen | workers inside

  // Each thread has a share of its own, and takes from others' once that is used up: so what it reads lies
  // one after the other, and what is asked of memory ahead of a range is its own next one.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};  // first item not handed out yet
    int64_t end = 0;
  };
  std::vector<Share> shares;

  alignas(64) int64_t n_items = 0;
  int64_t grain = 1;
  void* context = nullptr;
  Callback callback = nullptr;
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  int64_t spin_ns = kSpinNs;
  std::vector<int> processors;  // of each thread; empty: any

  struct alignas(64) Busy {
    int64_t ns = 0;
  };
  bool measured = false;
  int64_t calls_ns = 0;
  std::vector<Busy> busy;  // of each thread

  void Drain(int thread) {
    const int64_t begin = measured ? NowNs() : 0;
    DrainRanges(thread);
    if (measured) busy[thread].ns += NowNs() - begin;
  }

  void DrainRanges(int thread) {
    const int n_shares = static_cast<int>(shares.size());
    for (int i = 0; i < n_shares; ++i) {
      Share& share = shares[static_cast<size_t>((thread + i) % n_shares)];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t begin = share.next.fetch_add(grain, std::memory_order_relaxed);
        if (begin < share.end) callback(context, begin, std::min(begin + grain, share.end), thread);
      }
    }
  }

  /// Whole ranges, as many to each share as to any other, give or take one.
  void Deal() {
    const int64_t n_ranges = (n_items + grain - 1) / grain;
    const auto n_shares = static_cast<int64_t>(shares.size());
    for (int64_t i = 0; i < n_shares; ++i) {
      Share& share = shares[static_cast<size_t>(i)];
      share.next.store(n_ranges * i / n_shares * grain, std::memory_order_relaxed);
      share.end = std::min(n_ranges * (i + 1) / n_shares * grain, n_items);
    }
  }

  bool Enter() {
    uint32_t seen = gate.load(std::memory_order_relaxed);
    while (seen & kOpen) {
      if (gate.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  void Leave() {
    const bool last_and_closed = gate.fetch_sub(1, std::memory_order_release) == 1;
    if (last_and_closed) gate.notify_one();
  }

  void Work(int thread) {
    if (!processors.empty()) UseProcessors({&processors[thread], 1});
    uint32_t seen = 0;
    for (;;) {
      seen = Await(generation, spin_ns, [seen](uint32_t value) { return value != seen; });
      if (stop.load(std::memory_order_relaxed)) return;
      if (!Enter()) continue;
      Drain(thread);
      Leave();
    }
  }

  void WakeWorkers() {
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }

  void Stop() {
    stop.store(true, std::memory_order_relaxed);
    WakeWorkers();
    for (std::thread& worker : workers) worker.join();
  }
};

ThreadPool::ThreadPool(int n_threads) : n_threads_(n_threads), shared_(std::make_unique<Shared>()) {
  WEIR_CHECK(n_threads >= 1);
  shared_->shares = std::vector<Shared::Share>(static_cast<size_t>(n_threads));
  shared_->workers.reserve(n_threads - 1);
  std::vector<int> processors = UsableProcessors();
  const int n_processors = static_cast<int>(processors.size());
  if (n_processors > 0 && n_threads > n_processors) shared_->spin_ns = 0;
  if (n_threads > 1 && n_threads == n_processors) shared_->processors = std::move(processors);
  try {
    for (int thread = 1; thread < n_threads; ++thread) {
      shared_->workers.emplace_back([shared = shared_.get(), thread] { shared->Work(thread); });
    }
  } catch (const std::system_error& error) {
    shared_->Stop();
    throw std::system_error(error.code(), fmt::format("cannot start {} threads", n_threads));
  }
}

ThreadPool::~ThreadPool() { shared_->Stop(); }

ThreadPool::PinCaller::PinCaller(const ThreadPool& pool) {
  if (pool.shared_->processors.empty()) return;
  before_ = UsableProcessors();
  UseProcessors({&pool.shared_->processors[0], 1});
}

ThreadPool::PinCaller::~PinCaller() {
  if (!before_.empty()) UseProcessors(before_);
}

void ThreadPool::Measure() {
  shared_->busy.resize(n_threads_);
  shared_->measured = true;
}

ThreadPool::Times ThreadPool::times() const {
  Times times{shared_->calls_ns, 0};
  for (const Shared::Busy& busy : shared_->busy) times.busy_ns += busy.ns;
  return times;
}

void ThreadPool::Run(int64_t n_items, int64_t grain, void* context, Callback callback) {
  WEIR_CHECK(grain >= 1);
  Shared& shared = *shared_;
  WEIR_CHECK(shared.gate.load(std::memory_order_relaxed) == 0);  // calls do not nest or overlap
  shared.n_items = n_items;
  shared.grain = grain;
  shared.context = context;
  shared.callback = callback;
  shared.Deal();
  if (n_threads_ == 1 || n_items <= grain) {
    shared.DrainRanges(0);
    return;
  }
  const int64_t begin = shared.measured ? NowNs() : 0;
  shared.gate.store(kOpen, std::memory_order_release);
  shared.WakeWorkers();
  shared.Drain(0);
  shared.gate.fetch_and(~kOpen, std::memory_order_relaxed);
  Await(shared.gate, shared.spin_ns, [](uint32_t value) { return value == 0; });
  if (shared.measured) shared.calls_ns += NowNs() - begin;
}

}  // namespace weir
