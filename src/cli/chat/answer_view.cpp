#include "cli/chat/answer_view.h"

#include "util/terminal.h"

namespace weir {

AnswerView::AnswerView(std::FILE* screen, bool raw)
    : screen_(screen),
      on_terminal_((screen == stdout && StdoutIsTerminal()) ||
                   (screen == stderr && StderrIsTerminal())) {
  if (on_terminal_ && !raw) wrapper_.emplace(TerminalWidth());
}

void AnswerView::Show(const AnswerPiece& piece) {
  if (wrapper_) wrapper_->SetWidth(TerminalWidth());
  if (!piece.reasoning.empty() && on_terminal_) {
    thinking_ = true;
    Write(wrapper_ ? wrapper_->Push(piece.reasoning) : piece.reasoning, true);
  }
  if (piece.content.empty()) return;
  if (thinking_) {
    Write(wrapper_ ? wrapper_->Flush() : std::string(), true);
    Write(wrapper_ ? wrapper_->Push("\n\n") : "\n\n", false);
    thinking_ = false;
  }
  Write(wrapper_ ? wrapper_->Push(piece.content) : piece.content, false);
}

void AnswerView::End() {
  if (wrapper_) Write(wrapper_->Flush(), thinking_);
  if (in_line_) Write("\n", false);
}

void AnswerView::Write(std::string_view text, bool dim) {
  if (text.empty() || !screen_) return;
  const auto style = screen_ == stdout ? StdoutStyle : StderrStyle;
  // Each piece by itself: the program may be ended in the midst of an answer.
  if (dim) std::fputs(std::string(style("\x1b[2m")).c_str(), screen_);
  std::fwrite(text.data(), 1, text.size(), screen_);
  if (dim) std::fputs(std::string(style("\x1b[0m")).c_str(), screen_);
  std::fflush(screen_);
  in_line_ = text.back() != '\n';
}

}  // namespace weir
