// Files of prompts.
#include <nlohmann/json.hpp>

#include "bench/prompts.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string RoleOf(const std::string& from) {
  if (from == "human" || from == "user") return "user";
  if (from == "gpt" || from == "assistant" || from == "chatgpt" || from == "bard") return "assistant";
  return from == "system" ? from : "";
}

/// System turn, first turn of the user, and the answer to it.
std::optional<FilePrompt> FromTurns(const Json& turns, const char* role, const char* content) {
  FilePrompt prompt;
  bool asked = false;
  for (const Json& turn : turns) {
    const std::string who = RoleOf(Text(turn, role)), said = Text(turn, content);
    if (who.empty() || said.empty()) return std::nullopt;
    if (asked) {
      if (who == "assistant") prompt.answer = said;
      break;
    }
    if (who == "assistant") return std::nullopt;  // a conversation whose beginning is cut off
    prompt.turns.push_back({who, said});
    asked = who == "user";
  }
  return asked ? std::optional(std::move(prompt)) : std::nullopt;
}

std::optional<FilePrompt> FromObject(const Json& object) {
  if (!object.is_object()) return std::nullopt;
  for (const char* name : {"conversations", "messages", "turns"}) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_array() || found->empty()) continue;
    if ((*found)[0].is_string()) {
      const auto first = (*found)[0].get<std::string>();
      if (first.empty()) return std::nullopt;
      return FilePrompt{{{"user", first}}, ""};
    }
    const bool share_gpt = (*found)[0].is_object() && (*found)[0].contains("from");
    return share_gpt ? FromTurns(*found, "from", "value") : FromTurns(*found, "role", "content");
  }
  for (const char* name : {"prompt", "text"}) {
    if (std::string text = Text(object, name); !text.empty()) return FilePrompt{{{"", text}}, ""};
  }
  return std::nullopt;
}

Result<std::vector<FilePrompt>> ParseLines(std::string_view text, const std::string& name) {
  std::vector<FilePrompt> prompts;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view json = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (json.find_first_not_of(" \t\r") == json.npos) continue;
    const Json object = Json::parse(json, nullptr, false);
    if (!object.is_object()) return BadInput("{}:{}: expected a JSON object", name, line);
    std::optional<FilePrompt> prompt = FromObject(object);
    if (!prompt) {
      return BadInput(
          "{}:{}: expected \"conversations\", \"messages\", \"turns\", \"prompt\" or \"text\"", name,
          line);
    }
    prompts.push_back(std::move(*prompt));
  }
  return prompts;
}

}  // namespace

Result<std::vector<FilePrompt>> ParsePromptFile(std::string_view text, const std::string& name) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  std::vector<FilePrompt> prompts;
  if (first != text.npos && text[first] == '[') {
    const Json list = Json::parse(text, nullptr, false);
    if (!list.is_array()) return BadInput("{}: expected a JSON array of conversations", name);
    // Such files have conversations without an opening, or without words: they are passed over.
    for (const Json& object : list) {
      if (std::optional<FilePrompt> prompt = FromObject(object)) prompts.push_back(std::move(*prompt));
    }
  } else {
    WEIR_TRY(prompts, ParseLines(text, name));
  }
  if (prompts.empty()) return BadInput("{}: expected at least one prompt", name);
  return prompts;
}

}  // namespace weir
