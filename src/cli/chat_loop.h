// The chat in the terminal: reads what the user types, answers, obeys commands.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "cli/chat_turn.h"

namespace weir {

struct ChatLoopOptions {
  std::FILE* screen = stdout;  // where everything is shown
  std::string greeting;        // what runs here
  bool raw = false;            // control characters of the model too
  bool keep_history = true;    // what is typed, in a file
  int64_t longest_context = 0;  // of the model
};

struct ChatRecord {
  Conversation conversation;
  std::vector<Turn> turns;
  int exit_code = kExitOk;  // kExitInterrupted after a second Ctrl-C
};

/// Chats until the user leaves. An Error is the engine's.
Result<ChatRecord> RunChatLoop(Engine& engine, const ChatTurns& turns, Conversation conversation,
                               const ChatLoopOptions& options);

}  // namespace weir
