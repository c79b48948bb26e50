// A short name for the bits of logits, to show that an answer did not change.
#pragma once

#include <cstdint>
#include <span>

namespace weir {

/// Hash of the bits of `values`. Four independent chains over 64-bit words, because it is computed
/// for every row of every step and must cost little beside reading the row.
uint64_t HashBits(std::span<const float> values);

/// The hash of two things in this order.
uint64_t CombineHashes(uint64_t a, uint64_t b);

}  // namespace weir
