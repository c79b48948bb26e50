// Shows an answer while it is being written.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "cli/chat/word_wrapper.h"
#include "model/chat/reasoning_splitter.h"

namespace weir {

/// On a terminal: wrapped, without control characters, and thinking dimmed above the answer.
/// Elsewhere the answer alone, as it is.
class AnswerView {
 public:
  /// `screen`: stdout, stderr, or null to show nothing. `raw`: a terminal gets the text as it is, too.
  AnswerView(std::FILE* screen, bool raw);

  void Show(const AnswerPiece& piece);
  /// Ends the answer, and its last line.
  void End();

 private:
  void Write(std::string_view text, bool dim);

  std::FILE* screen_;
  bool on_terminal_;
  bool thinking_ = false;
  bool in_line_ = false;  // the last thing written was no line feed
  std::optional<WordWrapper> wrapper_;
};

}  // namespace weir
