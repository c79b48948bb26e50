#include "bench/http_target.h"

#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "bench/answer_reader.h"
#include "bench/cache_probe.h"
#include "util/clock.h"

namespace weir {
namespace {

constexpr int kProbes = 4;
constexpr int64_t kMostProbeNs = 15'000'000'000;

class HttpTarget : public Target {
 public:
  HttpTarget(const HttpServerOptions& options, const ServerFacts& server)
      : client_(ClientOptions(options)), server_(server), tokenizer_(options.tokenizer) {}

  Result<int64_t> Submit(const Query& query) override {
    if (query.turns.empty() && query.text.empty() && query.ids.empty()) {
      return BadInput("a request without a prompt");
    }
    const char* const path = query.turns.empty() ? "/completions" : "/chat/completions";
    const int64_t id = client_.Send({server_.base_url + path, RequestBody(query, server_)});
    readers_.emplace(id, AnswerReader(tokenizer_.get()));
    return id;
  }

  std::optional<TargetEvent> Next(int64_t timeout_ns) override {
    const int64_t deadline = NowNs() + timeout_ns;
    while (events_.empty()) {
      const int64_t left = deadline - NowNs();
      const std::optional<StreamPiece> piece = client_.Next(std::max<int64_t>(left, 0));
      if (piece) Read(*piece);
      if (!piece && left <= 0) return std::nullopt;
    }
    TargetEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  void CancelAll() override {
    client_.CancelAll();
    readers_.clear();
    events_.clear();
  }
  int64_t Now() const override { return NowNs(); }

 private:
  void Read(const StreamPiece& piece) {
    const auto found = readers_.find(piece.stream);
    if (found == readers_.end()) return;  // its end has been told
    AnswerReader& reader = found->second;
    std::vector<TargetEvent> events;
    switch (piece.kind) {
      case StreamPiece::Kind::kHeaders:
        reader.Begin(piece.status, piece.content_type, piece.time_ns);
        break;
      case StreamPiece::Kind::kBytes:
        reader.Feed(piece.text, piece.time_ns, &events);
        break;
      case StreamPiece::Kind::kEnd:
        reader.Finish(piece.time_ns, piece.text, &events);
        break;
    }
    for (TargetEvent& event : events) {
      event.request = piece.stream;
      events_.push_back(std::move(event));
    }
    if (reader.Ended()) readers_.erase(found);
  }

  StreamClient client_;
  const ServerFacts server_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  std::map<int64_t, AnswerReader> readers_;
  std::deque<TargetEvent> events_;
};

class HttpSubject : public Subject {
 public:
  explicit HttpSubject(const HttpServerOptions& options)
      : options_(options), server_(MeetServer(options)) {
    row_.name = server_ ? server_->model_name : options.model_name;
    if (row_.name.empty()) row_.name = options.url;
    row_.fingerprint = "behind " + options.url;
    if (options.serves) row_ = options.serves->row;
  }

  const ModelRow& row() const override { return row_; }
  int64_t context_length() const override { return server_ ? server_->context_length : 0; }
  const std::vector<int32_t>& prompt_ids() const override { return no_ids_; }
  const Tokenizer* tokenizer() const override { return options_.tokenizer.get(); }
  TargetFacts facts() const override {
    if (!server_) return {"unknown", "", options_.url, {}, false};
    TargetFacts facts = server_->target;
    facts.flags = flags_;
    return facts;
  }
  ModelFileRow source_file() const override { return options_.serves ? options_.serves->file : ModelFileRow{}; }
  std::optional<StepCost> LeastStep(int users, int64_t position) const override {
    return options_.serves ? options_.serves->LeastStep(users, position) : std::nullopt;
  }
  Result<int64_t> Plan(int, int64_t) const override {
    if (!server_) return server_.error();
    return 0;
  }
  Status Load(const OnProgress&) override {
    if (!server_) return server_.error();
    const auto target = MakeHttpTarget(options_, *server_);
    const Result<CacheProbe> probe = ProbeCache(*target, *this, kProbes, kMostProbeNs);
    if (!probe) return {};  // what fails here fails in the cells too, as rows
    flags_.clear();
    if (const auto flag = JudgeCache(*probe)) flags_.push_back(*flag);
    return {};
  }
  void Unload() override {}
  Result<std::unique_ptr<Target>> Start(int, int64_t) override {
    if (!server_) return server_.error();
    return MakeHttpTarget(options_, *server_);
  }

 private:
  const HttpServerOptions options_;
  const Result<ServerFacts> server_;
  std::vector<Flag> flags_;
  ModelRow row_;
  const std::vector<int32_t> no_ids_;
};

}  // namespace

std::optional<StepCost> KnownModel::LeastStep(int users, int64_t position) const {
  if (!shapes) return std::nullopt;
  return weir::LeastStep(*shapes, users, position);
}

StreamClientOptions ClientOptions(const HttpServerOptions& options) {
  StreamClientOptions client;
  client.connect_seconds = options.connect_seconds;
  client.silence_seconds = options.silence_seconds;
  if (!options.api_key.empty()) client.headers.push_back("Authorization: Bearer " + options.api_key);
  return client;
}

std::string RequestBody(const Query& query, const ServerFacts& server) {
  nlohmann::ordered_json body;
  body["model"] = server.model_name;
  if (!query.turns.empty()) {
    for (const ChatTurn& turn : query.turns) {
      body["messages"].push_back({{"role", turn.role}, {"content", turn.content}});
    }
  } else if (!query.text.empty()) {
    body["prompt"] = query.text;
  } else {
    body["prompt"] = query.ids;
  }
  body["max_tokens"] = query.max_tokens;
  body["temperature"] = 0;
  body["stream"] = true;
  if (server.abilities.usage_in_stream) body["stream_options"] = {{"include_usage", true}};
  if (server.abilities.ignore_eos && query.fixed_length) body["ignore_eos"] = true;
  if (query.top_logprobs > 0 && query.turns.empty()) body["logprobs"] = query.top_logprobs;
  if (query.top_logprobs > 0 && !query.turns.empty()) {
    body["logprobs"] = true;
    body["top_logprobs"] = query.top_logprobs;
  }
  if (server.abilities.no_prompt_cache) body["cache_prompt"] = false;
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::unique_ptr<Target> MakeHttpTarget(const HttpServerOptions& options,
                                       const ServerFacts& server) {
  return std::make_unique<HttpTarget>(options, server);
}

std::unique_ptr<Subject> OpenHttpSubject(const HttpServerOptions& options) {
  return std::make_unique<HttpSubject>(options);
}

}  // namespace weir
