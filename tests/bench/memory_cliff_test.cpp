#include "bench/memory_cliff.h"

#include <gmock/gmock.h>

namespace weir {
namespace {

/// A machine on which `capacity` lives.
MemoryCliff FindWith(int64_t predicted, int64_t capacity, int64_t step, int64_t most) {
  const auto cliff = FindMemoryCliff(predicted, step, most, [&](int64_t size) -> Result<MemoryProbe> {
    EXPECT_EQ(size % step, 0);
    EXPECT_GE(size, step);
    EXPECT_LE(size, most);
    return size <= capacity ? MemoryProbe{10 * size, 11 * size, ""} : MemoryProbe{10 * size, {}, "killed"};
  });
  EXPECT_TRUE(cliff.ok());
  EXPECT_LE(cliff->probes.size(), 24u);
  return *cliff;
}

TEST(LargestThatFits, IsExactAndAsksLittle) {
  for (int64_t limit = 0; limit <= 40; ++limit) {
    int n_asked = 0;
    EXPECT_EQ(LargestThatFits(4, 37, [&](int64_t size) { return ++n_asked, size <= limit; }), std::min<int64_t>(limit / 4 * 4, 36));
    EXPECT_LE(n_asked, 6);
  }
}

TEST(MemoryCliff, IsFoundWherePredictedBelowAndAbove) {
  for (const int64_t capacity : {1, 100, 255, 256, 5000, 65000, 99999, 100352, 110000, 124000}) {
    const MemoryCliff cliff = FindWith(100096, capacity, 256, 1 << 20);
    EXPECT_LE(cliff.best, capacity);
    ASSERT_TRUE(cliff.broken.has_value()) << capacity;
    EXPECT_GT(*cliff.broken, capacity);
    EXPECT_LE(*cliff.broken - cliff.best, std::max<int64_t>(256, cliff.best / 32)) << capacity;
    EXPECT_EQ(cliff.best == 0, capacity < 256);
  }
}

TEST(MemoryCliff, GoesNoFurtherThanAQuarterAboveWhatWasPredicted) {
  const MemoryCliff cliff = FindWith(1000, 1 << 20, 10, 1 << 20);
  EXPECT_EQ(cliff.best, 1250);
  EXPECT_FALSE(cliff.broken.has_value());
  EXPECT_EQ(FindWith(1000, 1 << 20, 10, 1100).best, 1100) << "the model ends there";
  EXPECT_EQ(FindWith(0, 5, 1, 100).best, 1) << "predicted was nothing at all";
}

TEST(MemoryCliff, AnErrorOfTheProbeEndsTheSearch) {
  const auto cliff = FindMemoryCliff(8, 1, 16, [](int64_t) -> Result<MemoryProbe> { return Failed("no processes"); });
  EXPECT_EQ(cliff.error().message, "no processes");
}

}  // namespace
}  // namespace weir
