// What an assistant may ask weir for over the Model Context Protocol: nothing here changes anything.
#pragma once

#include <string>

#include "cli/command.h"

namespace weir {

struct McpPlaces {
  std::string db;               // empty: the default
  std::string machines_folder;  // further machines of the catalogue
};

/// All tools with their descriptions and the schemas of their arguments.
Json McpTools();

/// What the tool answers, an object. kBadInput for arguments that are wrong; `found` is false, and the answer null,
/// if no tool is called that.
Result<Json> CallMcpTool(const McpPlaces& places, const std::string& name, const Json& arguments, bool* found);

}  // namespace weir
