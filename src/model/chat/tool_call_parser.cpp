#include "model/chat/tool_call_parser.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kList = "[TOOL_CALLS]", kArguments = "[ARGS]", kPython = "<|python_tag|>";
constexpr std::string_view kKey = "<arg_key>", kKeyEnd = "</arg_key>";
constexpr std::string_view kValue = "<arg_value>", kValueEnd = "</arg_value>";
constexpr std::string_view kBlanks = " \t\r\n";
// Longer ones are text: nobody's tool takes that, and it is all held back.
constexpr size_t kMaxCallBytes = 1 << 20;
// Deeper ones are text as well: to write them takes a stack frame for each level.
constexpr int kMaxDepth = 64;

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

/// Discarded where that is no JSON.
Json Parsed(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, const Json&) {
    too_deep |= depth > kMaxDepth;
    return !too_deep;  // the rest is skipped
  };
  Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  return too_deep ? Json(Json::value_t::discarded) : json;
}

std::string Written(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

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

/// Gemma's objects are JSON but for keys, which have no quotes, and for text, which has others: "{a:<q>b<q>,c:3}". As
/// JSON if they are what they should be; nothing where text has no end, or JSON's quotes.
std::optional<std::string> AsJson(std::string_view text, std::string_view quote) {
  constexpr std::string_view kSigns = "{}[],:";
  std::string json;
  while (!text.empty()) {
    if (Take(text, quote)) {
      const auto inside = TakeUntil(text, quote);
      if (!inside) return std::nullopt;
      json += Written(*inside);
    } else if (kSigns.find(text[0]) != std::string_view::npos) {
      json += text[0];
      text.remove_prefix(1);
    } else {
      const std::string_view word = text.substr(0, std::min(text.find_first_of(kSigns), text.find(quote)));
      text.remove_prefix(word.size());
      const std::string_view trimmed = Trimmed(word);
      if (trimmed.find('"') != std::string_view::npos) return std::nullopt;
      const bool is_key = text.starts_with(':') && !trimmed.empty();
      // Templates write nothing as Python does.
      json += is_key ? Written(trimmed) : trimmed == "None" ? "null" : std::string(word);
    }
  }
  return json;
}

}  // namespace

struct ToolCallParser::Notation {
  std::string_view open, close;  // close is empty where a call goes on to the end of the answer
  std::string_view quote = {};   // of text in braces; empty: not that notation
};

constexpr ToolCallParser::Notation ToolCallParser::kNotations[] = {
    {"<tool_call>", "</tool_call>"},
    {"<|tool_call>", "<tool_call|>", "<|\"|>"},
    {"<start_function_call>", "<end_function_call>", "<escape>"},
    {"<|tool_call|>", ""},
};

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

  /// A parameter's value as it stands between tags.
  Json ValueOf(const std::string& name, const std::string& parameter, std::string_view text) const {
    Json parsed = IsText(name, parameter) ? Json(Json::value_t::discarded) : Parsed(text);
    return parsed.is_discarded() ? Json(text) : parsed;
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
  for (const Notation& notation : kNotations) {
    if (token == notation.open || token == notation.close || token == notation.quote) return !token.empty();
  }
  constexpr std::string_view kOthers[] = {kList, kArguments, kPython, kKey, kKeyEnd, kValue, kValueEnd};
  return std::find(std::begin(kOthers), std::end(kOthers), token) != std::end(kOthers);
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
    const std::string_view body = std::string_view(held_).substr(held_.find(open_->open) + open_->open.size());
    if (ParseBody(body, /*closed=*/false, piece.calls)) piece.content.clear();
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
  size_t open = std::string::npos, n_text = held_.size();
  for (const Notation& notation : kNotations) {
    const size_t at = held_.find(notation.open);
    if (at < open) open = at, open_ = &notation;
    n_text = std::min(n_text, Certain(held_, notation.open));
  }
  if (open != std::string::npos) n_text = std::string_view(held_).substr(0, open).find_last_not_of(kBlanks) + 1;
  piece.content += held_.substr(0, n_text);
  held_.erase(0, n_text);  // the white space stays with what may turn out to be none
  if (open == std::string::npos) return false;
  state_ = State::kCall;
  return true;
}

bool ToolCallParser::ReadCall(ToolPiece& piece) {
  const size_t begin = held_.find(open_->open) + open_->open.size();
  const size_t close = open_->close.empty() ? std::string::npos : held_.find(open_->close, begin);
  const bool too_long = std::min(close, held_.size()) > kMaxCallBytes;
  if (close == std::string::npos && !too_long) return false;
  state_ = State::kText;
  const std::string_view body = std::string_view(held_).substr(begin, close - begin);
  if (!too_long && ParseBody(body, /*closed=*/true, piece.calls)) {
    called_ = true;
    held_.erase(0, close + open_->close.size());
    return true;
  }
  // Only the tag: what is behind it may be, or contain, a call.
  piece.content += held_.substr(0, begin);
  held_.erase(0, begin);
  return true;
}

/// `closed`: its end was there, so that what has no end of its own is whole.
bool ToolCallParser::ParseBody(std::string_view body, bool closed, std::vector<ToolCall>& calls) const {
  body = Trimmed(body);
  if (!open_->quote.empty()) return ParseBraces(body, calls);
  if (body.starts_with('{')) return ParseObject(Parsed(body), calls);
  if (body.starts_with('[')) return ParseList(body, calls);
  return ParseFunction(body, calls) || ParseKeys(body, closed, calls);
}

bool ToolCallParser::ParseList(std::string_view text, std::vector<ToolCall>& calls) const {
  const Json list = Parsed(text);
  if (!list.is_array() || list.empty()) return false;
  std::vector<ToolCall> found;
  for (const Json& one : list) {
    if (!ParseObject(one, found)) return false;
  }
  calls.insert(calls.end(), found.begin(), found.end());
  return true;
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
  calls.push_back({*name, Written(object)});
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
    arguments[parameter] = tools_->ValueOf(call.name, parameter, *value);
  }
  if (!Take(body, "</function>") || !Trimmed(body).empty() || call.name.empty()) return false;
  call.arguments = Written(arguments);
  calls.push_back(std::move(call));
  return true;
}

bool ToolCallParser::ParseKeys(std::string_view body, bool closed, std::vector<ToolCall>& calls) const {
  if (!closed) return false;  // further arguments may be missing
  const std::string name(Trimmed(body.substr(0, body.find('<'))));
  body.remove_prefix(std::min(body.find('<'), body.size()));
  // Any word could be a name: without arguments only that of a tool is.
  if (name.find_first_of(kBlanks) != std::string::npos || name.empty()) return false;
  if (body.empty() && !tools_->Function(name)) return false;
  Json arguments = Json::object();
  for (; Take(body, kKey); SkipBlanks(body)) {
    const auto key = TakeUntil(body, kKeyEnd);
    SkipBlanks(body);
    const auto value = key && Take(body, kValue) ? TakeUntil(body, kValueEnd) : std::nullopt;
    if (!value) return false;
    const std::string parameter(Trimmed(*key));
    arguments[parameter] = tools_->ValueOf(name, parameter, *value);
  }
  if (!body.empty()) return false;
  calls.push_back({name, Written(arguments)});
  return true;
}

bool ToolCallParser::ParseBraces(std::string_view body, std::vector<ToolCall>& calls) const {
  const size_t brace = std::min(body.find('{'), body.size());
  std::string_view name = body.substr(0, brace);
  if (!Take(name, "call:") || Trimmed(name).empty()) return false;
  const std::optional<std::string> json = AsJson(body.substr(brace), open_->quote);
  const Json arguments = json ? Parsed(*json) : Json();
  if (!arguments.is_object()) return false;
  calls.push_back({std::string(Trimmed(name)), Written(arguments)});
  return true;
}

bool ToolCallParser::ParseWhole(std::string_view text, std::vector<ToolCall>& calls) const {
  text = Trimmed(text);
  std::vector<ToolCall> found;
  if (Take(text, kList)) {
    SkipBlanks(text);
    if (text.starts_with('[')) return ParseList(text, calls);
    do {
      const auto name = TakeUntil(text, kArguments);
      const std::string_view arguments = name ? text.substr(0, text.find(kList)) : std::string_view();
      const Json object = Parsed(arguments);
      if (!object.is_object()) return false;
      found.push_back({std::string(Trimmed(*name)), Written(object)});
      text.remove_prefix(arguments.size());
    } while (Take(text, kList));
  } else {
    Take(text, kPython);
    // It could be an answer in JSON.
    if (!ParseObject(Parsed(text), found) || !tools_->Function(found[0].name)) return false;
  }
  calls.insert(calls.end(), found.begin(), found.end());
  return true;
}

}  // namespace weir
