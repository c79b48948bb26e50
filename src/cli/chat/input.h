// What a user types: messages of one or more lines, and commands.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// Puts lines together: one that ends with a backslash goes on in the next, and what stands between
/// two """ may have any number of lines. A line that was pasted may hold line feeds itself.
class MessageLines {
 public:
  /// The message that is complete with this line (without line feed at its end), if it is.
  std::optional<std::string> Push(std::string_view line);
  /// In the midst of a message.
  bool open() const { return quoted_ || continued_; }
  void Clear() { *this = MessageLines(); }

 private:
  std::optional<std::string> Finish();

  std::string text_;
  bool quoted_ = false, continued_ = false;
};

enum class ChatVerb { kSay, kHelp, kSystem, kReset, kSave, kLoad, kExit, kUnknown };

struct ChatCommand {
  ChatVerb verb = ChatVerb::kSay;
  std::string argument;  // kSay: the message; kUnknown: the word that is no command
};

/// A message that begins with a slash is a command; with two, it is said with one.
ChatCommand ParseChatCommand(std::string_view message);

/// What /help prints.
extern const char* const kChatHelp;

}  // namespace weir
