// Languages of bytes as recursive transition networks: what an answer must look like, when it must be JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace weir {

/// Nodes with edges that take a byte, take what another rule takes, or take nothing. A rule is the node at which
/// it begins; it ends at nodes that return.
class Grammar {
 public:
  using Node = int32_t;

  Node AddNode();
  /// A node that returns, for all rules.
  Node End() const { return 0; }
  void AddBytes(Node from, uint8_t first, uint8_t last, Node to);  // [first, last]
  void AddCall(Node from, Node rule, Node to);
  void AddEmpty(Node from, Node to);
  /// The bytes of `text`, one after the other.
  void AddText(Node from, std::string_view text, Node to);

  Node start() const { return start_; }
  void set_start(Node start) { start_ = start; }
  int32_t n_nodes() const { return static_cast<int32_t>(edges_.size()); }
  /// The number of bytes that a node takes by itself.
  int Width(Node node) const;
  /// Whether a node can be reached from itself without a byte: such a grammar cannot be matched.
  bool Loops() const;

 private:
  friend class Matcher;
  enum class Kind : uint8_t { kBytes, kCall, kEmpty };
  struct Edge {
    Kind kind;
    uint8_t first, last;
    Node rule, to;
  };

  std::vector<bool> EndWithoutBytes() const;

  std::vector<std::vector<Edge>> edges_{{}};  // of each node; node 0 has none
  Node start_ = 0;
};

/// Where the matching of a text stands: the ways in which what was read so far can be the beginning of a text of
/// the language. None: it cannot be.
struct MatchState {
  struct Way {
    Grammar::Node node;  // takes a byte
    int32_t stack;       // what follows its rule
    auto operator<=>(const Way&) const = default;
  };
  std::vector<Way> ways;  // ascending
  bool complete = false;  // what was read is a text of the language

  bool dead() const { return ways.empty() && !complete; }
};

/// Steps through a grammar that does not loop, must outlive it and not change. One per text.
class Matcher {
 public:
  explicit Matcher(const Grammar& grammar) : grammar_(grammar) {}

  MatchState Start() { return From(grammar_.start()); }
  /// The state in which a rule begins that nothing is known to follow: `complete` where it can end.
  MatchState From(Grammar::Node node);
  /// The state after one more byte, into `next`.
  void Step(const MatchState& state, uint8_t byte, MatchState& next);

 private:
  struct Cell {
    Grammar::Node node;  // where it goes on
    int32_t below;
    int depth;
  };

  void Begin(MatchState& state);
  void Reach(Grammar::Node node, int32_t stack);
  void Close(MatchState& state);
  int32_t Push(Grammar::Node node, int32_t stack);

  const Grammar& grammar_;
  std::vector<Cell> cells_{{0, -1, 0}};  // cell 0 is the bottom
  std::map<std::pair<Grammar::Node, int32_t>, int32_t> known_;
  std::vector<MatchState::Way> reached_;  // and not yet followed further
  std::unordered_set<uint64_t> seen_;     // of the state that is being made
};

}  // namespace weir
