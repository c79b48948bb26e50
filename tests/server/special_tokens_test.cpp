// No text of a request can become a control token in what the model reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <span>

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

/// A request of Anthropic's.
json Asking(std::initializer_list<json> messages) {
  return {{"max_tokens", 9}, {"messages", std::vector<json>(messages)}};
}

json UseOf(const std::string& id, const std::string& name, const json& input) {
  const json use{{"type", "tool_use"}, {"id", id}, {"name", name}, {"input", input}};
  return {{"role", "assistant"}, {"content", json::array({use})}};
}

json AskingWith(const json& more) {
  json body = Asking({User("a")});
  body.update(more);
  return body;
}

json Blocks(const json& block) { return json::array({block}); }

const Field kAnthropicFields[] = {
    {"system", [](const std::string& t) { return AskingWith({{"system", t}}); }},
    {"system's block",
     [](const std::string& t) { return AskingWith({{"system", Blocks({{"type", "text"}, {"text", t}})}}); }},
    {"user", [](const std::string& t) { return Asking({User(t)}); }},
    {"block", [](const std::string& t) { return Asking({User(Blocks({{"type", "text"}, {"text", t}}))}); }},
    {"blocks",
     [](const std::string& t) {
       return Asking({User(json::array({{{"type", "text"}, {"text", t.substr(0, t.size() / 2)}},
                                        {{"type", "text"}, {"text", t.substr(t.size() / 2)}}}))});
     }},
    {"assistant",
     [](const std::string& t) { return Asking({User("a"), {{"role", "assistant"}, {"content", t}}, User("b")}); }},
    {"thinking",
     [](const std::string& t) {
       const json block{{"type", "thinking"}, {"thinking", t}, {"signature", t}};
       return Asking({User("a"), {{"role", "assistant"}, {"content", Blocks(block)}}, User("b")});
     }},
    {"role", [](const std::string& t) { return Asking({{{"role", t}, {"content", "a"}}}); }},
    {"call id", [](const std::string& t) { return Asking({UseOf(t, "f", {{"k", "v"}}), User("a")}); }},
    {"call name", [](const std::string& t) { return Asking({UseOf("1", t, {{"k", "v"}}), User("a")}); }},
    {"argument", [](const std::string& t) { return Asking({UseOf("1", "f", {{"k", t}}), User("a")}); }},
    {"argument's name", [](const std::string& t) { return Asking({UseOf("1", "f", {{t, "v"}}), User("a")}); }},
    {"argument within", [](const std::string& t) { return Asking({UseOf("1", "f", {{"k", {{t, {t}}}}}), User("a")}); }},
    {"tool result",
     [](const std::string& t) {
       const json block{{"type", "tool_result"}, {"tool_use_id", t}, {"content", t}};
       return Asking({UseOf("1", "f", json::object()), User(Blocks(block))});
     }},
    {"tool result's block",
     [](const std::string& t) {
       const json text = Blocks({{"type", "text"}, {"text", t}});
       const json block{{"type", "tool_result"}, {"tool_use_id", "1"}, {"content", text}};
       return Asking({UseOf("1", "f", json::object()), User(Blocks(block))});
     }},
    {"tool", [](const std::string& t) { return AskingWith({{"tools", {{{"name", t}, {"description", "d"}}}}}); }},
    {"tool description",
     [](const std::string& t) { return AskingWith({{"tools", {{{"name", "f"}, {"description", t}}}}}); }},
    {"input_schema",
     [](const std::string& t) {
       const json schema{{"type", "object"}, {"description", t}, {"properties", {{t, {{"enum", {t}}}}}}, {t, t}};
       return AskingWith({{"tools", {{{"name", "f"}, {"input_schema", schema}}}}});
     }},
    {"tool_choice",
     [](const std::string& t) {
       return AskingWith({{"tools", {{{"name", "f"}}}}, {"tool_choice", {{"type", "tool"}, {"name", t}}}});
     }},
    {"stop_sequences", [](const std::string& t) { return AskingWith({{"stop_sequences", {t}}}); }},
    {"metadata", [](const std::string& t) { return AskingWith({{"metadata", {{t, t}}}, {"model", t}}); }},
};

json Input(const json& item) { return {{"input", json::array({item})}}; }

json FunctionCall(const std::string& id, const std::string& name, const json& arguments) {
  return Input({{"type", "function_call"}, {"call_id", id}, {"name", name}, {"arguments", arguments.dump()}});
}

const Field kResponsesFields[] = {
    {"input", [](const std::string& t) { return json{{"input", t}}; }},
    {"instructions", [](const std::string& t) { return json{{"input", "a"}, {"instructions", t}}; }},
    {"user", [](const std::string& t) { return Input(User(t)); }},
    {"developer", [](const std::string& t) { return Input({{"role", "developer"}, {"content", t}}); }},
    {"part", [](const std::string& t) { return Input(User(Blocks({{"type", "input_text"}, {"text", t}}))); }},
    {"parts",
     [](const std::string& t) {
       return Input(User(json::array({{{"type", "input_text"}, {"text", t.substr(0, t.size() / 2)}},
                                      {{"type", "input_text"}, {"text", t.substr(t.size() / 2)}}})));
     }},
    {"items",  // of one answer: they are one message of a chat
     [](const std::string& t) {
       return json{{"input", {{{"role", "assistant"}, {"content", t.substr(0, t.size() / 2)}},
                              {{"role", "assistant"}, {"content", t.substr(t.size() / 2)}}}}};
     }},
    {"assistant",
     [](const std::string& t) {
       return Input({{"type", "message"}, {"id", t}, {"status", t}, {"role", "assistant"},
                     {"content", Blocks({{"type", "output_text"}, {"text", t}})}});
     }},
    {"role", [](const std::string& t) { return Input({{"role", t}, {"content", "a"}}); }},
    {"reasoning",
     [](const std::string& t) {
       const json content = Blocks({{"type", "reasoning_text"}, {"text", t}});
       return Input({{"type", "reasoning"}, {"summary", {t}}, {"content", content}});
     }},
    {"call id", [](const std::string& t) { return FunctionCall(t, "f", {{"k", "v"}}); }},
    {"call name", [](const std::string& t) { return FunctionCall("1", t, {{"k", "v"}}); }},
    {"argument", [](const std::string& t) { return FunctionCall("1", "f", {{"k", t}}); }},
    {"argument's name", [](const std::string& t) { return FunctionCall("1", "f", {{t, "v"}}); }},
    {"argument within", [](const std::string& t) { return FunctionCall("1", "f", {{"k", {{t, {t}}}}}); }},
    {"output",
     [](const std::string& t) { return Input({{"type", "function_call_output"}, {"call_id", t}, {"output", t}}); }},
    {"tool",
     [](const std::string& t) {
       const json schema{{"type", "object"}, {"description", t}, {"properties", {{t, {{"enum", {t}}}}}}, {t, t}};
       const json tool{{"type", "function"}, {"name", "f"}, {"description", t}, {"parameters", schema}};
       return json{{"input", "a"}, {"tools", {tool}}};
     }},
    {"tool name",
     [](const std::string& t) { return json{{"input", "a"}, {"tools", {{{"type", "function"}, {"name", t}}}}}; }},
    {"tool_choice",
     [](const std::string& t) {
       return json{{"input", "a"},
                   {"tools", {{{"type", "function"}, {"name", "f"}}}},
                   {"tool_choice", {{"type", "function"}, {"name", t}}}};
     }},
    {"text.format",
     [](const std::string& t) {
       const json schema{{"type", "object"}, {"title", t}, {"properties", {{t, {{"const", t}}}}}};
       return json{{"input", "a"}, {"text", {{"format", {{"type", "json_schema"}, {"name", t}, {"schema", schema}}}}}};
     }},
    {"stop",
     [](const std::string& t) { return json{{"input", "a"}, {"stop", t}, {"user", t}, {"metadata", {{t, t}}}}; }},
    {"template's variable",
     [](const std::string& t) {
       return json{{"input", "a"}, {"chat_template_kwargs", {{"persona", {t, {{t, t}}}}}}};
     }},
};

using Reader = std::variant<AnswerOrder, ApiError> (*)(const Json& body, const ServedModel& model);

/// The special tokens of the prompt that a body comes to; nothing if it is refused.
std::optional<std::vector<int32_t>> Specials(Reader read, const json& body, const ServedModel& model,
                                             const std::vector<int32_t>& specials) {
  const auto order = read(Json::parse(body.dump()), model);
  if (!std::holds_alternative<AnswerOrder>(order)) return std::nullopt;
  std::vector<int32_t> found;
  for (const int32_t id : std::get<AnswerOrder>(order).requests[0].prompt) {
    if (std::ranges::binary_search(specials, id)) found.push_back(id);
  }
  return found;
}

/// Tries all special tokens in all fields.
void ExpectNoneReachesTheModel(Reader read, std::span<const Field> fields) {
  Serving serving;
  const std::vector<int32_t> specials = SpecialIds();
  ASSERT_GT(specials.size(), 2u);
  const ChatTemplate tell_all = ChatTemplate::Parse(kTellAll, "all").value();
  ServedModel telling = serving.model();
  telling.chat_template = &tell_all;
  int n_read = 0;
  for (const auto& [name, body] : fields) {
    bool is_read = false;
    for (const ServedModel& model : {serving.model(), telling}) {
      // What the template writes by itself; a text that is refused, as names and roles may be, reaches nobody.
      const auto expected = Specials(read, body("word"), model, specials);
      is_read |= expected.has_value();
      for (const int32_t id : specials) {
        const std::string piece(TinyModel().tokenizer->Piece(id));
        for (const std::string& text : {piece, "a" + piece + "b", piece + piece, " " + piece + "\n"}) {
          const auto found = Specials(read, body(text), model, specials);
          if (!found) continue;
          ++n_read;
          EXPECT_EQ(found, expected) << name << ": " << text;
        }
      }
    }
    EXPECT_TRUE(is_read || std::string_view(name) == "role" || std::string_view(name) == "tool_choice") << name;
  }
  EXPECT_GT(n_read, 300);
}

TEST(SpecialTokens, OfNoFieldReachTheModel) { ExpectNoneReachesTheModel(ReadChat, kFields); }
TEST(SpecialTokens, OfNoFieldOfAnthropicsReachTheModel) { ExpectNoneReachesTheModel(ReadAnthropic, kAnthropicFields); }
TEST(SpecialTokens, OfNoFieldOfResponsesReachTheModel) { ExpectNoneReachesTheModel(ReadResponses, kResponsesFields); }

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
