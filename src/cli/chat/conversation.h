// The messages of a chat, in memory and in files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "util/error.h"

namespace weir {

struct ChatMessage {
  std::string role;       // system, user or assistant
  std::string content;    // all texts are valid UTF-8
  std::string reasoning;  // of an assistant; may be empty

  bool operator==(const ChatMessage&) const = default;
};

class Conversation {
 public:
  const std::vector<ChatMessage>& messages() const { return messages_; }
  /// Without the system message.
  bool empty() const { return messages_.size() == (has_system() ? 1 : 0); }

  /// Replaces the system message, which comes first; an empty text takes it away.
  void SetSystem(std::string text);
  void Add(ChatMessage message) { messages_.push_back(std::move(message)); }
  void RemoveLast() { messages_.pop_back(); }
  /// Forgets all but the system message.
  void Reset() { messages_.resize(has_system() ? 1 : 0); }

  /// {"messages":[{"role","content","reasoning_content"}]}: what chat APIs take.
  std::string ToJson() const;
  /// Of ToJson, or the array alone. kBadInput, with the place, for everything that is not a
  /// conversation of texts between a user and an assistant: tools, pictures, other roles.
  static Result<Conversation> FromJson(std::string_view text);

  /// Whole or not at all, and for the user's eyes only.
  Status Save(const std::string& path) const;
  static Result<Conversation> Load(const std::string& path);

 private:
  bool has_system() const { return !messages_.empty() && messages_[0].role == "system"; }

  std::vector<ChatMessage> messages_;
};

}  // namespace weir
