#include "cli/chat/conversation.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "util/atomic_file.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

constexpr uintmax_t kMaxFileBytes = 16 << 20;
constexpr int kMaxDepth = 8;

/// The value of a key that must be a text if it is there; absent and null are empty.
Result<std::string> TextIn(const Json& message, const char* key, size_t index) {
  const auto found = message.find(key);
  if (found == message.end() || found->is_null()) return std::string();
  if (!found->is_string()) {
    return BadInput("messages[{}].{}: expected a text, found {}", index, key, found->type_name());
  }
  return found->get<std::string>();
}

Result<ChatMessage> ReadMessage(const Json& json, size_t index) {
  if (!json.is_object()) {
    return BadInput("messages[{}]: expected an object, found {}", index, json.type_name());
  }
  if (json.contains("tool_calls")) {
    return BadInput("messages[{}].tool_calls: a chat in the terminal has no tools", index);
  }
  ChatMessage message;
  WEIR_TRY(message.role, TextIn(json, "role", index));
  WEIR_TRY(message.content, TextIn(json, "content", index));
  WEIR_TRY(message.reasoning, TextIn(json, "reasoning_content", index));
  if (message.role != "user" && message.role != "assistant" &&
      (message.role != "system" || index > 0)) {
    return BadInput("messages[{}].role: expected user or assistant{}, found '{}'", index,
                    index == 0 ? " or system" : "", message.role.substr(0, 40));
  }
  return message;
}

Result<Json> Parse(std::string_view text) {
  bool too_deep = false;
  const auto bound_depth = [&](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kMaxDepth;
    return !too_deep;  // what is discarded is not built
  };
  try {
    Json document = Json::parse(text, bound_depth);
    if (too_deep) return BadInput("expected at most {} levels of nesting", kMaxDepth);
    return document;
  } catch (const Json::parse_error& error) {
    return BadInput("not JSON: byte {} is wrong or missing", error.byte);
  }
}

}  // namespace

void Conversation::SetSystem(std::string text) {
  if (has_system()) messages_.erase(messages_.begin());
  if (!text.empty()) messages_.insert(messages_.begin(), {"system", std::move(text), {}});
}

std::string Conversation::ToJson() const {
  Json list = Json::array();
  for (const ChatMessage& message : messages_) {
    Json json{{"role", message.role}, {"content", message.content}};
    if (!message.reasoning.empty()) json["reasoning_content"] = message.reasoning;
    list.push_back(std::move(json));
  }
  return Json{{"messages", std::move(list)}}.dump(1, ' ', false, Json::error_handler_t::replace) +
         '\n';
}

Result<Conversation> Conversation::FromJson(std::string_view text) {
  WEIR_TRY(const Json document, Parse(text));
  const Json* list = &document;
  if (document.is_object()) {
    const auto found = document.find("messages");
    if (found == document.end()) return BadInput("expected the key \"messages\"");
    list = &*found;
  }
  if (!list->is_array()) {
    return BadInput("expected an array of messages, found {}", list->type_name());
  }
  Conversation conversation;
  for (const Json& json : *list) {
    WEIR_TRY(ChatMessage message, ReadMessage(json, conversation.messages_.size()));
    conversation.Add(std::move(message));
  }
  return conversation;
}

Status Conversation::Save(const std::string& path) const {
  WEIR_TRY(AtomicFile file, AtomicFile::Create(path, true));
  const std::string text = ToJson();
  WEIR_RETURN_IF_ERROR(file.Write(text.data(), text.size()));
  return file.Commit();
}

Result<Conversation> Conversation::Load(const std::string& path) {
  std::error_code failure;
  // Of a pipe or a device nobody knows when it ends.
  if (!std::filesystem::is_regular_file(path, failure)) {
    return BadInput("{}: {}", path, failure ? failure.message() : "expected a file");
  }
  const uintmax_t n_bytes = std::filesystem::file_size(path, failure);
  if (failure || n_bytes > kMaxFileBytes) {
    return BadInput("{}: expected at most {} bytes", path, kMaxFileBytes);
  }
  std::string text(n_bytes, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(n_bytes))) {
    return BadInput("{}: cannot be read", path);
  }
  Result<Conversation> conversation = FromJson(text);
  if (!conversation) return In(path, conversation.error());
  return conversation;
}

}  // namespace weir
