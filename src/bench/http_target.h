// Any OpenAI-compatible server as something to measure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "bench/least_step.h"
#include "bench/stream_client.h"
#include "bench/target.h"

namespace weir {

/// What a server understands beyond the standard. Servers that do not know a field refuse the
/// request (weir, OpenAI), or ignore it (most).
struct ServerAbilities {
  bool ignore_eos = true;       // the field, as llama.cpp, vLLM and weir have it
  bool no_prompt_cache = false;  // "cache_prompt": false, as llama.cpp has it
  bool usage_in_stream = true;  // "stream_options": {"include_usage": true}
};

/// The model that a server computes, where somebody says so: its rows are then those of this model.
struct KnownModel {
  ModelRow row;
  ModelFileRow file = {};
  std::optional<ModelShapes> shapes = {};  // where it can only be computed on this machine's processors
  std::optional<StepCost> LeastStep(int users, int64_t position) const;
};

struct HttpServerOptions {
  std::string url;         // http(s)://host[:port], with or without /v1
  std::string model_name = {};  // empty: the first that the server lists
  std::string api_key = {};     // empty: none
  std::shared_ptr<const Tokenizer> tokenizer = {};  // counts tokens, cuts prompts; may be null
  int connect_seconds = 10;
  int silence_seconds = 600;
  std::optional<KnownModel> serves = {};
};

StreamClientOptions ClientOptions(const HttpServerOptions& options);

/// What the server said of itself.
struct ServerFacts {
  std::string base_url;  // ends with "/v1"
  std::string model_name;
  TargetFacts target;
  int64_t context_length = 0;  // 0: it does not say
  ServerAbilities abilities;
};

/// Asks the server who it is, and with short requests what it understands. kBadInput for an URL that
/// is none; kFailed if nobody answers there, or not as an OpenAI-compatible server does.
Result<ServerFacts> MeetServer(const HttpServerOptions& options);

/// The body of a request. Greedy, streaming.
std::string RequestBody(const Query& query, const ServerFacts& server);

/// Sends queries with turns to /chat/completions, others to /completions. What goes wrong on the way is
/// the end of the request, with a reason.
std::unique_ptr<Target> MakeHttpTarget(const HttpServerOptions& options, const ServerFacts& server);

/// Never fails: a server that cannot be reached is a subject whose plan says why.
std::unique_ptr<Subject> OpenHttpSubject(const HttpServerOptions& options);

}  // namespace weir
