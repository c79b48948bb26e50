// Finds the tool calls in what a model answers, as the text comes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// arguments: a JSON object as text.
struct ToolCall {
  std::string name, arguments;
};

/// A piece of an answer: text to show, and calls that have become complete.
struct ToolPiece {
  std::string content;
  std::vector<ToolCall> calls;
};

/// The notations that templates teach, told apart by what the answer looks like:
///   <tool_call>{"name": .., "arguments": {..}}</tool_call>
///   <tool_call><function=NAME><parameter=NAME>VALUE</parameter>..</function></tool_call>
///   [TOOL_CALLS][{"name": .., "arguments": {..}}, ..] and [TOOL_CALLS]NAME[ARGS]{..}
///   {"name": .., "parameters": {..}} as the whole answer, also behind <|python_tag|>, if there is such a tool
/// What looks like a call and cannot be read as one is text, so nothing is lost.
class ToolCallParser {
 public:
  /// `tools`: the list of a chat request, {"type": "function", "function": {"name", "parameters": SCHEMA}}. A
  /// parameter without quotes is text where its schema says string, else JSON if it can be.
  explicit ToolCallParser(const nlohmann::ordered_json& tools);
  ~ToolCallParser();

  /// What is certain with this text. What could begin a call is held back, and so is white space before it.
  ToolPiece Push(std::string_view text);
  /// The rest, at the end of the answer.
  ToolPiece Flush();

  /// For control tokens, which have no text for users: whether this one belongs to a notation, so that it must
  /// be pushed nevertheless.
  static bool IsTagText(std::string_view token);

 private:
  struct Tools;
  enum class State { kBegin, kText, kCall, kWhole };

  bool Advance(ToolPiece& piece);  // false: more text is needed
  bool Begin();
  bool ReadText(ToolPiece& piece);
  bool ReadCall(ToolPiece& piece);
  bool ParseBody(std::string_view body, std::vector<ToolCall>& calls) const;
  bool ParseWhole(std::string_view text, std::vector<ToolCall>& calls) const;
  bool ParseObject(const nlohmann::ordered_json& json, std::vector<ToolCall>& calls) const;
  bool ParseFunction(std::string_view body, std::vector<ToolCall>& calls) const;

  std::unique_ptr<const Tools> tools_;
  State state_ = State::kBegin;
  bool called_ = false;  // white space behind a call is nothing
  std::string held_;
};

}  // namespace weir
