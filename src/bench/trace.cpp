#include "bench/trace.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace weir {
namespace {

constexpr int64_t kMostTokens = 1 << 24;
constexpr int64_t kMooncakeBlock = 512;

std::optional<double> Number(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const double value = found->get<double>();
  return value >= 0 && value < 1e12 ? std::optional(value) : std::nullopt;
}

int64_t Whole(const nlohmann::json& object, const char* name) {
  return static_cast<int64_t>(Number(object, name).value_or(0));
}

/// False if there is a list of blocks that is none. The last block of Mooncake's is not always whole: what is beyond
/// the prompt is cut.
bool ReadBlocks(const nlohmann::json& object, TracedRequest& traced) {
  const bool mooncake = !object.contains("blocks");
  const auto blocks = object.find(mooncake ? "hash_ids" : "blocks");
  if (blocks == object.end()) return true;
  traced.block_tokens = mooncake ? kMooncakeBlock : Whole(object, "block_tokens");
  if (!blocks->is_array() || traced.block_tokens < 1 || traced.block_tokens > kMostTokens) return false;
  const auto most = static_cast<size_t>(traced.prompt_tokens / traced.block_tokens);
  for (size_t i = 0; i < std::min(most, blocks->size()); ++i) {
    if (!(*blocks)[i].is_number_integer()) return false;
    traced.blocks.push_back((*blocks)[i].get<int64_t>());
  }
  return true;
}

std::optional<TracedRequest> ReadTraced(const nlohmann::json& object) {
  std::optional<double> at_s = Number(object, "at_s");
  if (const auto ms = Number(object, "timestamp"); !at_s && ms) at_s = *ms / 1000;
  const auto tokens = [&](const char* name, const char* other) {
    const std::optional<double> value = Number(object, name);
    return value ? value : Number(object, other);
  };
  const auto prompt = tokens("prompt_tokens", "input_length");
  const auto answer = tokens("gen_tokens", "output_length");
  if (!at_s || !prompt || !answer || *prompt < 1 || *answer < 1) return std::nullopt;
  if (*prompt > kMostTokens || *answer > kMostTokens) return std::nullopt;
  TracedRequest traced{*at_s, static_cast<int64_t>(*prompt), static_cast<int64_t>(*answer),
                       Whole(object, "shared_tokens"), Whole(object, "group")};
  return ReadBlocks(object, traced) ? std::optional(traced) : std::nullopt;
}

/// Numbers from 0, in order of appearance: what a block was called does not matter, and prompts that are made of them
/// are the same wherever the trace was recorded.
void NumberBlocks(std::vector<TracedRequest>& trace) {
  std::map<std::pair<int64_t, int64_t>, int64_t> numbers;
  for (TracedRequest& traced : trace) {
    for (int64_t& block : traced.blocks) {
      block = numbers.try_emplace({traced.block_tokens, block}, static_cast<int64_t>(numbers.size())).first->second;
    }
  }
}

/// A request goes on with the conversation of the latest one of whose prompt it has all blocks, or all but the last,
/// where the template may have opened an answer, and is longer than that. Short prompts prove nothing: everybody's may
/// begin so.
void FindConversations(std::vector<TracedRequest>& trace) {
  std::map<int64_t, size_t> by_block;  // the last two blocks of each request; a number stands for all before it too
  int64_t n_conversations = 0;
  for (size_t i = 0; i < trace.size(); ++i) {
    TracedRequest& traced = trace[i];
    traced.conversation = -1;
    for (size_t b = traced.blocks.size(); b-- > 0 && traced.conversation < 0;) {
      const auto found = by_block.find(traced.blocks[b]);
      if (found == by_block.end() || trace[found->second].prompt_tokens >= traced.prompt_tokens) continue;
      traced.conversation = trace[found->second].conversation;
      traced.turn = trace[found->second].turn + 1;
    }
    if (traced.conversation < 0) traced.conversation = n_conversations++;
    if (traced.blocks.size() < 3) continue;
    for (size_t b = traced.blocks.size() - 2; b < traced.blocks.size(); ++b) by_block[traced.blocks[b]] = i;
  }
}

}  // namespace

Result<std::vector<TracedRequest>> ParseTrace(std::string_view text, const std::string& name) {
  std::vector<TracedRequest> trace;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view json = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (json.find_first_not_of(" \t\r") == json.npos) continue;
    const auto object = nlohmann::json::parse(json, nullptr, false);
    const auto traced = object.is_object() ? ReadTraced(object) : std::nullopt;
    if (!traced) {
      return BadInput("{}:{}: expected a JSON object with at_s, prompt_tokens and gen_tokens", name, line);
    }
    trace.push_back(*traced);
  }
  if (trace.empty()) return BadInput("{}: expected at least one request", name);
  std::stable_sort(trace.begin(), trace.end(), [](const auto& a, const auto& b) { return a.at_s < b.at_s; });
  const double begin_s = trace.front().at_s;
  for (TracedRequest& traced : trace) traced.at_s -= begin_s;
  NumberBlocks(trace);
  FindConversations(trace);
  return trace;
}

TraceSummary Summarise(const std::vector<TracedRequest>& trace) {
  TraceSummary summary;
  std::set<int64_t> conversations, seen;
  for (const TracedRequest& traced : trace) {
    ++summary.n_requests;
    conversations.insert(traced.conversation);
    summary.seconds = std::max(summary.seconds, traced.at_s);
    summary.prompt_tokens += traced.prompt_tokens;
    summary.gen_tokens += traced.gen_tokens;
    summary.longest_prompt = std::max(summary.longest_prompt, traced.prompt_tokens);
    summary.longest_answer = std::max(summary.longest_answer, traced.gen_tokens);
    for (const int64_t block : traced.blocks) {
      if (!seen.insert(block).second) summary.shared_tokens += traced.block_tokens;
    }
  }
  summary.n_conversations = static_cast<int64_t>(conversations.size());
  return summary;
}

}  // namespace weir
