// Reads lines from a terminal, with editing and history (libedit).
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace weir {

class LineEditor {
 public:
  enum class Ending {
    kLine,
    kInterrupted,  // Ctrl-C: `text` is what had been typed
    kEnd,          // Ctrl-D on an empty line, or the terminal has gone
    kTerminated,   // Interrupted() or Terminated() from elsewhere
  };
  struct Line {
    Ending ending = Ending::kEnd;
    std::string text;  // valid UTF-8 without the line feed at its end; a pasted one may hold others
  };

  /// Prompts go to `screen`, stdout or stderr, and keys come from stdin, both terminals. `history`:
  /// what the arrow keys recall, oldest first. Null if there is no memory for one.
  static std::unique_ptr<LineEditor> Create(std::FILE* screen,
                                            const std::vector<std::string>& history);
  ~LineEditor();

  Line Read(const std::string& prompt);
  void Remember(const std::string& text);

 private:
  struct Impl;
  explicit LineEditor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weir
