#include "model/text/merge_table.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <queue>

namespace weir {

namespace {

// Below, scanning all ranks for the least one beats a heap.
constexpr size_t kShort = 48;

}  // namespace

MergeTable::MergeTable(size_t n_merges) : slots_(std::bit_ceil(2 * n_merges + 2)) {
  results_.reserve(n_merges);
}

size_t MergeTable::SlotOf(int32_t left, int32_t right) const {
  const uint64_t key =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  const size_t mask = slots_.size() - 1;
  size_t slot = (key * 0x9E3779B97F4A7C15u >> 32) & mask;
  while (slots_[slot].rank != kNoRank &&
         (slots_[slot].left != left || slots_[slot].right != right)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

void MergeTable::Add(int32_t left, int32_t right, int32_t result) {
  Pair& pair = slots_[SlotOf(left, right)];
  if (pair.rank == kNoRank) pair = {left, right, static_cast<uint32_t>(results_.size())};
  results_.push_back(result);
}

void MergeTable::Apply(std::vector<int32_t>* symbols, size_t first) const {
  const size_t n = symbols->size() - first;
  int32_t* begin = symbols->data() + first;
  symbols->resize(first + (n <= kShort ? MergeShort(begin, n) : MergeLong(begin, n)));
}

size_t MergeTable::MergeShort(int32_t* symbols, size_t n) const {
  if (n < 2) return n;
  uint32_t ranks[kShort];  // of the pair of each symbol and the next
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = Rank(symbols[i], symbols[i + 1]);
  while (n > 1) {
    const size_t i = std::min_element(ranks, ranks + n - 1) - ranks;
    if (ranks[i] == kNoRank) break;
    symbols[i] = results_[ranks[i]];
    std::copy(symbols + i + 2, symbols + n, symbols + i + 1);
    std::copy(ranks + i + 1, ranks + n - 1, ranks + i);
    --n;
    if (i > 0) ranks[i - 1] = Rank(symbols[i - 1], symbols[i]);
    if (i + 1 < n) ranks[i] = Rank(symbols[i], symbols[i + 1]);
  }
  return n;
}

size_t MergeTable::MergeLong(int32_t* symbols, size_t n) const {
  // A list through the symbols that are left, linked by index; the n-th ends it.
  std::vector<uint32_t> next(n), previous(n), ranks(n, kNoRank);
  // Rank above position: the least is the leftmost of the lowest rank. An entry is out of date when
  // ranks[position] has changed.
  using Entry = uint64_t;
  std::vector<Entry> entries;
  entries.reserve(n);
  const auto update = [&](size_t i) {
    ranks[i] = next[i] < n ? Rank(symbols[i], symbols[next[i]]) : kNoRank;
    return ranks[i] != kNoRank;
  };
  const auto entry = [&](size_t i) { return static_cast<Entry>(ranks[i]) << 32 | i; };
  for (size_t i = 0; i < n; ++i) {
    next[i] = static_cast<uint32_t>(i + 1);
    previous[i] = static_cast<uint32_t>(i - 1);
    if (update(i)) entries.push_back(entry(i));
  }

  std::priority_queue queue(std::greater<Entry>(), std::move(entries));
  while (!queue.empty()) {
    const size_t i = queue.top() & UINT32_MAX;
    const uint32_t rank = static_cast<uint32_t>(queue.top() >> 32);
    queue.pop();
    if (ranks[i] != rank) continue;
    symbols[i] = results_[rank];
    const size_t gone = next[i];
    ranks[gone] = kNoRank;
    next[i] = next[gone];
    if (next[i] < n) previous[next[i]] = static_cast<uint32_t>(i);
    if (update(i)) queue.push(entry(i));
    if (i > 0 && update(previous[i])) queue.push(entry(previous[i]));
  }

  size_t n_left = 0;
  for (size_t i = 0; i < n; i = next[i]) symbols[n_left++] = symbols[i];
  return n_left;
}

}  // namespace weir
