#include "engine/logits_hash.h"

#include <bit>
#include <cstring>

namespace weir {
namespace {

constexpr uint64_t kPrime = 0x100000001b3;
constexpr uint64_t kBasis = 0xcbf29ce484222325;

}  // namespace

uint64_t CombineHashes(uint64_t a, uint64_t b) {
  const uint64_t mixed = (std::rotl(a, 29) ^ b) * 0x9e3779b97f4a7c15;
  return mixed ^ (mixed >> 32);
}

uint64_t HashBits(std::span<const float> values) {
  constexpr size_t kChains = 4, kFloats = 2 * kChains;
  uint64_t chain[kChains] = {kBasis, kBasis + 1, kBasis + 2, kBasis + 3};
  size_t i = 0;
  for (; i + kFloats <= values.size(); i += kFloats) {
    uint64_t words[kChains];
    std::memcpy(words, &values[i], sizeof(words));
    // FNV's product carries upwards only; the rotation brings high bits back.
    for (size_t j = 0; j < kChains; ++j) chain[j] = std::rotl((chain[j] ^ words[j]) * kPrime, 23);
  }
  uint64_t hash = values.size();
  for (uint64_t c : chain) hash = CombineHashes(hash, c);
  for (; i < values.size(); ++i) hash = CombineHashes(hash, std::bit_cast<uint32_t>(values[i]));
  return hash;
}

}  // namespace weir
