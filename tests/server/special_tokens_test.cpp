// No text of a request can become a control token in what the model reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "server/endpoints.h"
#include "server/serving.h"

namespace weir {
namespace {

using nlohmann::json;

/// Writes all that a request says, wherever it stands in it.
constexpr const char* kTellAll =
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n"
    "{%- for key, value in message | items %}{{ key }}={{ value if value is string else value | tojson }};"
    "{%- endfor %}"
    "{%- for call in message.tool_calls or [] %}{%- for key, value in call.function.arguments | items %}"
    "{{ call.id }}{{ call.function.name }}{{ key }}{{ value }}{%- endfor %}{%- endfor %}<|im_end|>\n"
    "{%- endfor %}"
    "{%- for tool in tools or [] %}{{ tool | tojson }}{{ tool.function.name }}{{ tool.function.description }}"
    "{%- for key, value in (tool.function.parameters or {}) | items %}{{ key }}{{ value }}{%- endfor %}"
    "{%- endfor %}{{ persona }}<|im_start|>assistant\n";

/// Ids that are more than text when they are named in a text whose special tokens count.
std::vector<int32_t> SpecialIds() {
  const Tokenizer& tokenizer = *TinyModel().tokenizer;
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < tokenizer.n_tokens(); ++id) {
    const std::string piece(tokenizer.Piece(id));
    const std::vector<int32_t> only{id};
    if (tokenizer.IsControl(id) ||
        (tokenizer.Encode(piece, true) == only && tokenizer.Encode(piece, false) != only)) {
      ids.push_back(id);
    }
  }
  return ids;
}

json User(const json& content) { return {{"role", "user"}, {"content", content}}; }

json Tool(const json& function) { return {{"type", "function"}, {"function", function}}; }

json CallOf(const std::string& id, const std::string& name, const json& arguments) {
  return {{"role", "assistant"},
          {"content", ""},
          {"tool_calls", {{{"id", id}, {"type", "function"}, {"function", {{"name", name}, {"arguments", arguments.dump()}}}}}}};
}

/// A chat request with `text` in one of its fields.
struct Field {
  const char* name;
  std::function<json(const std::string& text)> body;
};

const Field kFields[] = {
    {"system", [](const std::string& t) { return json{{"messages", {{{"role", "system"}, {"content", t}}, User("a")}}}; }},
    {"developer", [](const std::string& t) { return json{{"messages", {{{"role", "developer"}, {"content", t}}}}}; }},
    {"user", [](const std::string& t) { return json{{"messages", {User(t)}}}; }},
    {"part", [](const std::string& t) { return json{{"messages", {User(json::array({{{"type", "text"}, {"text", t}}}))}}}; }},
    {"parts",  // the token is whole only where they meet
     [](const std::string& t) {
       return json{{"messages", {User(json::array({{{"type", "text"}, {"text", t.substr(0, t.size() / 2)}},
                                                   {{"type", "text"}, {"text", t.substr(t.size() / 2)}}}))}}};
     }},
    {"assistant", [](const std::string& t) { return json{{"messages", {{{"role", "assistant"}, {"content", t}}, User("a")}}}; }},
    {"reasoning_content",
     [](const std::string& t) {
       return json{{"messages", {{{"role", "assistant"}, {"content", "a"}, {"reasoning_content", t}}, User("a")}}};
     }},
    {"name", [](const std::string& t) { return json{{"messages", {{{"role", "user"}, {"content", "a"}, {"name", t}}}}}; }},
    {"role", [](const std::string& t) { return json{{"messages", {{{"role", t}, {"content", "a"}}}}}; }},
    {"tool result",
     [](const std::string& t) {
       return json{{"messages", {User("a"), CallOf("1", "f", json::object()),
                                 {{"role", "tool"}, {"tool_call_id", "1"}, {"content", t}}}}};
     }},
    {"tool_call_id",
     [](const std::string& t) {
       return json{{"messages", {User("a"), {{"role", "tool"}, {"tool_call_id", t}, {"content", "b"}}}}};
     }},
    {"call id", [](const std::string& t) { return json{{"messages", {User("a"), CallOf(t, "f", {{"k", "v"}})}}}; }},
    {"call name", [](const std::string& t) { return json{{"messages", {User("a"), CallOf("1", t, {{"k", "v"}})}}}; }},
    {"argument", [](const std::string& t) { return json{{"messages", {User("a"), CallOf("1", "f", {{"k", t}})}}}; }},
    {"argument's name", [](const std::string& t) { return json{{"messages", {User("a"), CallOf("1", "f", {{t, "v"}})}}}; }},
    {"argument within",
     [](const std::string& t) { return json{{"messages", {User("a"), CallOf("1", "f", {{"k", {{t, {t}}}}})}}}; }},
    {"tool name", [](const std::string& t) { return json{{"messages", {User("a")}}, {"tools", {Tool({{"name", t}})}}}; }},
    {"tool description",
     [](const std::string& t) {
       return json{{"messages", {User("a")}}, {"tools", {Tool({{"name", "f"}, {"description", t}})}}};
     }},
    {"parameters",
     [](const std::string& t) {
       const json parameters = {{"type", "object"},
                                {"description", t},
                                {"properties", {{t, {{"description", t}, {"enum", {t}}}}}},
                                {t, t}};
       return json{{"messages", {User("a")}}, {"tools", {Tool({{"name", "f"}, {"parameters", parameters}})}}};
     }},
    {"tool_choice",
     [](const std::string& t) {
       return json{{"messages", {User("a")}},
                   {"tools", {Tool({{"name", "f"}})}},
                   {"tool_choice", Tool({{"name", t}})}};
     }},
    {"response_format",
     [](const std::string& t) {
       const json schema = {{"type", "object"}, {"title", t}, {"properties", {{t, {{"const", t}}}}}};
       return json{{"messages", {User("a")}},
                   {"response_format",
                    {{"type", "json_schema"}, {"json_schema", {{"name", t}, {"description", t}, {"schema", schema}}}}}};
     }},
    {"stop", [](const std::string& t) { return json{{"messages", {User("a")}}, {"stop", {t}}}; }},
    {"user's name", [](const std::string& t) { return json{{"messages", {User("a")}}, {"user", t}, {"model", t}}; }},
    {"metadata", [](const std::string& t) { return json{{"messages", {User("a")}}, {"metadata", {{t, t}}}}; }},
    {"template's variable",
     [](const std::string& t) {
       return json{{"messages", {User("a")}}, {"chat_template_kwargs", {{"persona", {t, {{t, t}}}}}}};
     }},
};

/// The special tokens of the prompt that a body comes to; nothing if it is refused.
std::optional<std::vector<int32_t>> Specials(const json& body, const ServedModel& model,
                                             const std::vector<int32_t>& specials) {
  const auto order = ReadChat(Json::parse(body.dump()), model);
  if (!std::holds_alternative<AnswerOrder>(order)) return std::nullopt;
  std::vector<int32_t> found;
  for (const int32_t id : std::get<AnswerOrder>(order).requests[0].prompt) {
    if (std::ranges::binary_search(specials, id)) found.push_back(id);
  }
  return found;
}

TEST(SpecialTokens, OfNoFieldReachTheModel) {
  Serving serving;
  const std::vector<int32_t> specials = SpecialIds();
  ASSERT_GT(specials.size(), 2u);
  const ChatTemplate tell_all = ChatTemplate::Parse(kTellAll, "all").value();
  ServedModel telling = serving.model();
  telling.chat_template = &tell_all;
  int n_read = 0;
  for (const ServedModel& model : {serving.model(), telling}) {
    for (const auto& [name, body] : kFields) {
      // What the template writes by itself; a text that is refused, as names and roles may be, reaches nobody.
      const auto expected = Specials(body("word"), model, specials);
      for (const int32_t id : specials) {
        const std::string piece(TinyModel().tokenizer->Piece(id));
        for (const std::string& text : {piece, "a" + piece + "b", piece + piece, " " + piece + "\n"}) {
          const auto found = Specials(body(text), model, specials);
          if (!found) continue;
          ++n_read;
          EXPECT_EQ(found, expected) << name << ": " << text;
        }
      }
    }
  }
  EXPECT_GT(n_read, 300);
}

/// A prompt that is no conversation is the model's whole input: there special tokens are what they say, as are ids.
TEST(SpecialTokens, CountInRawPromptsAndNotInTextsToEmbed) {
  Serving serving;
  for (const int32_t id : SpecialIds()) {
    const std::string piece(TinyModel().tokenizer->Piece(id));
    const Json body{{"prompt", "a" + piece}, {"stop", piece}};
    const auto prompt = std::get<AnswerOrder>(ReadCompletion(body, serving.model())).requests[0].prompt;
    EXPECT_EQ(std::ranges::count(prompt, id), 1) << piece;
    const auto text = std::get<AnswerOrder>(ReadEmbeddings(Json{{"input", "a" + piece}}, serving.model()));
    EXPECT_EQ(std::ranges::count(text.requests[0].prompt, id), 0) << piece;
  }
}

}  // namespace
}  // namespace weir
