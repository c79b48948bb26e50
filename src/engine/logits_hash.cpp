#include "engine/logits_hash.h"

#include <bit>

namespace weir {
namespace {

constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15, kOdd2 = 0xbf58476d1ce4e5b9;

// Both products are needed: with one, the flipped top bit of a word comes out of the rotation as a
// single bit, and a flip of that bit in the next word looks the same.
uint64_t Round(uint64_t chain, uint64_t word) {
  return std::rotl(chain + word * kOdd1, 31) * kOdd2;
}

}  // namespace

uint64_t CombineHashes(uint64_t a, uint64_t b) {
  const uint64_t mixed = Round(a, b);
  return mixed ^ (mixed >> 32);
}

uint64_t HashWords(std::span<const uint64_t> words) {
  constexpr size_t kChains = 4;
  uint64_t chain[kChains] = {1, 2, 3, 4};
  for (size_t i = 0; i < words.size(); ++i) {
    chain[i % kChains] = Round(chain[i % kChains], words[i]);
  }
  uint64_t hash = words.size();
  for (uint64_t c : chain) hash = CombineHashes(hash, c);
  return hash;
}

}  // namespace weir
