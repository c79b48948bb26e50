// Byte-pair encoding of one piece: merge the adjacent pair of lowest rank, the leftmost of equals,
// until no pair can be merged (spec 9.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir {

class MergeTable {
 public:
  /// Room for `n_merges`, fewer than 2^31.
  explicit MergeTable(size_t n_merges);

  /// The merge of next higher rank: `left` followed by `right` becomes `result`. A pair that is
  /// there already keeps its lower rank.
  void Add(int32_t left, int32_t right, int32_t result);

  /// Merges the symbols from `first` on, fewer than 2^31, in place. Negative ones take part in no
  /// merge. Time n log n, whatever the symbols.
  void Apply(std::vector<int32_t>* symbols, size_t first) const;

 private:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  struct Pair {
    int32_t left;
    int32_t right;
    uint32_t rank = kNoRank;
  };

  size_t SlotOf(int32_t left, int32_t right) const;
  uint32_t Rank(int32_t left, int32_t right) const { return slots_[SlotOf(left, right)].rank; }
  size_t MergeShort(int32_t* symbols, size_t n) const;
  size_t MergeLong(int32_t* symbols, size_t n) const;

  std::vector<Pair> slots_;       // open addressing at most half full
  std::vector<int32_t> results_;  // [n_merges], by rank
};

}  // namespace weir
