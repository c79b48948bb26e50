// One turn of a chat: a conversation becomes a request, and its answer a message.
#pragma once

#include <string>
#include <vector>

#include "cli/chat/answer_view.h"
#include "cli/chat_format.h"
#include "cli/generation.h"
#include "model/text/tokenizer.h"

namespace weir {

struct Question {
  Request request;
  std::string text;  // what the request's tokens say
};

struct Turn {
  Generation generation;
  ChatMessage answer;
};

struct ChatTurnOptions {
  Request like;                // all but its prompt; max_tokens 0: what there is room for
  int64_t context_tokens = 0;  // of the engine that answers
  bool split_reasoning = true;
};

class ChatTurns {
 public:
  /// `tokenizer` outlives this.
  ChatTurns(const Tokenizer& tokenizer, RenderChat render, ChatTurnOptions options)
      : tokenizer_(tokenizer), render_(std::move(render)), options_(std::move(options)) {}

  /// A conversation as a model is asked for its next message. kBadInput if the template refuses it
  /// or the context has no room for it.
  Result<Question> Prepare(const std::vector<ChatMessage>& messages) const;
  /// Gets the answer and shows it as it comes; until its end, or Ctrl-C.
  Result<Turn> Ask(Engine& engine, Question question, AnswerView& view) const;

  int64_t context_tokens() const { return options_.context_tokens; }

 private:
  const Tokenizer& tokenizer_;
  RenderChat render_;
  ChatTurnOptions options_;
};

Json TurnJson(const Turn& turn);

}  // namespace weir
