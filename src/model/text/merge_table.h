// The merges of a byte-level vocabulary: which pairs of tokens become one, by rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/text/merge_symbols.h"

namespace weir {

class MergeTable {
 public:
  /// Room for `n_merges`, fewer than 2^31.
  explicit MergeTable(size_t n_merges);

  /// The merge of next higher rank: `left` followed by `right` becomes `result`. A pair that is
  /// there already keeps its lower rank.
  void Add(int32_t left, int32_t right, int32_t result);

  /// Negative ones take part in no merge.
  Merge Find(int32_t left, int32_t right) const { return slots_[SlotOf(left, right)].merge; }

 private:
  struct Pair {
    int32_t left;
    int32_t right;
    Merge merge;
  };

  size_t SlotOf(int32_t left, int32_t right) const {
    const uint64_t key =
        static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
    const size_t mask = slots_.size() - 1;
    size_t slot = (key * 0x9E3779B97F4A7C15u >> 32) & mask;
    while (slots_[slot].merge.rank != kNoRank &&
           (slots_[slot].left != left || slots_[slot].right != right)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  std::vector<Pair> slots_;  // open addressing at most half full
  uint32_t n_added_ = 0;
};

}  // namespace weir
