#include "model/constrain/grammar.h"

#include <algorithm>

namespace weir {
namespace {

// Of calls within calls: deeper values are not begun. Readers of JSON have such limits, too.
constexpr int kMaxDepth = 200;

}  // namespace

Grammar::Node Grammar::AddNode() {
  edges_.emplace_back();
  return n_nodes() - 1;
}

void Grammar::AddBytes(Node from, uint8_t first, uint8_t last, Node to) {
  edges_[from].push_back({Kind::kBytes, first, last, 0, to});
}

void Grammar::AddCall(Node from, Node rule, Node to) {
  edges_[from].push_back({Kind::kCall, 0, 0, rule, to});
}

void Grammar::AddEmpty(Node from, Node to) { edges_[from].push_back({Kind::kEmpty, 0, 0, 0, to}); }

void Grammar::AddText(Node from, std::string_view text, Node to) {
  if (text.empty()) return AddEmpty(from, to);
  for (size_t i = 0; i < text.size(); ++i) {
    const Node next = i + 1 == text.size() ? to : AddNode();
    const auto byte = static_cast<uint8_t>(text[i]);
    AddBytes(from, byte, byte, next);
    from = next;
  }
}

int Grammar::Width(Node node) const {
  int width = 0;
  for (const Edge& edge : edges_[node]) {
    if (edge.kind == Kind::kBytes) width += edge.last - edge.first + 1;
  }
  return width;
}

/// For each node: whether its rule can end there without a further byte.
std::vector<bool> Grammar::EndWithoutBytes() const {
  std::vector<bool> ends(edges_.size());
  ends[0] = true;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t node = 1; node < edges_.size(); ++node) {
      if (ends[node]) continue;
      for (const Edge& edge : edges_[node]) {
        if (edge.kind == Kind::kBytes || !ends[edge.to]) continue;
        if (edge.kind == Kind::kCall && !ends[edge.rule]) continue;
        ends[node] = changed = true;
      }
    }
  }
  return ends;
}

bool Grammar::Loops() const {
  const std::vector<bool> ends = EndWithoutBytes();
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(edges_.size(), Mark::kNew);
  std::vector<std::pair<Node, bool>> work;  // a node, and whether all behind it is done
  const auto visit = [&](Node node) { work.push_back({node, false}); };
  for (Node root = 0; root < n_nodes(); ++root) {
    visit(root);
    while (!work.empty()) {
      const auto [node, done] = work.back();
      work.pop_back();
      if (done) {
        marks[node] = Mark::kDone;
        continue;
      }
      if (marks[node] == Mark::kOpen) return true;
      if (marks[node] == Mark::kDone) continue;
      marks[node] = Mark::kOpen;
      work.push_back({node, true});
      for (const Edge& edge : edges_[node]) {
        if (edge.kind == Kind::kCall) visit(edge.rule);
        if (edge.kind == Kind::kEmpty || (edge.kind == Kind::kCall && ends[edge.rule])) visit(edge.to);
      }
    }
  }
  return false;
}

MatchState Matcher::From(Grammar::Node node) {
  MatchState state;
  Begin(state);
  Reach(node, 0);
  Close(state);
  return state;
}

void Matcher::Step(const MatchState& state, uint8_t byte, MatchState& next) {
  Begin(next);
  for (const MatchState::Way& way : state.ways) {
    for (const Grammar::Edge& edge : grammar_.edges_[way.node]) {
      const bool takes_it =
          edge.kind == Grammar::Kind::kBytes && byte >= edge.first && byte <= edge.last;
      if (takes_it) Reach(edge.to, way.stack);
    }
  }
  Close(next);
}

void Matcher::Begin(MatchState& state) {
  state.ways.clear();
  state.complete = false;
  if (!seen_.empty()) seen_.clear();
}

void Matcher::Reach(Grammar::Node node, int32_t stack) {
  const uint64_t key = static_cast<uint64_t>(node) << 32 | static_cast<uint32_t>(stack);
  if (seen_.insert(key).second) reached_.push_back({node, stack});
}

/// Follows calls, empty edges and ends of rules from what was reached.
void Matcher::Close(MatchState& state) {
  while (!reached_.empty()) {
    const auto [node, stack] = reached_.back();
    reached_.pop_back();
    if (node == grammar_.End()) {
      const Cell below = cells_[stack];
      if (below.below < 0) {
        state.complete = true;
      } else {
        Reach(below.node, below.below);
      }
      continue;
    }
    bool takes_bytes = false;
    for (const Grammar::Edge& edge : grammar_.edges_[node]) {
      if (edge.kind == Grammar::Kind::kBytes) {
        takes_bytes = true;
      } else if (edge.kind == Grammar::Kind::kEmpty) {
        Reach(edge.to, stack);
      } else if (edge.to == grammar_.End()) {  // nothing to come back for
        Reach(edge.rule, stack);
      } else if (cells_[stack].depth < kMaxDepth) {
        Reach(edge.rule, Push(edge.to, stack));
      }
    }
    if (takes_bytes) state.ways.push_back({node, stack});
  }
  std::sort(state.ways.begin(), state.ways.end());
}

int32_t Matcher::Push(Grammar::Node node, int32_t stack) {
  const auto [at, is_new] = known_.try_emplace({node, stack}, static_cast<int32_t>(cells_.size()));
  if (is_new) cells_.push_back({node, stack, cells_[stack].depth + 1});
  return at->second;
}

}  // namespace weir
