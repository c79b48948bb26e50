#include "engine/logits_hash.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "test_data.h"

namespace weir {
namespace {

TEST(LogitsHash, EveryBitOfEveryWordCounts) {
  std::mt19937_64 random(TestSeed());
  std::vector<uint64_t> words(37);
  for (uint64_t& word : words) word = random();
  std::set<uint64_t> hashes = {HashWords(words)};
  EXPECT_EQ(HashWords(words), *hashes.begin());
  for (uint64_t& word : words) {
    for (int bit = 0; bit < 64; ++bit) {
      word ^= uint64_t{1} << bit;
      EXPECT_TRUE(hashes.insert(HashWords(words)).second);
      word ^= uint64_t{1} << bit;
    }
  }
  std::swap(words[3], words[11]);  // the same place in the same chain
  EXPECT_TRUE(hashes.insert(HashWords(words)).second);
  words.pop_back();
  EXPECT_TRUE(hashes.insert(HashWords(words)).second);
}

TEST(LogitsHash, OrderCounts) {
  EXPECT_NE(CombineHashes(1, 2), CombineHashes(2, 1));
  EXPECT_NE(CombineHashes(0, 0), CombineHashes(0, 1));
}

}  // namespace
}  // namespace weir
