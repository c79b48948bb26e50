#include "util/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "test_data.h"
#include "util/processors.h"

namespace weir {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, EveryItemIsVisitedOnce) {
  ThreadPool pool(GetParam());
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    const int64_t n_items = static_cast<int64_t>(random() % 200);
    const int64_t grain = 1 + static_cast<int64_t>(random() % 20);
    std::vector<int> visits(n_items, 0);
    std::atomic<int> bad_ranges{0};
    pool.ParallelFor(n_items, grain, [&](int64_t begin, int64_t end, int thread) {
      const bool good = 0 <= begin && begin < end && end <= n_items && end - begin <= grain &&
                        0 <= thread && thread < GetParam();
      if (!good) ++bad_ranges;
      for (int64_t i = begin; i < end; ++i) ++visits[i];
    });
    ASSERT_EQ(bad_ranges, 0) << "seed " << TestSeed() << " round " << round;
    ASSERT_EQ(std::count(visits.begin(), visits.end(), 1), n_items)
        << "seed " << TestSeed() << " round " << round;
  }
}

TEST_P(ThreadPoolTest, ResultsOfManyTinyCallsAreVisibleToTheNext) {
  ThreadPool pool(GetParam());
  std::vector<int64_t> values(7, 0);
  for (int64_t round = 0; round < 5000; ++round) {
    pool.ParallelFor(7, 1, [&](int64_t begin, int64_t, int) {
      if (values[begin] == round) ++values[begin];
    });
  }
  EXPECT_EQ(values, std::vector<int64_t>(7, 5000));
}

TEST_P(ThreadPoolTest, NothingIsCalledForNoItems) {
  ThreadPool pool(GetParam());
  std::atomic<int> calls{0};
  for (int round = 0; round < 100; ++round) {
    pool.ParallelFor(0, 4, [&](int64_t, int64_t, int) { ++calls; });
  }
  EXPECT_EQ(calls, 0);
}

TEST_P(ThreadPoolTest, WorkersThatFellAsleepComeBack) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 10; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int64_t> sum{0};
    pool.ParallelFor(100, 3, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) sum += i;
    });
    ASSERT_EQ(sum, 4950);
  }
}

TEST_P(ThreadPoolTest, AThreadNumberIsNeverUsedTwiceAtOnce) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<int>> busy(GetParam());
  std::atomic<int> clashes{0};
  pool.ParallelFor(2000, 1, [&](int64_t, int64_t, int thread) {
    if (busy[thread].exchange(1) != 0) ++clashes;
    busy[thread] = 0;
  });
  EXPECT_EQ(clashes, 0);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 5, 64));

TEST(ThreadPool, TimesAreCountedOnceAsked) {
  ThreadPool pool(2);
  const auto work = [](int64_t, int64_t, int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  pool.ParallelFor(4, 1, work);
  EXPECT_EQ(pool.times().calls_ns, 0);
  pool.Measure();
  pool.ParallelFor(4, 1, work);
  const ThreadPool::Times times = pool.times();
  EXPECT_GE(times.calls_ns, 2'000'000);
  EXPECT_GE(times.busy_ns, 4'000'000);
  EXPECT_LE(times.busy_ns, 2 * times.calls_ns);
}

TEST(ThreadPool, ThePinnedCallerIsFreeAgainAfterwards) {
  const std::vector<int> before = UsableProcessors();
  ThreadPool pool(std::max<int>(1, static_cast<int>(before.size())));
  {
    const ThreadPool::PinCaller pin(pool);
    if (before.size() > 1) {
      EXPECT_EQ(UsableProcessors(), std::vector<int>{before[0]});
    }
    std::atomic<int64_t> sum{0};
    pool.ParallelFor(100, 3, [&](int64_t begin, int64_t end, int) { sum += end - begin; });
    EXPECT_EQ(sum, 100);
  }
  EXPECT_EQ(UsableProcessors(), before);
}

TEST(ThreadPool, AllThreadsTakePart) {
  ThreadPool pool(3);
  std::atomic<int> arrived{0};
  pool.ParallelFor(3, 1, [&](int64_t, int64_t, int) {
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 3);
}

}  // namespace
}  // namespace weir
