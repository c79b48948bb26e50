// Who is behind an URL, and what it understands.
#include <nlohmann/json.hpp>

#include "bench/answer_reader.h"
#include "bench/http_target.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

/// The member behind a path like "/a/b/0", as text or number; null if there is none.
Json At(const Json& json, const char* path) {
  const Json::json_pointer pointer(path);
  return json.contains(pointer) ? json.at(pointer) : Json();
}

std::string TextAt(const Json& json, const char* path) {
  const Json value = At(json, path);
  return value.is_string() ? value.get<std::string>() : std::string();
}

Result<std::string> BaseUrl(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  const bool web = url.starts_with("http://") || url.starts_with("https://");
  if (!web || url.find("//") + 2 >= url.size() || url.find_first_of(" ?#\r\n") != url.npos) {
    return WithHint(BadInput("{}: expected the address of a server", url),
                    "for example http://127.0.0.1:8080");
  }
  return url.ends_with("/v1") ? url : url + "/v1";
}

/// A JSON document that the server may have; null if not.
Json Fetch(StreamClient& client, const std::string& url) {
  const HttpReply reply = Ask(client, {url, std::nullopt});
  if (reply.status != 200 || !reply.problem.empty()) return {};
  Json json = Json::parse(reply.body, nullptr, false);
  return json.is_discarded() ? Json() : json;
}

/// Each kind of server says its version elsewhere.
void NameEngine(StreamClient& client, const std::string& owner, ServerFacts& server) {
  const std::string root = server.base_url.substr(0, server.base_url.size() - 3);
  if (owner == "weir") {
    const Json said = Fetch(client, root + "/version");
    server.target.engine = "weir";
    server.target.version = TextAt(said, "/version");
    if (const Json threads = At(said, "/threads"); threads.is_number_unsigned() && threads < 4096) {
      server.target.threads = threads.get<int>();
    }
  } else if (owner == "llamacpp") {
    const Json props = Fetch(client, root + "/props");
    server.target.engine = "llama.cpp";
    server.target.version = TextAt(props, "/build_info");
    const Json context = At(props, "/default_generation_settings/n_ctx");
    if (context.is_number_integer()) server.context_length = context.get<int64_t>();
    server.abilities.no_prompt_cache = true;
  } else if (owner == "vllm") {
    server.target.engine = "vllm";
    server.target.version = TextAt(Fetch(client, root + "/version"), "/version");
  } else if (const std::string version = TextAt(Fetch(client, root + "/api/version"), "/version");
             !version.empty()) {
    server.target.engine = "ollama";
    server.target.version = version;
  } else {
    server.target.engine = owner.empty() ? "unknown" : owner;
  }
}

Status PickModel(const HttpServerOptions& options, const Json& models, ServerFacts& server,
                 std::string* owner) {
  server.model_name = options.model_name;
  const Json list = At(models, "/data");
  if (!list.is_array()) return {};
  for (const Json& model : list) {
    const std::string name = TextAt(model, "/id");
    if (server.model_name.empty()) server.model_name = name;
    if (name != server.model_name) continue;
    *owner = TextAt(model, "/owned_by");
    const Json context = At(model, "/max_model_len");
    if (context.is_number_integer()) server.context_length = context.get<int64_t>();
    return {};
  }
  return {};
}

/// Asks for one token; the error if that fails.
Status TryRequest(StreamClient& client, const ServerFacts& server) {
  Query query;
  query.text = "The";
  query.max_tokens = 1;
  HttpReply reply = Ask(client, {server.base_url + "/completions", RequestBody(query, server)});
  if (reply.status == 404 || reply.status == 405) {
    query.turns = {{"user", "Hello"}};
    reply = Ask(client, {server.base_url + "/chat/completions", RequestBody(query, server)});
  }
  if (reply.status == 200 && reply.problem.empty()) return {};
  AnswerReader reader(nullptr);
  std::vector<TargetEvent> events;
  if (reply.status != 0) reader.Begin(reply.status, reply.content_type, 0);
  reader.Feed(reply.body, 0, &events);
  reader.Finish(0, reply.problem, &events);
  const std::string why = events.empty() ? "" : events.back().error;
  Error error = Failed("{}: {}", server.target.url, why);
  // Only what the server calls wrong can be wrong with a field.
  if (reply.status == 400 || reply.status == 422) error.code = ErrorCode::kBadInput;
  return error;
}

/// Leaves out what the server refuses.
Status FindAbilities(StreamClient& client, ServerFacts& server) {
  Status tried = TryRequest(client, server);
  bool* const fields[] = {&server.abilities.no_prompt_cache, &server.abilities.ignore_eos,
                          &server.abilities.usage_in_stream};
  for (bool* field : fields) {
    if (tried.ok() || tried.error().code != ErrorCode::kBadInput) break;
    if (*field) {
      *field = false;
      tried = TryRequest(client, server);
    }
  }
  if (tried.ok()) return {};
  return Error{ErrorCode::kFailed, tried.error().message, {}};
}

}  // namespace

Result<ServerFacts> MeetServer(const HttpServerOptions& options) {
  ServerFacts server;
  WEIR_TRY(server.base_url, BaseUrl(options.url));
  server.target.url = options.url;
  StreamClient client(ClientOptions(options));
  const HttpReply reply = Ask(client, {server.base_url + "/models", std::nullopt});
  if (reply.status == 0) return Failed("{}: {}", options.url, reply.problem);
  if (reply.status == 401 || reply.status == 403) {
    return WithHint(Failed("{}: HTTP {}", options.url, reply.status), "the server wants an API key");
  }
  const Json models = reply.status == 200 ? Json::parse(reply.body, nullptr, false) : Json();
  std::string owner;
  WEIR_RETURN_IF_ERROR(PickModel(options, models, server, &owner));
  if (server.model_name.empty()) {
    return WithHint(Failed("{}: lists no model", options.url), "name one with --model-name");
  }
  NameEngine(client, owner, server);
  WEIR_RETURN_IF_ERROR(FindAbilities(client, server));
  return server;
}

}  // namespace weir
