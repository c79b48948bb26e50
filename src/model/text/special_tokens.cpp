#include "model/text/special_tokens.h"

#include <algorithm>
#include <queue>
#include <tuple>

namespace weir {

namespace {

struct ByteAt {
  size_t depth;
  static uint8_t Byte(char c) { return static_cast<uint8_t>(c); }
  bool operator()(const auto& token, char c) const { return Byte(token.first[depth]) < Byte(c); }
  bool operator()(char c, const auto& token) const { return Byte(c) < Byte(token.first[depth]); }
};

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary) {
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.IsSpecial(id) && !vocabulary.Bytes(id).empty()) {
      tokens_.emplace_back(vocabulary.Bytes(id), id);
      first_bytes_.set(static_cast<uint8_t>(vocabulary.Bytes(id)[0]));
    }
  }
  std::sort(tokens_.begin(), tokens_.end());
  const auto same_bytes = [](const auto& a, const auto& b) { return a.first == b.first; };
  tokens_.erase(std::unique(tokens_.begin(), tokens_.end(), same_bytes), tokens_.end());
}

SpecialTokens::Match SpecialTokens::LongestPrefix(std::string_view text, size_t begin) const {
  Match longest{begin, 0, -1};
  auto low = tokens_.begin();
  auto high = tokens_.end();
  for (size_t depth = 0; depth < text.size() && low != high; ++depth) {
    // All of [low, high) begin with text[0, depth) and are longer.
    std::tie(low, high) = std::equal_range(low, high, text[depth], ByteAt{depth});
    if (low != high && low->first.size() == depth + 1) {
      longest = {begin, depth + 1, low->second};
      ++low;
    }
  }
  return longest;
}

std::vector<SpecialTokens::Match> SpecialTokens::FindAll(std::string_view text) const {
  // One candidate per position, the longest one there. When it overlaps a match that came before
  // it, a shorter one at the same position may still fit.
  const auto comes_later = [](const Match& a, const Match& b) {
    return std::tuple(a.length, b.id, b.begin) < std::tuple(b.length, a.id, a.begin);
  };
  std::vector<Match> candidates;
  for (size_t begin = 0; begin < text.size(); ++begin) {
    if (!first_bytes_[static_cast<uint8_t>(text[begin])]) continue;
    const Match match = LongestPrefix(text.substr(begin), begin);
    if (match.length > 0) candidates.push_back(match);
  }
  std::vector<Match> matches;
  if (candidates.empty()) return matches;

  std::priority_queue queue(comes_later, std::move(candidates));
  std::vector<bool> taken(text.size());
  while (!queue.empty()) {
    const Match match = queue.top();
    queue.pop();
    const auto begin = taken.begin() + static_cast<std::ptrdiff_t>(match.begin);
    const auto end = begin + static_cast<std::ptrdiff_t>(match.length);
    const auto fits = std::find(begin, end, true);
    if (fits == end) {
      std::fill(begin, end, true);
      matches.push_back(match);
    } else {
      const Match shorter = LongestPrefix(text.substr(match.begin, fits - begin), match.begin);
      if (shorter.length > 0) queue.push(shorter);
    }
  }
  std::sort(matches.begin(), matches.end(),
            [](const Match& a, const Match& b) { return a.begin < b.begin; });
  return matches;
}

}  // namespace weir
