#include "engine/prefix_cache.h"

#include <algorithm>

namespace weir {

int64_t CommonPrefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

PrefixCache::Match PrefixCache::Find(std::span<const int32_t> prompt) {
  const std::span<const int32_t> usable = prompt.first(prompt.size() - 1);
  auto best = checkpoints_.end();
  int64_t n_best = 0;
  for (auto at = checkpoints_.begin(); at != checkpoints_.end(); ++at) {
    const int64_t n_common = CommonPrefix(at->tokens, usable);
    const bool whole = n_common == static_cast<int64_t>(at->tokens.size());
    if (n_common > n_best && (whole || any_length_)) {
      best = at;
      n_best = n_common;
    }
  }
  if (best == checkpoints_.end()) return {};
  checkpoints_.splice(checkpoints_.begin(), checkpoints_, best);
  return {n_best, &*best};
}

/// Whether whatever `other` is good for, `checkpoint` is too.
bool PrefixCache::Covers(const Checkpoint& checkpoint, const Checkpoint& other) const {
  return CommonPrefix(checkpoint.tokens, other.tokens) == static_cast<int64_t>(other.tokens.size()) &&
         (any_length_ || checkpoint.tokens.size() == other.tokens.size());
}

std::vector<Checkpoint> PrefixCache::Keep(Checkpoint checkpoint) {
  std::vector<Checkpoint> dropped;
  for (auto at = checkpoints_.begin(); at != checkpoints_.end();) {
    if (Covers(*at, checkpoint)) {
      checkpoints_.splice(checkpoints_.begin(), checkpoints_, at);
      dropped.push_back(std::move(checkpoint));
      return dropped;
    }
    if (Covers(checkpoint, *at)) {
      dropped.push_back(std::move(*at));
      at = checkpoints_.erase(at);
    } else {
      ++at;
    }
  }
  checkpoints_.push_front(std::move(checkpoint));
  return dropped;
}

std::optional<Checkpoint> PrefixCache::DropOldest() {
  if (checkpoints_.empty()) return std::nullopt;
  Checkpoint oldest = std::move(checkpoints_.back());
  checkpoints_.pop_back();
  return oldest;
}

}  // namespace weir
