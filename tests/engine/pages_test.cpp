#include "engine/pages.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "test_data.h"

namespace weir {
namespace {

TEST(PagePool, TakesAllOrNothing) {
  PagePool pool(3);
  BlockTable a, b;
  EXPECT_TRUE(pool.Take(2, a));
  EXPECT_FALSE(pool.Take(2, b));
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(pool.n_free(), 1);
  EXPECT_TRUE(pool.Take(1, a));
  EXPECT_EQ(std::set<int32_t>(a.begin(), a.end()), (std::set<int32_t>{0, 1, 2}));
  pool.Return(a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(pool.n_free(), 3);
}

TEST(PagePool, ASharedPageIsFreeWhenItsLastHolderReturnsIt) {
  PagePool pool(3);
  BlockTable a, b;
  ASSERT_TRUE(pool.Take(2, a));
  pool.Share(std::span(a).first(1), b);
  EXPECT_EQ(b[0], a[0]);
  EXPECT_EQ(pool.n_free(), 1);
  pool.Return(a);
  EXPECT_EQ(pool.n_free(), 2);
  pool.Return(b);
  EXPECT_EQ(pool.n_free(), 3);
}

TEST(PagePoolDeathTest, APageReturnedTwiceIsABug) {
  PagePool pool(2);
  BlockTable a;
  ASSERT_TRUE(pool.Take(1, a));
  BlockTable copy = a;
  pool.Return(a);
  EXPECT_DEATH(pool.Return(copy), "users_");
}

TEST(PagePool, KnowsWhatIsOnlyKept) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 100; ++round) {
    const int64_t n_pages = 1 + random() % 30;
    PagePool pool(n_pages);
    std::vector<BlockTable> used(4), kept(4);
    for (int step = 0; step < 200; ++step) {
      BlockTable& user = used[random() % 4];
      BlockTable& keeper = kept[random() % 4];
      switch (random() % 5) {
        case 0: pool.Take(random() % 6, user); break;
        case 1: pool.Return(user); break;
        case 2: if (keeper.empty()) pool.Keep(user, keeper); break;
        case 3: pool.Drop(keeper); break;
        case 4: if (user.empty()) pool.Share(keeper, user); break;
      }
      std::set<int32_t> in_use, only_kept;
      for (const BlockTable& table : used) in_use.insert(table.begin(), table.end());
      for (const BlockTable& table : kept) {
        for (int32_t page : table) {
          if (!in_use.contains(page)) only_kept.insert(page);
        }
      }
      ASSERT_EQ(pool.n_kept(), static_cast<int64_t>(only_kept.size())) << "seed " << TestSeed();
      ASSERT_EQ(pool.n_free() + pool.n_kept() + static_cast<int64_t>(in_use.size()), n_pages);
    }
  }
}

TEST(PagePool, EveryPageIsFreeOrInOneTable) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 100; ++round) {
    const int64_t n_pages = 1 + random() % 50;
    PagePool pool(n_pages);
    std::vector<BlockTable> tables(1 + random() % 8);
    for (int step = 0; step < 200; ++step) {
      BlockTable& table = tables[random() % tables.size()];
      const BlockTable before = table;
      if (random() % 3 == 0) {
        pool.Return(table);
      } else {
        const int64_t n = random() % 12, n_free = pool.n_free();
        ASSERT_EQ(pool.Take(n, table), n <= n_free) << "seed " << TestSeed();
        ASSERT_TRUE(std::equal(before.begin(), before.end(), table.begin()));  // only appended to
      }
      std::set<int32_t> held;
      int64_t n_held = 0;
      for (const BlockTable& t : tables) {
        held.insert(t.begin(), t.end());
        n_held += t.size();
      }
      ASSERT_EQ(held.size(), static_cast<size_t>(n_held)) << "seed " << TestSeed();
      ASSERT_EQ(n_held + pool.n_free(), n_pages) << "seed " << TestSeed();
      ASSERT_TRUE(held.empty() || (*held.begin() >= 0 && *held.rbegin() < n_pages));
    }
  }
}

}  // namespace
}  // namespace weir
