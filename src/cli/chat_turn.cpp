#include "cli/chat_turn.h"

#include <algorithm>

#include "cli/format.h"
#include "model/chat/chat_prompt.h"
#include "model/chat/reasoning_splitter.h"

namespace weir {

Result<Question> ChatTurns::Prepare(const std::vector<ChatMessage>& messages) const {
  WEIR_TRY(const TypedText text, render_(messages, true));
  // What the next turn has in common with this one, at the least: a template may leave out of its
  // next rendering what it writes before an answer or what was thought in it.
  std::vector<TypedText> later;
  if (Result<TypedText> ended = render_(messages, false)) later.push_back(*std::move(ended));
  std::vector<ChatMessage> longer = messages;
  longer.insert(longer.end(), {{"assistant", ".", {}}, {"user", ".", {}}});
  if (Result<TypedText> next = render_(longer, true)) later.push_back(*std::move(next));

  ChatPrompt prompt = MakeChatPrompt(tokenizer_, text, later);
  const int64_t n_prompt = std::ssize(prompt.tokens);
  if (n_prompt >= context_tokens()) {
    return BadInput("the conversation takes {} tokens, and the context has {}", Grouped(n_prompt),
                    Grouped(context_tokens()));
  }
  Question question{options_.like, PlainText(text)};
  Request& request = question.request;
  const int64_t room = context_tokens() - n_prompt;
  request.max_tokens = request.max_tokens > 0 ? std::min(request.max_tokens, room) : room;
  request.prompt = std::move(prompt.tokens);
  request.checkpoints = std::move(prompt.checkpoints);
  return question;
}

Result<Turn> ChatTurns::Ask(Engine& engine, Question question, AnswerView& view) const {
  ReasoningSplitter splitter(question.text);
  Turn turn;
  turn.answer.role = "assistant";
  const auto take = [&](const AnswerPiece& piece) {
    turn.answer.reasoning += piece.reasoning;
    turn.answer.content += piece.content;
    view.Show(piece);
  };
  const auto on_event = [&](const Event& event) {
    if (!options_.split_reasoning) return take({{}, event.text});
    take(splitter.Push(event.text));
    const bool control = event.token >= 0 && tokenizer_.IsControl(event.token);
    if (control && ReasoningSplitter::IsTagText(tokenizer_.Piece(event.token))) {
      take(splitter.Push(tokenizer_.Piece(event.token)));
    }
  };
  Result<Generation> generation = Generate(engine, std::move(question.request), on_event);
  take(splitter.Flush());
  view.End();
  if (!generation) return std::move(generation).error();
  turn.generation = *std::move(generation);
  return turn;
}

Json TurnJson(const Turn& turn) {
  Json json = GenerationJson(turn.generation);
  json["text"] = turn.answer.content;
  json["reasoning"] = OrNull(turn.answer.reasoning);
  return json;
}

}  // namespace weir
