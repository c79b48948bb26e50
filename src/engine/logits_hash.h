// A short name for the bits of logits, to show that an answer did not change.
#pragma once

#include <cstdint>
#include <span>

namespace weir {

/// Hash of the hashes of a row's blocks. Four independent chains, because it is computed for every
/// row of every step.
uint64_t HashWords(std::span<const uint64_t> words);

/// The hash of two things in this order.
uint64_t CombineHashes(uint64_t a, uint64_t b);

}  // namespace weir
