#include "model/chat/tool_call_parser.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>";
constexpr std::string_view kList = "[TOOL_CALLS]", kArguments = "[ARGS]", kPython = "<|python_tag|>";
constexpr std::string_view kBlanks = " \t\r\n";
// Longer ones are text: nobody's tool takes that, and it is all held back.
constexpr size_t kMaxCallBytes = 1 << 20;

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

Json Parsed(std::string_view text) { return Json::parse(text, nullptr, false); }

bool Take(std::string_view& text, std::string_view beginning) {
  if (!text.starts_with(beginning)) return false;
  text.remove_prefix(beginning.size());
  return true;
}

/// The text up to `end`, which is taken as well.
std::optional<std::string_view> TakeUntil(std::string_view& text, std::string_view end) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view before = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return before;
}

void SkipBlanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
}

/// From where on `text` could become white space and a `tag`, or nothing but white space.
size_t Certain(std::string_view text, std::string_view tag) {
  size_t n_tag = std::min(text.size(), tag.size() - 1);
  while (n_tag > 0 && !text.ends_with(tag.substr(0, n_tag))) --n_tag;
  return text.substr(0, text.size() - n_tag).find_last_not_of(kBlanks) + 1;
}

}  // namespace

struct ToolCallParser::Tools {
  /// Of the tool of that name; null if there is none.
  const Json* Function(const std::string& name) const {
    for (const Json& tool : list) {
      const auto function = tool.find("function");
      if (function != tool.end() && function->is_object() && function->value("name", Json()) == name) {
        return &*function;
      }
    }
    return nullptr;
  }

  /// Whether a parameter's schema takes text and nothing else.
  bool IsText(const std::string& name, const std::string& parameter) const {
    const Json* function = Function(name);
    if (!function) return false;
    const Json::json_pointer type = Json::json_pointer("/parameters/properties") / parameter / "type";
    return function->contains(type) && function->at(type) == "string";
  }

  Json list = Json::array();
};

ToolCallParser::ToolCallParser(const Json& tools) {
  auto list = std::make_unique<Tools>();
  for (const Json& tool : tools) {
    if (tool.is_object()) list->list.push_back(tool);
  }
  tools_ = std::move(list);
}

ToolCallParser::~ToolCallParser() = default;

bool ToolCallParser::IsTagText(std::string_view token) {
  return token == kOpen || token == kClose || token == kList || token == kArguments || token == kPython;
}

ToolPiece ToolCallParser::Push(std::string_view text) {
  ToolPiece piece;
  held_ += text;
  while (!held_.empty() && Advance(piece)) {
  }
  return piece;
}

ToolPiece ToolCallParser::Flush() {
  ToolPiece piece;
  if (state_ != State::kWhole || !ParseWhole(held_, piece.calls)) piece.content = held_;
  // A model that is cut, or whose end of turn is the closing tag, leaves the tag out.
  if (state_ == State::kCall) {
    const std::string_view body = std::string_view(held_).substr(held_.find(kOpen) + kOpen.size());
    if (ParseBody(body, piece.calls)) piece.content.clear();
  }
  if (called_ && Trimmed(piece.content).empty()) piece.content.clear();
  held_.clear();
  return piece;
}

bool ToolCallParser::Advance(ToolPiece& piece) {
  switch (state_) {
    case State::kBegin: return Begin();
    case State::kText: return ReadText(piece);
    case State::kCall: return ReadCall(piece);
    case State::kWhole:
      if (held_.size() <= kMaxCallBytes) return false;
      state_ = State::kText;
      return true;
  }
  return false;
}

/// Whether the whole answer may be calls shows in how it begins.
bool ToolCallParser::Begin() {
  const std::string_view text = Trimmed(held_);
  if (text.empty()) return false;
  for (std::string_view tag : {kList, kPython}) {
    if (tag.starts_with(text.substr(0, tag.size())) && text.size() < tag.size()) return false;
    if (text.starts_with(tag)) state_ = State::kWhole;
  }
  if (text[0] == '{' && !tools_->list.empty()) state_ = State::kWhole;
  if (state_ == State::kBegin) state_ = State::kText;
  return true;
}

bool ToolCallParser::ReadText(ToolPiece& piece) {
  const size_t open = held_.find(kOpen);
  if (open == std::string::npos) {
    const size_t n = Certain(held_, kOpen);
    piece.content += held_.substr(0, n);
    held_.erase(0, n);
    return false;
  }
  const size_t n_text = std::string_view(held_).substr(0, open).find_last_not_of(kBlanks) + 1;
  piece.content += held_.substr(0, n_text);
  held_.erase(0, n_text);  // the white space stays with what may turn out to be none
  state_ = State::kCall;
  return true;
}

bool ToolCallParser::ReadCall(ToolPiece& piece) {
  const size_t close = held_.find(kClose, held_.find(kOpen));
  const bool too_long = std::min(close, held_.size()) > kMaxCallBytes;
  if (close == std::string::npos && !too_long) return false;
  state_ = State::kText;
  const size_t begin = held_.find(kOpen) + kOpen.size();
  const std::string_view body = std::string_view(held_).substr(begin, close - begin);
  if (!too_long && ParseBody(body, piece.calls)) {
    called_ = true;
    held_.erase(0, close + kClose.size());
    return true;
  }
  // Only the tag: what is behind it may be, or contain, a call.
  piece.content += held_.substr(0, begin);
  held_.erase(0, begin);
  return true;
}

bool ToolCallParser::ParseBody(std::string_view body, std::vector<ToolCall>& calls) const {
  body = Trimmed(body);
  if (body.starts_with('{')) return ParseObject(Parsed(body), calls);
  return ParseFunction(body, calls);
}

bool ToolCallParser::ParseObject(const Json& json, std::vector<ToolCall>& calls) const {
  if (!json.is_object()) return false;
  const auto name = json.find("name");
  auto arguments = json.find("arguments");
  if (arguments == json.end()) arguments = json.find("parameters");
  if (name == json.end() || !name->is_string()) return false;
  if (arguments == json.end()) {
    calls.push_back({*name, "{}"});
    return true;
  }
  // Some models write the object as a string, as the API has it.
  const Json object = arguments->is_string() ? Parsed(arguments->get<std::string>()) : *arguments;
  if (!object.is_object()) return false;
  calls.push_back({*name, object.dump()});
  return true;
}

bool ToolCallParser::ParseFunction(std::string_view body, std::vector<ToolCall>& calls) const {
  if (!Take(body, "<function=")) return false;
  const auto name = TakeUntil(body, ">");
  if (!name) return false;
  ToolCall call{std::string(Trimmed(*name)), {}};
  Json arguments = Json::object();
  for (SkipBlanks(body); Take(body, "<parameter="); SkipBlanks(body)) {
    const auto key = TakeUntil(body, ">");
    auto value = key ? TakeUntil(body, "</parameter>") : std::nullopt;
    if (!value) return false;
    // A line break on each side belongs to the notation.
    Take(*value, "\n");
    if (value->ends_with('\n')) value->remove_suffix(1);
    const std::string parameter(Trimmed(*key));
    Json parsed = tools_->IsText(call.name, parameter) ? Json(Json::value_t::discarded) : Parsed(*value);
    arguments[parameter] = parsed.is_discarded() ? Json(*value) : std::move(parsed);
  }
  if (!Take(body, "</function>") || !Trimmed(body).empty() || call.name.empty()) return false;
  call.arguments = arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
  calls.push_back(std::move(call));
  return true;
}

bool ToolCallParser::ParseWhole(std::string_view text, std::vector<ToolCall>& calls) const {
  text = Trimmed(text);
  std::vector<ToolCall> found;
  if (Take(text, kList)) {
    SkipBlanks(text);
    if (text.starts_with('[')) {
      const Json list = Parsed(text);
      if (!list.is_array() || list.empty()) return false;
      for (const Json& one : list) {
        if (!ParseObject(one, found)) return false;
      }
    } else {
      do {
        const auto name = TakeUntil(text, kArguments);
        const std::string_view arguments = name ? text.substr(0, text.find(kList)) : std::string_view();
        const Json object = Parsed(arguments);
        if (!object.is_object()) return false;
        found.push_back({std::string(Trimmed(*name)), object.dump()});
        text.remove_prefix(arguments.size());
      } while (Take(text, kList));
    }
  } else {
    Take(text, kPython);
    // It could be an answer in JSON.
    if (!ParseObject(Parsed(text), found) || !tools_->Function(found[0].name)) return false;
  }
  calls.insert(calls.end(), found.begin(), found.end());
  return true;
}

}  // namespace weir
