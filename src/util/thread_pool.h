// A fixed pool of workers. The caller works too, as thread 0; nothing allocates per call.
//
// With as many threads as there are processors for this process, each worker stays on one of them. The
// scheduler alone was seen to leave two threads, of which one often sleeps for some microseconds, on the
// same processor for seconds while the other one idled. With fewer threads the choice is the scheduler's:
// two programs would pick the same processors (taskset makes the choice). With more, nobody spins.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

namespace weir {

class ThreadPool {
 public:
  /// Starts n_threads - 1 workers (n_threads >= 1). Throws std::system_error if the system refuses.
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int n_threads() const { return n_threads_; }

  /// Keeps the calling thread on the processor that is left to it, while this lives.
  class PinCaller {
   public:
    explicit PinCaller(const ThreadPool& pool);
    ~PinCaller();
    PinCaller(const PinCaller&) = delete;
    PinCaller& operator=(const PinCaller&) = delete;

   private:
    std::vector<int> before_;  // processors that the thread may use; empty: unchanged
  };

  /// What the calls of ParallelFor cost, those left out that one thread runs alone.
  struct Times {
    int64_t calls_ns = 0;  // from begin to end
    int64_t busy_ns = 0;   // inside fn, added up over all threads
  };
  /// Begins to count: two clock reads per thread and call. Between calls only, as times().
  void Measure();
  Times times() const;

  /// Calls fn(begin, end, thread) on disjoint ranges of at most `grain` items that cover [0, n_items)
  /// and returns when all are done. Ranges are handed out as threads become free, so results must not
  /// depend on which thread runs which range. fn must not throw. Calls must not nest.
  template <class Fn>
  void ParallelFor(int64_t n_items, int64_t grain, Fn&& fn) {
    using F = std::remove_reference_t<Fn>;
    Run(n_items, grain, const_cast<void*>(static_cast<const void*>(&fn)),
        [](void* context, int64_t begin, int64_t end, int thread) {
          (*static_cast<F*>(context))(begin, end, thread);
        });
  }

 private:
  struct Shared;
  using Callback = void (*)(void* context, int64_t begin, int64_t end, int thread);
  void Run(int64_t n_items, int64_t grain, void* context, Callback callback);

  int n_threads_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace weir
