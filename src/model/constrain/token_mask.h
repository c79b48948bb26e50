// Which tokens may come next, so that a text stays within a grammar.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/constrain/grammar.h"

namespace weir {

class Tokenizer;

/// The tokens that have text, in the order of their bytes. Immutable; one for all constraints of a vocabulary.
class TokenIndex {
 public:
  explicit TokenIndex(const Tokenizer& tokenizer);

  /// One bit per token id, 64 a word: all but those that end an answer.
  std::span<const uint64_t> unending() const { return unending_; }

 private:
  friend class Constraint;
  friend class ConstrainedText;
  const Tokenizer& tokenizer_;
  std::vector<int32_t> ids_;                // by their bytes
  std::array<int32_t, 257> first_byte_{};   // [b, b + 1): the range in ids_ of those that begin with byte b
  std::vector<int32_t> end_of_generation_;  // ids
  std::vector<uint64_t> unending_;
};

/// A grammar with what is the same for all texts and would take long in a step: which tokens stay within those
/// nodes that take almost any byte, such as the inside of a string. Immutable; any number of texts may use one.
class Constraint {
 public:
  Constraint(Grammar grammar, std::shared_ptr<const TokenIndex> tokens);

  const TokenIndex& tokens() const { return *tokens_; }

 private:
  friend class ConstrainedText;
  struct WideNode {
    std::vector<uint64_t> stay;   // a bit per id: tokens that the node's rule takes by itself
    std::vector<int32_t> escape;  // ids by their bytes: it ends within these, what follows decides
  };

  WideNode Examine(Grammar::Node node) const;

  const Grammar grammar_;
  const std::shared_ptr<const TokenIndex> tokens_;
  std::map<Grammar::Node, WideNode> wide_;
};

/// One answer on its way through a constraint.
class ConstrainedText {
 public:
  explicit ConstrainedText(std::shared_ptr<const Constraint> constraint);

  /// One bit per token id, 64 a word: the tokens that may come next; those that end an answer where it is
  /// complete. Valid until the next call.
  std::span<const uint64_t> Allowed();
  /// `id` has come: one of those allowed.
  void Take(int32_t id);
  bool complete() const { return state_.complete; }

 private:
  void Allow(int32_t id) { allowed_[id / 64] |= uint64_t{1} << id % 64; }
  void AllowAmong(std::span<const int32_t> ids, const MatchState& start);

  const std::shared_ptr<const Constraint> constraint_;
  Matcher matcher_;
  MatchState state_;
  std::vector<uint64_t> allowed_;
  std::vector<MatchState> path_;  // scratch: the states along the bytes of a token
};

}  // namespace weir
