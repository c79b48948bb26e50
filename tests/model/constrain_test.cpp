// Answers that must be JSON: whatever a model would like to say, only tokens that keep the text valid are allowed,
// and there always is one.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "gguf/gguf_file.h"
#include "model/constrain/json_schema.h"
#include "model/constrain/token_mask.h"
#include "model/text/tokenizer.h"
#include "test_data.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

const Tokenizer& TinyTokenizer() {
  static const auto tokenizer = [] {
    const auto file = GgufFile::Open(TestData("weir-tiny-q8_0.gguf"));
    return Tokenizer::Create((*file)->metadata()).value();
  }();
  return *tokenizer;
}

std::shared_ptr<const TokenIndex> TinyIndex() {
  static const auto index = std::make_shared<const TokenIndex>(TinyTokenizer());
  return index;
}

std::shared_ptr<const Constraint> Constrain(Grammar grammar) {
  return std::make_shared<const Constraint>(std::move(grammar), TinyIndex());
}

Grammar SchemaGrammar(const std::string& schema) {
  auto grammar = JsonSchemaGrammar(Json::parse(schema));
  EXPECT_TRUE(grammar.ok()) << grammar.error().message;
  return std::move(grammar).value();
}

std::string SchemaError(const std::string& schema) {
  const auto grammar = JsonSchemaGrammar(Json::parse(schema));
  return grammar.ok() ? "" : grammar.error().message;
}

bool Matches(const Grammar& grammar, std::string_view text) {
  Matcher matcher(grammar);
  MatchState state = matcher.Start(), next;
  for (char byte : text) {
    matcher.Step(state, static_cast<uint8_t>(byte), next);
    std::swap(state, next);
  }
  return state.complete;
}

TEST(Grammar, KnowsJsonFromWhatIsNot) {
  const Grammar grammar = JsonObjectGrammar();
  for (const char* text :
       {"{}", "{ }", R"({"a":1})", R"({"a": [1, -2.5e+3, "x\"\\\u00e9", null, {"b": true}], "c": {}})",
        "{\n  \"a\": \"\xc3\xa9\xf0\x9f\x98\x80\"\n}"}) {
    EXPECT_TRUE(Matches(grammar, text)) << text;
  }
  for (const char* text :
       {"", "[]", "{", R"({"a":01})", R"({"a":1,})", R"({a:1})", R"({"a":"\x"})", R"({"a":+1})",
        "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", R"({"a":"\ud800"})",
        R"({"a":1}})", R"({"a":tru})", R"({"a":1.})", R"({"a" "b"})", "{\"a\":\"\xc3\"}"}) {
    EXPECT_FALSE(Matches(grammar, text)) << text;
  }
}

TEST(Grammar, SaysWhatASchemaAllows) {
  const Grammar person = SchemaGrammar(R"({"type":"object","properties":{"name":{"type":"string"},
      "age":{"type":"integer"},"tags":{"type":"array","items":{"enum":["a","b"]},"minItems":1,"maxItems":2}},
      "required":["name"],"additionalProperties":false})");
  EXPECT_TRUE(Matches(person, R"({"name":"x"})"));
  EXPECT_TRUE(Matches(person, R"({"name": "x", "age": -3, "tags": ["a", "b"]})"));
  EXPECT_TRUE(Matches(person, R"({"name":"x","tags":["b"]})"));
  EXPECT_FALSE(Matches(person, R"({"age":3})"));
  EXPECT_FALSE(Matches(person, R"({"name":"x","age":3.5})"));
  EXPECT_FALSE(Matches(person, R"({"name":"x","tags":[]})"));
  EXPECT_FALSE(Matches(person, R"({"name":"x","tags":["a","b","a"]})"));
  EXPECT_FALSE(Matches(person, R"({"name":"x","other":1})"));

  const Grammar list = SchemaGrammar(R"({"$ref":"#/$defs/list","$defs":{"list":{"anyOf":[{"type":"null"},
      {"type":"object","properties":{"head":{"type":"number"},"tail":{"$ref":"#/$defs/list"}},
       "required":["head","tail"]}]}}})");
  EXPECT_TRUE(Matches(list, R"({"head":1,"tail":{"head":2.5,"tail":null}})"));
  EXPECT_FALSE(Matches(list, R"({"head":1})"));

  const Grammar word = SchemaGrammar(R"({"type":"string","minLength":1,"maxLength":3})");
  EXPECT_FALSE(Matches(word, R"("")"));
  EXPECT_TRUE(Matches(word, "\"\xc3\xa9\\u00e9x\""));
  EXPECT_FALSE(Matches(word, R"("abcd")"));
}

TEST(Grammar, RefusesWhatItCannotGuarantee) {
  EXPECT_EQ(SchemaError(R"({"type":"object","properties":{"a":{"type":"string","pattern":"x+"}}})"),
            "schema/properties/a: the keyword pattern is not supported here");
  EXPECT_EQ(SchemaError(R"({"oneOf":[{"type":"null"}]})"), "schema: the keyword oneOf is not supported here");
  EXPECT_EQ(SchemaError(R"({"type":"strange"})"), "schema/type: there is no type strange");
  EXPECT_EQ(SchemaError(R"({"$ref":"#/$defs/x"})"), "schema/$ref: there is no #/$defs/x");
  EXPECT_EQ(SchemaError(R"({"$ref":"http://example.com"})"),
            "schema/$ref: expected a reference within the document, such as #/$defs/NAME");
  EXPECT_EQ(SchemaError(R"({"type":"array","minItems":3,"maxItems":2})"),
            "schema: maxItems is below minItems");
  EXPECT_EQ(SchemaError(R"({"type":"array","minItems":100000})"),
            "schema/minItems: expected a number from 0 to 1000");
  EXPECT_EQ(SchemaError(R"({"type":"string","enum":[1]})"), "schema: no value is allowed");
  EXPECT_EQ(SchemaError(R"({"required":["x"]})"),
            "schema/required: expected names of properties, found \"x\"");
  EXPECT_EQ(SchemaError(R"({"type":"string","maxLength":101})"),
            "schema: minLength and maxLength add up to more than 100");
  EXPECT_EQ(SchemaError("3"), "schema: expected an object");
  std::string deep = R"({"type":"string"})";
  for (int i = 0; i < 100; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_NE(SchemaError(deep).find("more than 64 levels deep"), std::string::npos);
  std::string large = R"({"type":"string"})";
  for (int i = 0; i < 6; ++i) large = R"({"type":"array","minItems":900,"items":)" + large + "}";
  EXPECT_EQ(SchemaError(large), "");  // items are a rule, not a copy
}

TEST(Grammar, NoticesReferencesThatLeadNowhere) {
  const std::string expected = "schema: a $ref leads to itself and to nothing else";
  EXPECT_EQ(SchemaError(R"({"$ref":"#"})"), expected);
  EXPECT_EQ(SchemaError(R"({"$ref":"#/$defs/n","$defs":{
      "n":{"anyOf":[{"type":"object","properties":{"p":{"$ref":"#/$defs/h"}}},{"$ref":"#/$defs/h"}]},
      "h":{"anyOf":[{"$ref":"#/$defs/n"}]}}})"),
            expected);
}

/// What a model that draws at random among the allowed tokens writes, up to max_tokens.
std::string RandomText(const std::shared_ptr<const Constraint>& constraint, std::mt19937_64& random,
                       int max_tokens, bool* ended) {
  ConstrainedText text(constraint);
  std::string written;
  for (int n = 0; n < max_tokens; ++n) {
    const std::span<const uint64_t> allowed = text.Allowed();
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < TinyTokenizer().n_tokens(); ++id) {
      if (allowed[id / 64] >> id % 64 & 1) ids.push_back(id);
    }
    EXPECT_FALSE(ids.empty()) << "no way on from: " << written;
    if (ids.empty()) break;
    // Ends and short tokens more often than their number: random words are long.
    const auto key = [](int32_t id) { return std::pair(TinyTokenizer().Piece(id).size(), id); };
    std::sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return key(a) < key(b); });
    const int32_t id = random() % 2 ? ids[random() % std::min<size_t>(ids.size(), 6)]
                                    : ids[random() % ids.size()];
    if (TinyTokenizer().IsEndOfGeneration(id)) {
      *ended = true;
      EXPECT_TRUE(text.complete());
      return written;
    }
    text.Take(id);
    written += TinyTokenizer().Piece(id);
  }
  *ended = false;
  return written;
}

TEST(Constraint, AllowsJustTheTokensThatTheGrammarDoes) {
  const Grammar grammar = SchemaGrammar(R"({"type":"object","properties":{
      "text":{"type":"string"},"n":{"type":"number"},"short":{"type":"string","maxLength":4}}})");
  const auto constraint = Constrain(grammar);
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 5; ++round) {
    ConstrainedText text(constraint);
    Matcher matcher(grammar);
    MatchState state = matcher.Start();
    for (int n = 0; n < 60; ++n) {
      const std::span<const uint64_t> allowed = text.Allowed();
      std::vector<int32_t> ids;
      for (int32_t id = 0; id < TinyTokenizer().n_tokens(); ++id) {
        MatchState at = state, next;
        const std::string_view bytes = TinyTokenizer().Piece(id);
        for (size_t i = 0; i < bytes.size() && !at.dead(); ++i) {
          matcher.Step(at, static_cast<uint8_t>(bytes[i]), next);
          std::swap(at, next);
        }
        bool expected = !bytes.empty() && !at.dead() && !TinyTokenizer().IsControl(id);
        if (TinyTokenizer().IsEndOfGeneration(id)) expected = state.complete;
        ASSERT_EQ(allowed[id / 64] >> id % 64 & 1, expected) << bytes << ", WEIR_SEED=" << TestSeed();
        if (expected) ids.push_back(id);
      }
      const int32_t id = ids[random() % ids.size()];
      if (TinyTokenizer().IsEndOfGeneration(id)) break;
      text.Take(id);
      MatchState next;
      for (char byte : TinyTokenizer().Piece(id)) {
        matcher.Step(state, static_cast<uint8_t>(byte), next);
        std::swap(state, next);
      }
    }
  }
}

/// Random schemas of what is supported.
Json RandomSchema(std::mt19937_64& random, int depth) {
  const auto below = [&random](int n) { return static_cast<int>(random() % n); };
  switch (below(depth > 0 ? 9 : 6)) {
    case 0: return {{"type", "string"}};
    case 1: return {{"type", "integer"}};
    case 2: return {{"type", "number"}};
    case 3: return {{"type", Json::array({"boolean", "null"})}};
    case 4: return {{"enum", Json::array({1, "two", nullptr, Json::array({true}), "\xc3\xa9\""})}};
    case 5: {
      const int min = below(3);
      return {{"type", "string"}, {"minLength", min}, {"maxLength", min + below(4)}};
    }
    case 6: {
      const int min = below(3);
      Json schema{{"type", "array"}, {"items", RandomSchema(random, depth - 1)}, {"minItems", min}};
      if (below(2)) schema["maxItems"] = min + below(3);
      return schema;
    }
    case 7:
      return {{"anyOf", Json::array({RandomSchema(random, depth - 1), RandomSchema(random, depth - 1)})}};
    default: {
      Json schema{{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
      for (int i = below(4); i > 0; --i) {
        const std::string name = std::string("p\"") + std::to_string(i);
        schema["properties"][name] = RandomSchema(random, depth - 1);
        if (below(2)) schema["required"].push_back(name);
      }
      if (below(2)) schema["additionalProperties"] = false;
      return schema;
    }
  }
}

/// A validator of its own: what the schema says, not how the grammar says it.
bool IsValid(const Json& schema, const Json& value) {
  if (schema.contains("anyOf")) {
    return std::any_of(schema["anyOf"].begin(), schema["anyOf"].end(),
                       [&value](const Json& one) { return IsValid(one, value); });
  }
  if (schema.contains("enum")) {
    return std::count(schema["enum"].begin(), schema["enum"].end(), value) > 0;
  }
  const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
  const std::string type = value.is_number_integer() && types[0] == "integer" ? "integer" : value.type_name();
  if (std::count(types.begin(), types.end(), type) == 0) return false;
  const auto within = [&schema](int64_t n, const char* min, const char* max) {
    return n >= schema.value(min, int64_t{0}) && n <= schema.value(max, int64_t{1} << 40);
  };
  if (type == "string") {
    const std::string& text = value.get_ref<const std::string&>();
    const auto starts = [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; };
    return within(std::count_if(text.begin(), text.end(), starts), "minLength", "maxLength");
  }
  if (type == "array") {
    return within(value.size(), "minItems", "maxItems") &&
           std::all_of(value.begin(), value.end(),
                       [&schema](const Json& item) { return IsValid(schema["items"], item); });
  }
  if (type != "object") return true;
  for (const Json& name : schema["required"]) {
    if (!value.contains(name.get<std::string>())) return false;
  }
  for (const auto& [name, member] : value.items()) {
    const auto at = schema["properties"].find(name);
    if (at == schema["properties"].end()) {
      if (schema.contains("additionalProperties")) return false;
    } else if (!IsValid(*at, member)) {
      return false;
    }
  }
  return true;
}

TEST(Constraint, WhatEndsIsValidUnderRandomSchemas) {
  std::mt19937_64 random(TestSeed());
  int n_ended = 0;
  for (int round = 0; round < 60; ++round) {
    const Json schema = RandomSchema(random, 3);
    SCOPED_TRACE(fmt::format("WEIR_SEED={} {}", TestSeed(), schema.dump()));
    const auto constraint = Constrain(SchemaGrammar(schema.dump()));
    for (int i = 0; i < 4; ++i) {
      bool ended = false;
      const std::string text = RandomText(constraint, random, 300, &ended);
      if (!ended) continue;
      ++n_ended;
      const Json value = Json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << text;
      ASSERT_TRUE(IsValid(schema, value)) << text;
    }
  }
  EXPECT_GT(n_ended, 60);
}

}  // namespace
}  // namespace weir
