#include "engine/logits_hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <set>
#include <vector>

#include "test_data.h"

namespace weir {
namespace {

TEST(LogitsHash, EveryBitOfEveryValueCounts) {
  std::mt19937 random(static_cast<uint32_t>(TestSeed()));
  std::vector<float> values(37);
  for (float& value : values) value = std::bit_cast<float>(static_cast<uint32_t>(random()));
  std::set<uint64_t> hashes = {HashBits(values)};
  EXPECT_EQ(HashBits(values), *hashes.begin());
  for (float& value : values) {
    for (int bit = 0; bit < 32; ++bit) {
      const float original = value;
      value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^ (1u << bit));
      EXPECT_TRUE(hashes.insert(HashBits(values)).second);
      value = original;
    }
  }
  std::swap(values[3], values[11]);  // the same place in the same chain
  EXPECT_TRUE(hashes.insert(HashBits(values)).second);
  values.pop_back();
  EXPECT_TRUE(hashes.insert(HashBits(values)).second);
}

TEST(LogitsHash, OrderCounts) {
  EXPECT_NE(CombineHashes(1, 2), CombineHashes(2, 1));
  EXPECT_NE(CombineHashes(0, 0), CombineHashes(0, 1));
}

}  // namespace
}  // namespace weir
