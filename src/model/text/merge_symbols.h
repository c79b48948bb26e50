// Merging the symbols of one piece, for every vocabulary that is built of merges: always the
// adjacent pair of lowest rank, the leftmost of equals, until no pair can be merged
// (spec 9.3, 9.7).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/text/rank_queue.h"

namespace weir {

inline constexpr uint32_t kNoRank = UINT32_MAX;

/// What two adjacent symbols become, and how early; kNoRank if they stay two.
struct Merge {
  uint32_t rank = kNoRank;
  int32_t result = -1;
};

namespace merge_symbols {

// Below, scanning all ranks for the least one beats a queue.
inline constexpr size_t kShort = 48;

template <class Find>
size_t MergeShort(const Find& find, int32_t* symbols, size_t n) {
  if (n < 2) return n;
  // Of the pair of each symbol and the next.
  uint32_t ranks[kShort];
  int32_t results[kShort];
  const auto update = [&](size_t i) {
    const Merge merge = find(symbols[i], symbols[i + 1]);
    ranks[i] = merge.rank;
    results[i] = merge.result;
  };
  for (size_t i = 0; i + 1 < n; ++i) update(i);
  while (n > 1) {
    const size_t i = std::min_element(ranks, ranks + n - 1) - ranks;
    if (ranks[i] == kNoRank) break;
    symbols[i] = results[i];
    std::copy(symbols + i + 2, symbols + n, symbols + i + 1);
    std::copy(ranks + i + 1, ranks + n - 1, ranks + i);
    std::copy(results + i + 1, results + n - 1, results + i);
    --n;
    if (i > 0) update(i - 1);
    if (i + 1 < n) update(i);
  }
  return n;
}

template <class Find>
size_t MergeLong(const Find& find, int32_t* symbols, size_t n) {
  // A list through the symbols that are left, linked by index; the n-th ends it.
  struct Node {
    int32_t symbol;
    uint32_t next, previous;
    Merge merge;  // with the next one
  };
  std::vector<Node> nodes(n);
  const auto update = [&](size_t i) {
    Node& node = nodes[i];
    node.merge = node.next < n ? find(node.symbol, nodes[node.next].symbol) : Merge();
    return node.merge.rank != kNoRank;
  };
  for (size_t i = 0; i < n; ++i) {
    nodes[i] = {symbols[i], static_cast<uint32_t>(i + 1), static_cast<uint32_t>(i - 1), {}};
  }
  // An entry is out of date when the node's rank has changed.
  RankQueue queue;
  const auto push = [&](size_t i) {
    if (update(i)) queue.Push(nodes[i].merge.rank, static_cast<uint32_t>(i));
  };
  for (size_t i = 0; i < n; ++i) push(i);

  for (RankQueue::Entry entry; queue.Pop(&entry);) {
    __builtin_prefetch(&nodes[queue.Ahead()]);
    Node& node = nodes[entry.position];
    if (node.merge.rank != entry.rank) continue;
    node.symbol = node.merge.result;
    Node& gone = nodes[node.next];
    gone.merge.rank = kNoRank;
    node.next = gone.next;
    if (node.next < n) nodes[node.next].previous = entry.position;
    push(entry.position);
    if (entry.position > 0) push(node.previous);
  }

  size_t n_left = 0;
  for (size_t i = 0; i < n; i = nodes[i].next) symbols[n_left++] = nodes[i].symbol;
  return n_left;
}

}  // namespace merge_symbols

/// Merges the symbols from `first` on, fewer than 2^31, in place; find(left, right) is their Merge.
/// Time n log n, whatever the symbols.
template <class Find>
void MergeSymbols(const Find& find, std::vector<int32_t>* symbols, size_t first) {
  const size_t n = symbols->size() - first;
  int32_t* begin = symbols->data() + first;
  symbols->resize(first + (n <= merge_symbols::kShort ? merge_symbols::MergeShort(find, begin, n)
                                                      : merge_symbols::MergeLong(find, begin, n)));
}

}  // namespace weir
