// A priority queue of positions by rank, for merging long pieces: the least rank first, and of it
// the least position.
//
// One bucket per rank instead of a heap of all entries. In a piece of ten million symbols nearly
// every step of a heap misses the caches, while the positions of a rank are read from the left to
// the right, so that what comes next can be fetched ahead. Merges that were learnt in order of rank
// never add to a rank that has been begun; that they may, costs a small heap per bucket.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weir {

class RankQueue {
 public:
  struct Entry {
    uint32_t rank;
    uint32_t position;
  };

  void Push(uint32_t rank, uint32_t position) {
    if (buckets_.empty() || buckets_[last_].rank != rank) last_ = IndexOf(rank);
    Bucket& bucket = buckets_[last_];
    if (bucket.begun) {
      bucket.late.push(position);
    } else {
      bucket.run.push_back(position);
    }
    if (!std::exchange(bucket.queued, true)) queue_.push({rank, last_});
  }

  /// False if there is none.
  bool Pop(Entry* entry) {
    while (!queue_.empty()) {
      Bucket& bucket = buckets_[queue_.top().second];
      if (!std::exchange(bucket.begun, true) && !std::ranges::is_sorted(bucket.run)) {
        std::ranges::sort(bucket.run);
      }
      const bool has_run = bucket.front < bucket.run.size();
      if (!has_run && bucket.late.empty()) {
        queue_.pop();
        bucket.queued = bucket.begun = false;
        bucket.run = {};
        bucket.front = 0;
        continue;
      }
      entry->rank = bucket.rank;
      if (has_run && (bucket.late.empty() || bucket.run[bucket.front] <= bucket.late.top())) {
        entry->position = bucket.run[bucket.front++];
      } else {
        entry->position = bucket.late.top();
        bucket.late.pop();
      }
      return true;
    }
    return false;
  }

  /// A position that is about to come, most likely.
  uint32_t Ahead() const {
    constexpr size_t kAhead = 12;
    if (queue_.empty()) return 0;
    const Bucket& bucket = buckets_[queue_.top().second];
    return bucket.run.empty() ? 0
                              : bucket.run[std::min(bucket.front + kAhead, bucket.run.size() - 1)];
  }

 private:
  struct Bucket {
    uint32_t rank;
    bool queued = false;  // in queue_
    bool begun = false;   // run is sorted and being read from `front`; what is new goes to `late`
    size_t front = 0;
    std::vector<uint32_t> run = {};
    std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> late = {};
  };

  size_t IndexOf(uint32_t rank) {
    const auto [entry, is_new] = index_.try_emplace(rank, buckets_.size());
    if (is_new) buckets_.push_back({.rank = rank});
    return entry->second;
  }

  std::vector<Bucket> buckets_;
  std::unordered_map<uint32_t, size_t> index_;  // of a rank's bucket
  using Queued = std::pair<uint32_t, size_t>;   // rank, bucket
  std::priority_queue<Queued, std::vector<Queued>, std::greater<>> queue_;
  size_t last_ = 0;  // the bucket of the last Push
};

}  // namespace weir
