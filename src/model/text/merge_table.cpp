#include "model/text/merge_table.h"

#include <bit>

namespace weir {

MergeTable::MergeTable(size_t n_merges) : slots_(std::bit_ceil(2 * n_merges + 2)) {}

void MergeTable::Add(int32_t left, int32_t right, int32_t result) {
  Pair& pair = slots_[SlotOf(left, right)];
  if (pair.merge.rank == kNoRank) pair = {left, right, {n_added_, result}};
  ++n_added_;
}

}  // namespace weir
