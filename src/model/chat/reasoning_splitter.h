// Parts what a model thinks from what it answers, as the text comes.
#pragma once

#include <string>
#include <string_view>

namespace weir {

/// A piece of an answer: what is to go into `reasoning_content` and into `content` of its message.
struct AnswerPiece {
  std::string reasoning;
  std::string content;
};

/// Where a model marks its thinking in the text itself.
struct ReasoningTags {
  std::string_view open;
  std::string_view close;
};

/// An answer thinks first or not at all: it does if it begins with an opening tag, white space
/// aside, or if the prompt ends with one because the template wrote it. Tags after that are text
/// like any other: a model may speak about them. White space around the tags belongs to neither
/// part. The tags are those of all models known to have any; which of them counts shows in what
/// this one or its template writes.
class ReasoningSplitter {
 public:
  /// `prompt`: the rendered conversation up to where the answer begins (its end is enough).
  explicit ReasoningSplitter(std::string_view prompt);

  /// What is certain with this text. What could begin a tag is held back.
  AnswerPiece Push(std::string_view text);
  /// The rest, at the end of the answer.
  AnswerPiece Flush();

  /// Whether the answer is in its thinking part.
  bool thinking() const { return state_ == State::kThinking; }

  /// What ends the thinking that the answer is in; empty if it is in none.
  std::string_view closing_tag() const { return thinking() ? tags_->close : std::string_view(); }

  /// For control tokens, which have no text for users: whether this is a tag or begins one, so that
  /// it must be pushed nevertheless.
  static bool IsTagText(std::string_view token);

 private:
  enum class State { kBegin, kThinking, kAfterThinking, kAnswering };

  bool Advance(AnswerPiece& piece);  // false: more text is needed

  State state_ = State::kBegin;
  const ReasoningTags* tags_ = nullptr;
  bool started_ = false;  // the thinking has more than white space
  std::string held_;
};

}  // namespace weir
