// What need not be computed again: the beginnings of earlier prompts and answers. Tokens and numbers only; the
// scheduler owns what the numbers stand for.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include "engine/pages.h"

namespace weir {

/// The state of a sequence after `tokens`. Its pages hold the keys and values of their positions (the last page
/// may hold more, of whoever went on from there), the slot the recurrent state.
struct Checkpoint {
  std::vector<int32_t> tokens;
  BlockTable pages;  // of positions [0, tokens.size())
  int32_t slot = -1;
};

/// Checkpoints in the order of their last use. Tokens are compared, not hashes of them: nobody can be served
/// somebody else's state, however a prompt is made up.
class PrefixCache {
 public:
  /// In a model without recurrent state (`any_length`) each beginning of a checkpoint is one too.
  explicit PrefixCache(bool any_length) : any_length_(any_length) {}

  struct Match {
    int64_t n_tokens = 0;  // less than those of the prompt: the last one must be computed for its logits
    const Checkpoint* checkpoint = nullptr;  // valid until the next call of another function
  };
  /// The longest beginning of `prompt` that there is, used just now.
  Match Find(std::span<const int32_t> prompt);

  /// Keeps a checkpoint and returns those that add nothing to it, or itself if it adds nothing.
  std::vector<Checkpoint> Keep(Checkpoint checkpoint);
  /// Forgets the one that was not used for the longest time.
  std::optional<Checkpoint> DropOldest();

  int64_t size() const { return static_cast<int64_t>(checkpoints_.size()); }

 private:
  bool Covers(const Checkpoint& checkpoint, const Checkpoint& other) const;

  const bool any_length_;
  std::list<Checkpoint> checkpoints_;  // the last used first
};

/// The number of tokens at which a and b begin alike.
int64_t CommonPrefix(std::span<const int32_t> a, std::span<const int32_t> b);

}  // namespace weir
