// Finds the tokens that stand verbatim in a text: control and user-defined ones.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/vocabulary.h"

namespace weir {

class SpecialTokens {
 public:
  struct Match {
    size_t begin;
    size_t length;
    int32_t id;
  };

  /// Of tokens with the same bytes, the lowest id counts. Empty ones are left out.
  explicit SpecialTokens(const Vocabulary& vocabulary);

  /// The matches in `text`, in its order, disjoint. The longest token in the text is matched first,
  /// each time it occurs, from the left; then the next longest one in what is left over, and so on;
  /// tokens of equal length in the order of their ids.
  std::vector<Match> FindAll(std::string_view text) const;

 private:
  /// The longest token that `text` begins with, at `begin`; its length is 0 if there is none.
  Match LongestPrefix(std::string_view text, size_t begin) const;

  // Sorted by bytes, so that the tokens with a common prefix are a range: a trie without its nodes.
  std::vector<std::pair<std::string, int32_t>> tokens_;
  std::bitset<256> first_bytes_;  // of the tokens
};

}  // namespace weir
