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
///   <tool_call>{"name": .., "arguments": {..}}</tool_call>                                    Qwen, Hermes, Granite 4
///   <tool_call><function=NAME><parameter=NAME>VALUE</parameter>..</function></tool_call>      Qwen3-Coder, Qwen3.5
///   <tool_call>NAME<arg_key>NAME</arg_key><arg_value>VALUE</arg_value>..</tool_call>          GLM
///   <|tool_call>call:NAME{NAME:<|"|>TEXT<|"|>,NAME:3,..}<tool_call|>                          Gemma 4
///   <start_function_call>call:NAME{NAME:<escape>TEXT<escape>,..}<end_function_call>           FunctionGemma
///   <|tool_call|>[{"name": .., "arguments": {..}}, ..] up to the end, also behind <tool_call> Granite 3
///   [TOOL_CALLS][{"name": .., "arguments": {..}}, ..] and [TOOL_CALLS]NAME[ARGS]{..}          Mistral
///   {"name": .., "parameters": {..}} as the whole answer, if there is such a tool             Llama
/// The last one also behind <|python_tag|>. What looks like a call and cannot be read as one is text, so nothing is
/// lost.
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
  struct Notation;
  enum class State { kBegin, kText, kCall, kWhole };

  bool Advance(ToolPiece& piece);  // false: more text is needed
  bool Begin();
  bool ReadText(ToolPiece& piece);
  bool ReadCall(ToolPiece& piece);
  bool ParseBody(std::string_view body, bool closed, std::vector<ToolCall>& calls) const;
  bool ParseWhole(std::string_view text, std::vector<ToolCall>& calls) const;
  bool ParseList(std::string_view text, std::vector<ToolCall>& calls) const;
  bool ParseObject(const nlohmann::ordered_json& json, std::vector<ToolCall>& calls) const;
  bool ParseFunction(std::string_view body, std::vector<ToolCall>& calls) const;
  bool ParseKeys(std::string_view body, bool closed, std::vector<ToolCall>& calls) const;
  bool ParseBraces(std::string_view body, std::vector<ToolCall>& calls) const;

  static const Notation kNotations[];

  std::unique_ptr<const Tools> tools_;
  State state_ = State::kBegin;
  const Notation* open_ = nullptr;  // of the call that is being read
  bool called_ = false;             // white space behind a call is nothing
  std::string held_;
};

}  // namespace weir
