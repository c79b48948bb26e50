// What the body of a request can make weir do before a model is asked: JSON with limits, fields, tools and their
// calls, and the grammars that schemas come to.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "model/constrain/json_schema.h"
#include "server/answer_order.h"
#include "server/tools.h"

namespace {

using namespace weir;

/// An error must name what is wrong; and each text that it repeats is short.
void Check(const std::optional<ApiError>& error) {
  if (error && (error->message.empty() || error->code.empty() || ErrorText(*error).empty())) __builtin_trap();
}

/// Steps through a grammar with bytes that it may or may not take.
void Match(const Grammar& grammar, std::string_view text) {
  Matcher matcher(grammar);
  MatchState state = matcher.Start(), next;
  for (const char c : text.substr(0, 64)) {
    matcher.Step(state, static_cast<uint8_t>(c), next);
    std::swap(state, next);
    if (state.dead()) break;
  }
}

void Read(const Json& body) {
  Fields fields(body);
  AnswerParams params;
  ReadAnswerParams(fields, 1000, &params);
  const ToolOrder tools = ReadTools(fields);
  if (const Json* const calls = fields.Any("tool_calls")) {
    std::optional<ApiError> error;
    ReadToolCalls(*calls, "tool_calls", &error);
    Check(error);
  }
  if (const Json* const schema = fields.Any("schema")) {
    if (const auto grammar = JsonSchemaGrammar(*schema)) Match(*grammar, "{\"a\": [1, true, \"x\"]}");
  }
  const auto error = fields.End();
  Check(error);
  if (error) return;
  for (const bool tagged : {false, true}) {
    const auto constraint = ConstrainCalls(tools, tagged);
    if (constraint && *constraint) Match((*constraint)->grammar, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto body = ParseBody({reinterpret_cast<const char*>(data), size});
  if (const ApiError* const error = std::get_if<ApiError>(&body)) {
    Check(*error);
  } else {
    Read(std::get<Json>(body));
  }
  return 0;
}
