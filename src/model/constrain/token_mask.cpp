#include "model/constrain/token_mask.h"

#include <algorithm>

#include "model/text/tokenizer.h"

namespace weir {
namespace {

// Nodes that take at least so many bytes are examined beforehand. Others let few tokens through, and the
// bytes of those are quickly stepped through.
constexpr int kWide = 64;

/// Steps through tokens sorted by their bytes, each as far as its bytes lead from `start`, those that it shares
/// with its predecessor only once. visit(id, state, n_read, n_bytes): the state after the last byte that was
/// read; all were if n_read == n_bytes.
template <class Visit>
void StepThrough(const Tokenizer& tokenizer, std::span<const int32_t> ids, const MatchState& start,
                 Matcher& matcher, std::vector<MatchState>& path, Visit visit) {
  if (path.empty()) path.resize(1);
  path[0] = start;
  size_t n_alive = 0;  // path[n_alive] is the last state that is not dead,
  bool died = false;   // and the byte after it was tried
  std::string_view before;
  for (int32_t id : ids) {
    const std::string_view bytes = tokenizer.Piece(id);
    const size_t n_common =
        std::mismatch(before.begin(), before.end(), bytes.begin(), bytes.end()).first - before.begin();
    before = bytes;
    if (!died || n_common <= n_alive) {
      n_alive = std::min(n_alive, n_common);
      died = false;
    }
    while (!died && n_alive < bytes.size()) {
      if (path.size() < n_alive + 2) path.resize(n_alive + 2);
      matcher.Step(path[n_alive], static_cast<uint8_t>(bytes[n_alive]), path[n_alive + 1]);
      died = path[n_alive + 1].dead();
      n_alive += !died;
    }
    visit(id, path[n_alive], n_alive, bytes.size());
  }
}

}  // namespace

TokenIndex::TokenIndex(const Tokenizer& tokenizer) : tokenizer_(tokenizer), unending_((tokenizer.n_tokens() + 63) / 64) {
  for (int32_t id = 0; id < tokenizer.n_tokens(); ++id) {
    if (tokenizer.IsEndOfGeneration(id)) {
      end_of_generation_.push_back(id);
    } else {
      unending_[id / 64] |= uint64_t{1} << id % 64;
    }
    if (!tokenizer.IsControl(id) && !tokenizer.Piece(id).empty()) ids_.push_back(id);
  }
  const auto by_bytes = [&tokenizer](int32_t a, int32_t b) {
    return tokenizer.Piece(a) < tokenizer.Piece(b);
  };
  std::sort(ids_.begin(), ids_.end(), by_bytes);
  for (int32_t id : ids_) ++first_byte_[static_cast<uint8_t>(tokenizer.Piece(id)[0]) + 1];
  for (size_t b = 0; b < 256; ++b) first_byte_[b + 1] += first_byte_[b];
}

Constraint::Constraint(Grammar grammar, std::shared_ptr<const TokenIndex> tokens)
    : grammar_(std::move(grammar)), tokens_(std::move(tokens)) {
  for (Grammar::Node node = 0; node < grammar_.n_nodes(); ++node) {
    if (grammar_.Width(node) >= kWide) wide_.emplace(node, Examine(node));
  }
}

Constraint::WideNode Constraint::Examine(Grammar::Node node) const {
  WideNode result;
  result.stay.resize((tokens_->tokenizer_.n_tokens() + 63) / 64);
  Matcher matcher(grammar_);
  std::vector<MatchState> path;
  // The states along a token that could end the rule: of those tokens the rest is somebody else's.
  StepThrough(tokens_->tokenizer_, tokens_->ids_, matcher.From(node), matcher, path,
              [&](int32_t id, const MatchState&, size_t n_read, size_t n_bytes) {
                if (n_read == n_bytes) {
                  result.stay[id / 64] |= uint64_t{1} << id % 64;
                  return;
                }
                const auto ends = [](const MatchState& state) { return state.complete; };
                if (std::any_of(path.begin() + 1, path.begin() + 1 + n_read, ends)) {
                  result.escape.push_back(id);
                }
              });
  return result;
}

ConstrainedText::ConstrainedText(std::shared_ptr<const Constraint> constraint)
    : constraint_(std::move(constraint)),
      matcher_(constraint_->grammar_),
      state_(matcher_.Start()),
      allowed_((constraint_->tokens_->tokenizer_.n_tokens() + 63) / 64) {}

std::span<const uint64_t> ConstrainedText::Allowed() {
  std::fill(allowed_.begin(), allowed_.end(), 0);
  const TokenIndex& tokens = *constraint_->tokens_;
  if (state_.complete) {
    for (int32_t id : tokens.end_of_generation_) Allow(id);
  }
  MatchState narrow;
  for (const MatchState::Way& way : state_.ways) {
    const auto wide = constraint_->wide_.find(way.node);
    if (wide == constraint_->wide_.end()) {
      narrow.ways.push_back(way);
      continue;
    }
    for (size_t i = 0; i < allowed_.size(); ++i) allowed_[i] |= wide->second.stay[i];
    AllowAmong(wide->second.escape, {{way}, false});
  }
  MatchState next;
  for (int byte = 0; byte < 256 && !narrow.ways.empty(); ++byte) {
    matcher_.Step(narrow, static_cast<uint8_t>(byte), next);
    const int32_t begin = tokens.first_byte_[byte], end = tokens.first_byte_[byte + 1];
    if (!next.dead()) AllowAmong(std::span(tokens.ids_).subspan(begin, end - begin), narrow);
  }
  return allowed_;
}

void ConstrainedText::AllowAmong(std::span<const int32_t> ids, const MatchState& start) {
  StepThrough(constraint_->tokens_->tokenizer_, ids, start, matcher_, path_,
              [this](int32_t id, const MatchState&, size_t n_read, size_t n_bytes) {
                if (n_read == n_bytes) Allow(id);
              });
}

void ConstrainedText::Take(int32_t id) {
  MatchState next;
  for (char byte : constraint_->tokens_->tokenizer_.Piece(id)) {
    matcher_.Step(state_, static_cast<uint8_t>(byte), next);
    std::swap(state_, next);
  }
}

}  // namespace weir
