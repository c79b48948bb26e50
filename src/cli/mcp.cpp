// weir mcp: the Model Context Protocol on stdin and stdout, so that an assistant can ask what was
// measured. One JSON message a line (modelcontextprotocol.io, transports: stdio; messages:
// JSON-RPC 2.0).
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cli/machines_folder.h"
#include "cli/mcp_tools.h"
#include "cli/result_database.h"
#include "cli/verdict_commands.h"
#include "cli/version.h"
#include "model/text/utf8.h"

namespace weir {
namespace {

constexpr size_t kMostLineBytes = 1 << 20;
constexpr int kMostDepth = 32;
// Newest first; what differs between them is nothing that is used here.
constexpr std::string_view kProtocols[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
// Of JSON-RPC.
constexpr int kParseError = -32700, kInvalidRequest = -32600, kMethodNotFound = -32601,
              kInvalidParams = -32602;

constexpr const char* kInstructions =
    "weir measures what GGUF language models do on this machine. Measured rows come first, then "
    "predictions, then "
    "estimates: always say which, and never quote a peak without its median.";

Json ErrorMessage(const Json& id, int code, const std::string& text) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", code}, {"message", text}}}};
}
Json ResultMessage(const Json& id, Json result) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}};
}

Json Initialized(const Json& params) {
  std::string protocol(kProtocols[0]);
  if (params.is_object() && params.contains("protocolVersion") &&
      params["protocolVersion"].is_string()) {
    const std::string asked = params["protocolVersion"];
    if (std::find(std::begin(kProtocols), std::end(kProtocols), asked) != std::end(kProtocols))
      protocol = asked;
  }
  return {{"protocolVersion", protocol},
          {"capabilities", {{"tools", Json::object()}}},
          {"serverInfo", {{"name", "weir"}, {"title", "weir"}, {"version", VersionNumber()}}},
          {"instructions", kInstructions}};
}

/// A tool's own error is an answer, which the assistant reads and can act on.
Json ToolAnswer(const Result<Json>& answer) {
  std::string text;
  if (answer) {
    text = answer->dump(-1, ' ', false, Json::error_handler_t::replace);
  } else {
    text = answer.error().message + (answer.error().hint.empty() ? "" : "; " + answer.error().hint);
  }
  Json result{{"content", {{{"type", "text"}, {"text", text}}}}, {"isError", !answer.ok()}};
  if (answer) result["structuredContent"] = *answer;
  return result;
}

Json CallTool(const McpPlaces& places, const Json& id, const Json& params) {
  if (!params.is_object() || !params.contains("name") || !params["name"].is_string()) {
    return ErrorMessage(id, kInvalidParams, "tools/call: expected params.name, a string");
  }
  const std::string name = params["name"];
  bool found = false;
  const Result<Json> answer =
      CallMcpTool(places, name, params.value("arguments", Json::object()), &found);
  if (!found) return ErrorMessage(id, kInvalidParams, "no tool is called '" + name + "'");
  return ResultMessage(id, ToolAnswer(answer));
}

Json Answer(const McpPlaces& places, const Json& id, const std::string& method,
            const Json& params) {
  if (method == "initialize") return ResultMessage(id, Initialized(params));
  if (method == "ping") return ResultMessage(id, Json::object());
  if (method == "tools/list") return ResultMessage(id, {{"tools", McpTools()}});
  if (method == "tools/call") return CallTool(places, id, params);
  return ErrorMessage(id, kMethodNotFound, "no method is called '" + method + "'");
}

/// Null if the line needs no answer.
Json AnswerLine(const McpPlaces& places, const std::string& line) {
  if (FirstInvalidUtf8(line)) return ErrorMessage(nullptr, kParseError, "not UTF-8");
  bool too_deep = false;
  const Json message = Json::parse(
      line,
      [&](int depth, Json::parse_event_t, Json&) {
        too_deep |= depth > kMostDepth;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  if (too_deep) return ErrorMessage(nullptr, kParseError, "nested too deeply");
  if (message.is_discarded()) return ErrorMessage(nullptr, kParseError, "not JSON");
  if (!message.is_object())
    return ErrorMessage(nullptr, kInvalidRequest, "expected one object a line");
  const bool has_id = message.contains("id");
  const Json id = has_id ? message["id"] : Json();
  const bool good_id = !has_id || id.is_string() || id.is_number_integer();
  if (!message.contains("method")) {
    // An answer to a question that was never asked.
    if (message.contains("result") || message.contains("error")) return nullptr;
    return ErrorMessage(good_id ? id : Json(), kInvalidRequest, "expected a method");
  }
  if (message.value("jsonrpc", Json()) != "2.0" || !message["method"].is_string() || !good_id) {
    return ErrorMessage(
        good_id ? id : Json(), kInvalidRequest,
        "expected \"jsonrpc\": \"2.0\", a method and an id, both strings, or an integer id");
  }
  if (!has_id) return nullptr;  // a notification
  return Answer(places, id, message["method"], message.value("params", Json::object()));
}

enum class Read { kLine, kTooLong, kEnd };

/// The next line of stdin, without its end. Of one that is too long nothing is kept.
Read ReadLine(std::string* line) {
  line->clear();
  bool too_long = false;
  for (int c = std::fgetc(stdin); c != EOF; c = std::fgetc(stdin)) {
    if (c == '\n') return too_long ? Read::kTooLong : Read::kLine;
    if (line->size() == kMostLineBytes) too_long = true;
    if (!too_long) line->push_back(static_cast<char>(c));
  }
  return Read::kEnd;
}

bool Send(const Json& message) {
  const std::string text = message.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

Result<int> RunMcp(const McpPlaces& places) {
  std::string line;
  while (true) {
    const Read read = ReadLine(&line);
    if (read == Read::kEnd)
      return kExitOk;  // the client has gone: what it had not ended is no message
    if (line.find_first_not_of(" \t\r") == std::string::npos && read == Read::kLine) continue;
    const Json answer = read == Read::kTooLong
                            ? ErrorMessage(nullptr, kInvalidRequest, "a message of more than 1 MiB")
                            : AnswerLine(places, line);
    if (!answer.is_null() && !Send(answer)) return Failed("standard output cannot be written");
  }
}

}  // namespace

Command AddMcp(CLI::App& app) {
  auto places = std::make_shared<McpPlaces>();
  places->machines_folder = DefaultMachinesFolder();
  AddDatabaseFlag(app, places->db);
  app.add_option("--machines", places->machines_folder,
                 "Folder with further machines (*.toml), or better figures")
      ->capture_default_str();
  app.footer(
      "Serves the Model Context Protocol on stdin and stdout until stdin ends: tools query_rows, "
      "fit, verdict, compare,\n"
      "audit and machines. An assistant starts it itself (docs/mcp.md); nothing can be changed through "
      "it.\n\nExamples:\n"
      "  {\"mcpServers\": {\"weir\": {\"command\": \"weir\", \"args\": [\"mcp\"]}}}    # an "
      "assistant's settings\n"
      "  echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}' | weir mcp\n\n"
      "Exit code: 0 when stdin ends.");
  return [places] { return RunMcp(*places); };
}

}  // namespace weir
