// Tools that a conversation offers: how the request names them, and what an answer that must call one looks like.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "model/constrain/grammar.h"
#include "server/json_fields.h"
#include "util/error.h"

namespace weir {

/// What a request says of tools.
struct ToolOrder {
  // {"type":"function","function":{"name","description","parameters"}}; empty: none, or none is to be called.
  Json tools = Json::array();
  std::vector<bool> strict;  // of each: its arguments must be valid under its schema
  bool required = false;     // the answer must be a call,
  std::string name;          // of this one, if any is named
  bool parallel = true;      // more than one call
};

/// tools, tool_choice and parallel_tool_calls.
ToolOrder ReadTools(Fields& fields);

/// tool_calls of a message at `where`, with their arguments as objects, as templates want them.
Json ReadToolCalls(const Json& calls, const std::string& where, std::optional<ApiError>* error);

/// What the answer must be, and from where on.
struct CallConstraint {
  Grammar grammar;
  std::string after;  // what the model writes first, if it calls at all; empty: from the beginning
};

/// Nothing if the answer is free: no call is required, and no tool is strict. `tagged`: the template teaches
/// <tool_call>; if not, the answer is an object in JSON. kBadInput for strict tools whose schema, or template, does not
/// allow to keep that promise. Other tools' arguments are valid as far as their schemas are understood.
Result<std::optional<CallConstraint>> ConstrainCalls(const ToolOrder& order, bool tagged);

}  // namespace weir
