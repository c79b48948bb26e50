#include "model/constrain/json_schema.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace weir {
namespace {

using Json = nlohmann::ordered_json;
using Node = Grammar::Node;

// Against schemas that would take the server's memory or time.
constexpr int64_t kMaxRepeats = 1000;
constexpr int32_t kMaxNodes = 50'000;
constexpr int kMaxDepth = 64;
constexpr int64_t kMaxCharacters = 100;  // of strings of bounded length: each is a wide node (token_mask.h)

constexpr int kIndent = 24;  // spaces after a line break, at most
constexpr int kDigits = 16;

/// The rules of JSON, in a grammar to which others may be added.
class JsonRules {
 public:
  JsonRules();

  Node Byte(char byte, Node to) { return Bytes(byte, byte, to); }
  Node Bytes(uint8_t first, uint8_t last, Node to);
  Node Call(Node rule, Node to);
  Node Text(std::string_view text, Node to);
  Node Either(std::initializer_list<Node> nodes);
  /// A list of `item`s between brackets, from `min` to `max` (-1: any number) of them; the first ones may have
  /// rules of their own.
  Node List(char open, const std::vector<Node>& first, Node item, int64_t min, int64_t max, char close);
  Node Member(Node key, Node value);
  /// A string of `min` to `max` (-1: any number of) characters.
  Node StringOf(int64_t min, int64_t max);

  Grammar g;
  Node space = 0, string = 0, number = 0, integer = 0, boolean = 0, null = 0, object = 0, array = 0,
       value = 0;

 private:
  Node Space();
  void AddCharacters(Node from, Node to);
  Node Digits(int n, Node to);
  Node Integer(Node to);
};

// Nodes are made from the end of a text to its beginning: each function returns the node before what it adds.

Node JsonRules::Bytes(uint8_t first, uint8_t last, Node to) {
  const Node node = g.AddNode();
  g.AddBytes(node, first, last, to);
  return node;
}

Node JsonRules::Call(Node rule, Node to) {
  const Node node = g.AddNode();
  g.AddCall(node, rule, to);
  return node;
}

Node JsonRules::Text(std::string_view text, Node to) {
  const Node node = g.AddNode();
  g.AddText(node, text, to);
  return node;
}

Node JsonRules::Either(std::initializer_list<Node> nodes) {
  const Node node = g.AddNode();
  for (Node to : nodes) g.AddEmpty(node, to);
  return node;
}

/// Nothing, a space, or a line break and spaces. Models that may write space for ever do.
Node JsonRules::Space() {
  Node spaces = g.End();
  for (int i = 0; i < kIndent; ++i) spaces = Either({Byte(' ', spaces), g.End()});
  return Either({g.End(), Byte(' ', g.End()), Byte('\n', spaces)});
}

/// A character of a string, as edges of one node: UTF-8 as Unicode defines it, or an escape. What lies beyond
/// the first plane is not escaped, so that there are no halves of surrogate pairs.
void JsonRules::AddCharacters(Node from, Node to) {
  g.AddBytes(from, 0x20, '"' - 1, to);
  g.AddBytes(from, '"' + 1, '\\' - 1, to);
  g.AddBytes(from, '\\' + 1, 0x7e, to);
  const Node last1 = Bytes(0x80, 0xbf, to), last2 = Bytes(0x80, 0xbf, last1);
  g.AddBytes(from, 0xc2, 0xdf, last1);
  g.AddBytes(from, 0xe0, 0xe0, Bytes(0xa0, 0xbf, last1));
  g.AddBytes(from, 0xe1, 0xec, last2);
  g.AddBytes(from, 0xed, 0xed, Bytes(0x80, 0x9f, last1));
  g.AddBytes(from, 0xee, 0xef, last2);
  g.AddBytes(from, 0xf0, 0xf0, Bytes(0x90, 0xbf, last2));
  g.AddBytes(from, 0xf1, 0xf3, Bytes(0x80, 0xbf, last2));
  g.AddBytes(from, 0xf4, 0xf4, Bytes(0x80, 0x8f, last2));

  const auto hex = [this](Node then) {
    return Either({Bytes('0', '9', then), Bytes('a', 'f', then), Bytes('A', 'F', then)});
  };
  const Node hex2 = hex(hex(to)), hex3 = hex(hex2);
  const Node d = Bytes('0', '7', hex2);
  const Node hex4 = Either({Bytes('0', '9', hex3), Bytes('a', 'c', hex3), Bytes('A', 'C', hex3),
                            Bytes('e', 'f', hex3), Bytes('E', 'F', hex3), Byte('d', d), Byte('D', d)});
  const Node escaped = Byte('u', hex4);
  for (char c : std::string_view("\"\\/bfnrt")) {
    g.AddBytes(escaped, static_cast<uint8_t>(c), static_cast<uint8_t>(c), to);
  }
  g.AddBytes(from, '\\', '\\', escaped);
}

Node JsonRules::StringOf(int64_t min, int64_t max) {
  const Node end = Byte('"', g.End());
  Node rest = end;
  if (max < 0) {
    rest = g.AddNode();
    AddCharacters(rest, rest);
    g.AddEmpty(rest, end);
  }
  for (int64_t i = std::max(min, max); i > 0; --i) {
    const Node node = g.AddNode();
    AddCharacters(node, rest);
    if (i > min) g.AddEmpty(node, end);
    rest = node;
  }
  return Byte('"', rest);
}

/// One to n digits.
Node JsonRules::Digits(int n, Node to) {
  Node rest = to;
  for (int i = 1; i < n; ++i) rest = Either({Bytes('0', '9', rest), to});
  return Bytes('0', '9', rest);
}

Node JsonRules::Integer(Node to) {
  const Node digits = Either({Digits(kDigits - 1, to), to});
  const Node positive = Either({Byte('0', to), Bytes('1', '9', digits)});
  return Either({positive, Byte('-', positive)});
}

Node JsonRules::Member(Node key, Node the_value) {
  const Node after = Call(space, Call(the_value, Call(space, g.End())));
  return Call(key, Call(space, Byte(':', after)));
}

Node JsonRules::List(char open, const std::vector<Node>& first, Node item, int64_t min, int64_t max,
                     char close) {
  const auto n_first = static_cast<int64_t>(first.size());
  const Node end = Byte(close, g.End());
  const auto element = [&](int64_t i, Node to) {
    const Node node = Call(i < n_first ? first[i] : item, Call(space, to));
    return i == 0 ? node : Byte(',', Call(space, node));
  };
  // From the state with the most elements back to that with none.
  const int64_t most = max < 0 ? std::max({min, n_first, int64_t{1}}) : max;
  Node state = end;
  if (max < 0) {
    state = g.AddNode();
    g.AddEmpty(state, element(most, state));
    g.AddEmpty(state, end);
  }
  for (int64_t i = most - 1; i >= 0; --i) {
    const Node more = element(i, state);
    state = i >= min ? Either({more, end}) : more;
  }
  return Byte(open, Call(space, state));
}

JsonRules::JsonRules() {
  space = Space();
  string = StringOf(0, -1);
  const Node exponent_digits = Digits(2, g.End());  // readers take what a double can hold
  const Node sign = Either({exponent_digits, Byte('+', exponent_digits), Byte('-', exponent_digits)});
  const Node exponent = Either({g.End(), Byte('e', sign), Byte('E', sign)});
  integer = Integer(g.End());
  number = Integer(Either({exponent, Byte('.', Digits(kDigits, exponent))}));
  boolean = Either({Text("true", g.End()), Text("false", g.End())});
  null = Text("null", g.End());
  value = Either({string, number, boolean, null});
  object = List('{', {}, Member(string, value), 0, -1, '}');
  array = List('[', {}, value, 0, -1, ']');
  g.AddEmpty(value, object);
  g.AddEmpty(value, array);
}

/// The place of an error: a JSON pointer.
std::string Inside(const std::string& path, const std::string& key) { return path + "/" + key; }

class SchemaCompiler {
 public:
  explicit SchemaCompiler(const Json& document) : document_(document) {}

  Result<Grammar> Compile() {
    // Space around the document would only be a way not to begin or to end.
    WEIR_TRY(const Node root, Schema(document_, ""));
    rules_.g.set_start(root);
    if (rules_.g.Loops()) return BadInput("schema: a $ref leads to itself and to nothing else");
    return std::move(rules_.g);
  }

 private:
  using Keywords = std::set<std::string_view>;

  Result<Node> Schema(const Json& schema, const std::string& path);
  Result<Node> Reference(const Json& schema, const std::string& path);
  Result<Node> AnyOf(const Json& schema, const std::string& path);
  Result<Node> Values(const Json& schema, const std::string& path);
  Result<Node> OfType(const Json& schema, const std::string& type, const std::string& path);
  Result<Node> Object(const Json& schema, const std::string& path);
  Result<Node> Properties(const Json& schema, const std::string& path);
  Result<Node> Array(const Json& schema, const std::string& path);
  Result<std::set<std::string>> Required(const Json& schema, const std::string& path);
  Result<std::vector<std::string>> Types(const Json& schema, const std::string& path);
  Result<int64_t> Count(const Json& schema, const char* keyword, int64_t otherwise,
                        const std::string& path);
  Status CheckKeywords(const Json& schema, const Keywords& known, const std::string& path);

  const Json& document_;
  JsonRules rules_;
  std::map<std::string, Node> references_;  // of those compiled, or being compiled
  int depth_ = 0;
  int64_t n_characters_ = 0;
};

Status SchemaCompiler::CheckKeywords(const Json& schema, const Keywords& known,
                                     const std::string& path) {
  static const Keywords kAnnotations{"title",   "description", "default",    "examples", "$schema",
                                     "$id",     "$comment",    "deprecated", "readOnly", "writeOnly",
                                     "$defs",   "definitions"};
  for (const auto& [keyword, value] : schema.items()) {
    if (known.count(keyword) || kAnnotations.count(keyword)) continue;
    return BadInput("schema{}: the keyword {} is not supported here", path, keyword);
  }
  return {};
}

Result<Node> SchemaCompiler::Schema(const Json& schema, const std::string& path) {
  if (++depth_ > kMaxDepth) return BadInput("schema{}: more than {} levels deep", path, kMaxDepth);
  if (rules_.g.n_nodes() > kMaxNodes) return BadInput("schema: too large, at {}", path);
  const auto compile = [&]() -> Result<Node> {
    if (schema.is_boolean() && schema.get<bool>()) return rules_.value;
    if (!schema.is_object()) return BadInput("schema{}: expected an object", path);
    if (schema.contains("$ref")) return Reference(schema, path);
    if (schema.contains("anyOf")) return AnyOf(schema, path);
    if (schema.contains("enum") || schema.contains("const")) return Values(schema, path);
    WEIR_TRY(const std::vector<std::string> types, Types(schema, path));
    if (types.empty()) {
      WEIR_RETURN_IF_ERROR(CheckKeywords(schema, {}, path));
      return rules_.value;
    }
    const Node node = rules_.g.AddNode();
    for (const std::string& type : types) {
      WEIR_TRY(const Node of_type, OfType(schema, type, path));
      rules_.g.AddEmpty(node, of_type);
    }
    return node;
  };
  Result<Node> node = compile();
  --depth_;
  return node;
}

Result<Node> SchemaCompiler::Reference(const Json& schema, const std::string& path) {
  WEIR_RETURN_IF_ERROR(CheckKeywords(schema, {"$ref"}, path));
  const Json& reference = schema["$ref"];
  if (!reference.is_string() || !reference.get<std::string>().starts_with('#')) {
    return BadInput("schema{}/$ref: expected a reference within the document, such as #/$defs/NAME", path);
  }
  const std::string target = reference.get<std::string>().substr(1);
  if (const auto known = references_.find(target); known != references_.end()) return known->second;
  const Json* place = nullptr;
  try {
    place = &document_.at(Json::json_pointer(target));
  } catch (const Json::exception&) {
    return BadInput("schema{}/$ref: there is no #{}", path, target);
  }
  // Known before it is compiled: it may contain itself.
  const Node node = references_[target] = rules_.g.AddNode();
  WEIR_TRY(const Node compiled, Schema(*place, target));
  rules_.g.AddEmpty(node, compiled);
  return node;
}

Result<Node> SchemaCompiler::AnyOf(const Json& schema, const std::string& path) {
  WEIR_RETURN_IF_ERROR(CheckKeywords(schema, {"anyOf"}, path));
  const Json& alternatives = schema["anyOf"];
  if (!alternatives.is_array() || alternatives.empty()) {
    return BadInput("schema{}/anyOf: expected a list of schemas", path);
  }
  const Node node = rules_.g.AddNode();
  for (size_t i = 0; i < alternatives.size(); ++i) {
    WEIR_TRY(const Node alternative, Schema(alternatives[i], fmt::format("{}/anyOf/{}", path, i)));
    rules_.g.AddEmpty(node, alternative);
  }
  return node;
}

bool IsOfType(const Json& value, const std::string& type) {
  if (type == "integer") {
    return value.is_number_integer() ||
           (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
  }
  if (type == "number") return value.is_number();
  return value.type_name() == type;
}

Result<Node> SchemaCompiler::Values(const Json& schema, const std::string& path) {
  WEIR_RETURN_IF_ERROR(CheckKeywords(schema, {"enum", "const", "type"}, path));
  WEIR_TRY(const std::vector<std::string> types, Types(schema, path));
  const Json values = schema.contains("enum") ? schema["enum"] : Json::array({schema["const"]});
  if (!values.is_array()) return BadInput("schema{}/enum: expected a list", path);
  const Node node = rules_.g.AddNode();
  bool some = false;
  for (const Json& value : values) {
    const auto fits = [&value](const std::string& type) { return IsOfType(value, type); };
    if (schema.contains("const") && value != schema["const"]) continue;
    if (!types.empty() && std::none_of(types.begin(), types.end(), fits)) continue;
    rules_.g.AddEmpty(node, rules_.Text(value.dump(), rules_.g.End()));
    some = true;
  }
  if (!some) return BadInput("schema{}: no value is allowed", path);
  return node;
}

/// Empty: any.
Result<std::vector<std::string>> SchemaCompiler::Types(const Json& schema, const std::string& path) {
  std::vector<std::string> types;
  if (const auto at = schema.find("type"); at != schema.end()) {
    for (const Json& type : at->is_array() ? *at : Json::array({*at})) {
      if (!type.is_string()) return BadInput("schema{}/type: expected the name of a type", path);
      types.push_back(type.get<std::string>());
    }
    if (types.empty()) return BadInput("schema{}/type: expected the name of a type", path);
  } else if (schema.contains("properties") || schema.contains("required") ||
             schema.contains("additionalProperties")) {
    types = {"object"};
  } else if (schema.contains("items") || schema.contains("prefixItems")) {
    types = {"array"};
  }
  return types;
}

Result<Node> SchemaCompiler::OfType(const Json& schema, const std::string& type,
                                    const std::string& path) {
  // Keywords of other types in the list say nothing about this one.
  static const Keywords kAll{"type",     "properties", "required",  "additionalProperties",
                             "items",    "prefixItems", "minItems", "maxItems",
                             "minLength", "maxLength"};
  WEIR_RETURN_IF_ERROR(CheckKeywords(schema, kAll, path));
  if (type == "object") return Object(schema, path);
  if (type == "array") return Array(schema, path);
  if (type == "string") {
    WEIR_TRY(const int64_t min, Count(schema, "minLength", 0, path));
    WEIR_TRY(const int64_t max, Count(schema, "maxLength", -1, path));
    if (max >= 0 && max < min) return BadInput("schema{}: maxLength is below minLength", path);
    if (min == 0 && max < 0) return rules_.string;
    n_characters_ += std::max(min, max);
    if (n_characters_ > kMaxCharacters) {
      return BadInput("schema{}: minLength and maxLength add up to more than {}", path, kMaxCharacters);
    }
    return rules_.StringOf(min, max);
  }
  if (type == "number") return rules_.number;
  if (type == "integer") return rules_.integer;
  if (type == "boolean") return rules_.boolean;
  if (type == "null") return rules_.null;
  return BadInput("schema{}/type: there is no type {}", path, type);
}

Result<int64_t> SchemaCompiler::Count(const Json& schema, const char* keyword, int64_t otherwise,
                                      const std::string& path) {
  const auto at = schema.find(keyword);
  if (at == schema.end()) return otherwise;
  if (!at->is_number_integer() || *at < 0 || *at > kMaxRepeats) {
    return BadInput("schema{}/{}: expected a number from 0 to {}", path, keyword, kMaxRepeats);
  }
  return at->get<int64_t>();
}

Result<std::set<std::string>> SchemaCompiler::Required(const Json& schema, const std::string& path) {
  std::set<std::string> names;
  const auto at = schema.find("required");
  if (at == schema.end()) return names;
  const Json properties = schema.value("properties", Json::object());
  if (!at->is_array()) return BadInput("schema{}/required: expected a list of names", path);
  for (const Json& name : *at) {
    if (!name.is_string() || !properties.contains(name.get<std::string>())) {
      return BadInput("schema{}/required: expected names of properties, found {}", path, name.dump());
    }
    names.insert(name.get<std::string>());
  }
  return names;
}

Result<Node> SchemaCompiler::Object(const Json& schema, const std::string& path) {
  const auto properties = schema.find("properties");
  if (properties != schema.end() && !properties->is_object()) {
    return BadInput("schema{}/properties: expected an object", path);
  }
  if (properties != schema.end() && !properties->empty()) return Properties(schema, path);
  WEIR_RETURN_IF_ERROR(Required(schema, path));
  const auto others = schema.find("additionalProperties");
  if (others == schema.end() || *others == true) return rules_.object;
  if (*others == false) return rules_.Byte('{', rules_.Call(rules_.space, rules_.Byte('}', rules_.g.End())));
  WEIR_TRY(const Node value, Schema(*others, Inside(path, "additionalProperties")));
  return rules_.List('{', {}, rules_.Member(rules_.string, value), 0, -1, '}');
}

/// Named properties in their order, each there or, if it is not required, not.
Result<Node> SchemaCompiler::Properties(const Json& schema, const std::string& path) {
  WEIR_TRY(const std::set<std::string> required, Required(schema, path));
  std::vector<std::pair<Node, bool>> members;
  for (const auto& [name, property] : schema["properties"].items()) {
    WEIR_TRY(const Node value, Schema(property, Inside(Inside(path, "properties"), name)));
    const Node key = rules_.Text(Json(name).dump(), rules_.g.End());
    members.push_back({rules_.Member(key, value), required.count(name) > 0});
  }
  // From the last property to the first: what can follow with none so far, and with some.
  Node none = rules_.Byte('}', rules_.g.End()), some = none;
  for (auto at = members.rbegin(); at != members.rend(); ++at) {
    const auto [member, is_required] = *at;
    const Node there = rules_.Call(member, some);
    const Node after_others = rules_.Byte(',', rules_.Call(rules_.space, there));
    none = is_required ? there : rules_.Either({there, none});
    some = is_required ? after_others : rules_.Either({after_others, some});
  }
  return rules_.Byte('{', rules_.Call(rules_.space, none));
}

Result<Node> SchemaCompiler::Array(const Json& schema, const std::string& path) {
  std::vector<Node> first;
  if (const auto at = schema.find("prefixItems"); at != schema.end()) {
    if (!at->is_array()) return BadInput("schema{}/prefixItems: expected a list", path);
    for (size_t i = 0; i < at->size(); ++i) {
      WEIR_TRY(const Node node, Schema((*at)[i], fmt::format("{}/prefixItems/{}", path, i)));
      first.push_back(node);
    }
  }
  WEIR_TRY(const int64_t min, Count(schema, "minItems", 0, path));
  WEIR_TRY(int64_t max, Count(schema, "maxItems", -1, path));
  if (max >= 0 && max < min) return BadInput("schema{}: maxItems is below minItems", path);
  const auto items = schema.find("items");
  Node item = rules_.value;
  if (items != schema.end() && *items == false) {
    max = max < 0 ? static_cast<int64_t>(first.size()) : std::min<int64_t>(max, first.size());
    if (max < min) return BadInput("schema{}: minItems is above the number of prefixItems", path);
  } else if (items != schema.end()) {
    WEIR_TRY(item, Schema(*items, Inside(path, "items")));
  }
  return rules_.List('[', first, item, min, max, ']');
}

}  // namespace

Grammar JsonObjectGrammar() {
  JsonRules rules;
  rules.g.set_start(rules.object);
  return std::move(rules.g);
}

Result<Grammar> JsonSchemaGrammar(const nlohmann::ordered_json& schema) {
  return SchemaCompiler(schema).Compile();
}

}  // namespace weir
