#include "model/chat/chat_template.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "model/jinja/interpreter.h"
#include "model/jinja/parser.h"
#include "model/text/utf8.h"

namespace weir {

using Json = nlohmann::ordered_json;

struct ChatTemplate::Compiled {
  jinja::Source source;
  jinja::Tree tree;
};

namespace {

using jinja::Value;

/// The words for who speaks that chat protocols have. None of them is free text, and none is a control token.
constexpr std::string_view kRoles[] = {"system", "developer", "user",     "assistant",
                                       "tool",   "function",  "ipython",  "tool_results",
                                       "model",  "critic",    "documents"};

/// Where a request says nothing of them: these are always variables, as transformers has it.
std::optional<Value> FindDefault(std::string_view name) {
  if (name == "tools" || name == "documents") return Value::None();
  if (name == "add_generation_prompt") return Value::Bool(false);
  return std::nullopt;
}

/// JSON to values; everything in it is data, except for the roles of `messages`.
class Importer {
 public:
  explicit Importer(jinja::Runtime& runtime) : runtime_(runtime) {}

  Result<Value> Variable(std::string_view name, const Json& json) {
    return name == "messages" && json.is_array() ? Messages(json) : Import(json, 1);
  }

 private:
  Result<Value> Messages(const Json& messages);
  Result<Value> Import(const Json& json, int depth);
  Result<Value> ImportArray(const Json& json, int depth);
  Result<Value> ImportObject(const Json& json, int depth, bool is_message);
  Result<Value> ImportString(const std::string& text, bool is_role);

  jinja::Runtime& runtime_;
};

Result<Value> Importer::ImportString(const std::string& text, bool is_role) {
  WEIR_RETURN_IF_ERROR(runtime_.SpendBytes(text.size()));
  if (!IsValidUtf8(text)) return BadInput("the request has a string that is not UTF-8");
  const bool known = is_role && std::find(std::begin(kRoles), std::end(kRoles), text) != std::end(kRoles);
  return runtime_.String({text, known ? Origin::kTemplate : Origin::kData});
}

Result<Value> Importer::ImportArray(const Json& json, int depth) {
  std::vector<Value> items;
  items.reserve(json.size());
  for (const Json& element : json) {
    WEIR_TRY(Value item, Import(element, depth + 1));
    items.push_back(std::move(item));
  }
  return runtime_.NewList(std::move(items));
}

Result<Value> Importer::ImportObject(const Json& json, int depth, bool is_message) {
  const auto dict = runtime_.NewDict();
  for (const auto& [name, member] : json.items()) {
    WEIR_TRY(Value key, ImportString(name, false));
    WEIR_TRY(Value value, is_message && name == "role" && member.is_string()
                              ? ImportString(member.get_ref<const std::string&>(), true)
                              : Import(member, depth + 1));
    dict->Set(std::move(key), std::move(value));
  }
  return runtime_.Of(dict);
}

Result<Value> Importer::Import(const Json& json, int depth) {
  WEIR_RETURN_IF_ERROR(runtime_.Spend());
  if (depth > jinja::kMaxNesting) {
    return BadInput("the request is nested more than {} deep", jinja::kMaxNesting);
  }
  switch (json.type()) {
    case Json::value_t::boolean: return Value::Bool(json.get<bool>());
    case Json::value_t::number_integer: return Value::Int(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)) return Value::Int(json.get<int64_t>());
      return Value::Float(json.get<double>());
    case Json::value_t::number_float: return Value::Float(json.get<double>());
    case Json::value_t::string: return ImportString(json.get_ref<const std::string&>(), false);
    case Json::value_t::array: return ImportArray(json, depth);
    case Json::value_t::object: return ImportObject(json, depth, false);
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  return Value::None();
}

Result<Value> Importer::Messages(const Json& messages) {
  std::vector<Value> items;
  for (const Json& message : messages) {
    WEIR_TRY(Value item, message.is_object() ? ImportObject(message, 2, true) : Import(message, 2));
    items.push_back(std::move(item));
  }
  return runtime_.NewList(std::move(items));
}

/// The value of a key that is an id, as the text of that token.
Status AddToken(const Metadata& metadata, const std::vector<std::string>& texts, std::string_view key,
                std::string name, std::vector<std::pair<std::string, std::string>>* tokens) {
  if (!metadata.Has(key)) return {};
  // Writers put -1, as an unsigned number too, where there is no such token.
  WEIR_TRY(const int64_t id, metadata.Int(key, -1, UINT32_MAX));
  if (id < 0 || id >= static_cast<int64_t>(texts.size())) return {};
  const std::string& text = texts[static_cast<size_t>(id)];
  if (IsValidUtf8(text)) tokens->emplace_back(std::move(name), text);
  return {};
}

}  // namespace

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source, std::string name) {
  WEIR_TRY(jinja::Source checked, jinja::Source::Create(std::move(name), source));
  WEIR_TRY(jinja::Tree tree, jinja::Parse(checked));
  return ChatTemplate(
      std::make_shared<const Compiled>(Compiled{std::move(checked), std::move(tree)}));
}

bool ChatTemplate::HasVariable(std::string_view variable) const {
  return std::ranges::find(compiled_->tree.names, variable) != compiled_->tree.names.end();
}

const std::string& ChatTemplate::name() const { return compiled_->source.name(); }
const std::string& ChatTemplate::source() const { return compiled_->source.text(); }

Result<TypedText> ChatTemplate::Render(const Json& request, const RenderOptions& options) const {
  if (!request.is_object()) return BadInput("a chat request must be a JSON object");
  const jinja::Limits limits{.max_steps = options.max_steps,
                             .max_string_bytes = std::min<int64_t>(options.max_bytes, UINT32_MAX),
                             .max_live_bytes = options.max_memory};
  jinja::Runtime runtime(limits, options.now);
  jinja::Interpreter interpreter(compiled_->tree, compiled_->source, runtime);
  const std::vector<std::string>& names = compiled_->tree.names;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto symbol = static_cast<jinja::Symbol>(i);
    if (const auto member = request.find(names[i]); member != request.end()) {
      WEIR_TRY(Value value, Importer(runtime).Variable(names[i], *member));
      interpreter.SetVariable(symbol, std::move(value));
      continue;
    }
    if (const std::optional<Value> value = FindDefault(names[i])) {
      interpreter.SetVariable(symbol, *value);
    }
    for (const auto& [name, text] : options.tokens) {
      if (name != names[i]) continue;
      interpreter.SetVariable(symbol, runtime.String({text, Origin::kTemplate}));
    }
  }
  WEIR_TRY(const jinja::Text text, interpreter.Render());
  return text.ToTypedText();
}

Result<ChatTemplate> ReadChatTemplate(const ModelSource& source, bool with_tools) {
  const Metadata& metadata = source.metadata();
  std::string key = "tokenizer.chat_template";
  if (with_tools && metadata.Has(key + ".tool_use")) key += ".tool_use";
  if (!metadata.Has(key)) {
    return WithHint(BadInput("{}: the model has no chat template (expected the key {})", source.name(), key),
                    source.synthetic() ? "synthetic models have shapes and random weights, but nothing to say"
                                       : "give it a text to continue, or use the instruct version of the model");
  }
  WEIR_TRY(const std::string text, metadata.String(key));
  return ChatTemplate::Parse(text, fmt::format("{}: {}", source.name(), key));
}

Result<std::vector<std::pair<std::string, std::string>>> ReadTemplateTokens(const Metadata& metadata) {
  std::vector<std::pair<std::string, std::string>> tokens;
  if (!metadata.Has("tokenizer.ggml.tokens")) return tokens;
  WEIR_TRY(const std::vector<std::string>* texts, metadata.Strings("tokenizer.ggml.tokens"));
  static constexpr std::pair<std::string_view, std::string_view> kKeys[] = {
      {"tokenizer.ggml.bos_token_id", "bos_token"},
      {"tokenizer.ggml.eos_token_id", "eos_token"},
      {"tokenizer.ggml.unknown_token_id", "unk_token"},
      {"tokenizer.ggml.padding_token_id", "pad_token"}};
  for (const auto& [key, name] : kKeys) {
    WEIR_RETURN_IF_ERROR(AddToken(metadata, *texts, key, std::string(name), &tokens));
  }
  return tokens;
}

}  // namespace weir
