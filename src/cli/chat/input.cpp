#include "cli/chat/input.h"

#include <utility>

namespace weir {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";
constexpr std::string_view kBlanks = " \t\r\n";

constexpr std::pair<std::string_view, ChatVerb> kVerbs[] = {
    {"help", ChatVerb::kHelp}, {"?", ChatVerb::kHelp},      {"system", ChatVerb::kSystem},
    {"reset", ChatVerb::kReset}, {"save", ChatVerb::kSave}, {"load", ChatVerb::kLoad},
    {"exit", ChatVerb::kExit}, {"quit", ChatVerb::kExit},   {"bye", ChatVerb::kExit},
};

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace

const char* const kChatHelp =
    "/system TEXT   what the model is told to be; without TEXT: nothing\n"
    "/reset         forget the conversation, keep the system message\n"
    "/save FILE     write the conversation as JSON\n"
    "/load FILE     go on with a saved conversation\n"
    "/exit          leave, as Ctrl-D does\n"
    "//TEXT         say a text that begins with a slash\n"
    "\"\"\" opens and closes a message of several lines; so does a backslash at a line's end.\n"
    "Ctrl-C stops an answer or clears the line; a second one leaves.";

std::optional<std::string> MessageLines::Push(std::string_view line) {
  if (!open() && line.substr(0, kQuotes.size()) == kQuotes) {
    quoted_ = true;
    line.remove_prefix(kQuotes.size());
    if (line.empty()) return std::nullopt;
  }
  if (quoted_) {
    const std::string_view shown = line.substr(0, line.find_last_not_of(kBlanks) + 1);
    if (shown.ends_with(kQuotes)) {
      text_ += shown.substr(0, shown.size() - kQuotes.size());
      return Finish();
    }
    text_.append(line) += '\n';
    return std::nullopt;
  }
  continued_ = line.ends_with('\\');
  if (continued_) {
    text_.append(line.substr(0, line.size() - 1)) += '\n';
    return std::nullopt;
  }
  text_ += line;
  return Finish();
}

std::optional<std::string> MessageLines::Finish() {
  std::string text = std::move(text_);
  if (text.ends_with('\n') && quoted_) text.pop_back();
  Clear();
  return text;
}

ChatCommand ParseChatCommand(std::string_view message) {
  if (!message.starts_with('/')) return {ChatVerb::kSay, std::string(message)};
  message.remove_prefix(1);
  if (message.starts_with('/')) return {ChatVerb::kSay, std::string(message)};
  const std::string_view word = message.substr(0, message.find_first_of(kBlanks));
  for (const auto& [name, verb] : kVerbs) {
    if (word == name) return {verb, std::string(Trimmed(message.substr(word.size())))};
  }
  return {ChatVerb::kUnknown, std::string(word)};
}

}  // namespace weir
