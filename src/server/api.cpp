#include "server/api.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "model/text/tokenizer.h"
#include "server/endpoints.h"
#include "server/page.h"
#include "util/clock.h"
#include "util/return_memory.h"

namespace weir {
namespace {

struct Route {
  std::string_view method, path;
  bool needs_model;  // and a thread
};

constexpr Route kRoutes[] = {
    {"GET", "/", false},
    {"GET", "/health", false},          {"GET", "/ready", false},
    {"GET", "/metrics", false},         {"GET", "/v1/models", false},
    {"GET", "/version", false},
    {"POST", "/v1/completions", true},  {"POST", "/v1/chat/completions", true},
    {"POST", "/v1/embeddings", true},   {"POST", "/v1/responses", true},
    {"POST", "/v1/messages", true},     {"POST", "/v1/messages/count_tokens", true},
    {"POST", "/tokenize", true},        {"POST", "/detokenize", true},
};

constexpr std::string_view kModelPrefix = "/v1/models/";

const Route* FindRoute(std::string_view path) {
  if (path.starts_with(kModelPrefix)) path = "/v1/models";
  const auto at = std::ranges::find(kRoutes, path, &Route::path);
  return at == std::end(kRoutes) ? nullptr : at;
}

// Of a body that is read while no other of that kind is, and whose memory the allocator may not keep: as values it is
// up to ten times as large.
constexpr size_t kLargeBody = 256 << 10;

const ApiError kLoading{503, "the model is being loaded", "", "loading"};
const ApiError kDraining{503, "the server is shutting down", "", "shutting_down"};

/// What answers with tokens, and what answers at once.
constexpr std::pair<std::string_view, std::variant<AnswerOrder, ApiError> (*)(const Json&, const ServedModel&)>
    kAnswered[] = {{"/v1/completions", ReadCompletion}, {"/v1/chat/completions", ReadChat},
                   {"/v1/embeddings", ReadEmbeddings},  {"/v1/responses", ReadResponses},
                   {"/v1/messages", ReadAnthropic}};
constexpr std::pair<std::string_view, std::variant<Json, ApiError> (*)(const Json&, const ServedModel&)>
    kComputed[] = {{"/tokenize", Tokenize}, {"/detokenize", Detokenize}, {"/v1/messages/count_tokens", CountTokens}};

ErrorShape ShapeOf(std::string_view path) {
  return path.starts_with("/v1/messages") ? ErrorShape::kAnthropic : ErrorShape::kOpenAi;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int64_t NowSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Who asks, as far as can be told: a key, and the address that it comes from.
std::string UserOf(const HttpRequest& request, const AccessRules& access) {
  const std::string own = request.peer.substr(0, request.peer.rfind(':'));
  return fmt::format("{} {}", KeyLine(request, access).value_or(0), request.forwarded_for.empty() ? own : request.forwarded_for);
}

}  // namespace

/// Places among the users and in the queue, given back at its end.
class Api::Admission {
 public:
  Admission(Api& api, std::string user) : api_(api), user_(std::move(user)) {}
  ~Admission() {
    if (n_held_ == 0) return;
    std::lock_guard lock(api_.users_mutex_);
    api_.n_in_flight_ -= n_held_;
    const auto own = api_.in_flight_of_.find(user_);
    if ((own->second -= n_held_) == 0) api_.in_flight_of_.erase(own);
  }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  std::optional<ApiError> Take(int64_t n) {
    const int64_t limit = api_.options_.max_users + api_.options_.max_queue;
    if (n_held_ + n > limit) {
      return ApiError{400,
                      fmt::format("expected at most {} answers to one request, prompts times n, "
                                  "found {}",
                                  limit, n_held_ + n),
                      "n", "invalid_value"};
    }
    std::lock_guard lock(api_.users_mutex_);
    const int64_t before = api_.n_in_flight_;
    const auto own = api_.in_flight_of_.find(user_);
    const int64_t own_before = own == api_.in_flight_of_.end() ? 0 : own->second;
    if (before + n > limit) {
      return ApiError{429, fmt::format("{} requests are being answered or wait: try again later", before), "",
                      "overloaded", api_.RetryAfterSeconds(before)};
    }
    // Somebody else finds a place however much one asks for.
    if (own_before + n > limit - api_.options_.max_queue / 4) {
      return ApiError{429, fmt::format("{} requests of yours are being answered or wait: try again later", own_before), "",
                      "overloaded", api_.RetryAfterSeconds(own_before)};
    }
    if (n == 0) return std::nullopt;
    api_.n_in_flight_ += n;
    api_.in_flight_of_[user_] += n;
    n_held_ += n;
    return std::nullopt;
  }

  const std::string& user() const { return user_; }

 private:
  Api& api_;
  const std::string user_;
  int64_t n_held_ = 0;
};

struct Api::Call {
  Call(Api& api, HttpRequest the_request, std::shared_ptr<Responder> the_responder, int64_t the_begin_ns)
      : request(std::move(the_request)),
        responder(std::move(the_responder)),
        begin_ns(the_begin_ns),
        admission(api, UserOf(request, api.options_.access)) {}

  HttpRequest request;
  std::shared_ptr<Responder> responder;
  const int64_t begin_ns;
  Admission admission;
  AnswerSummary summary;
};

Api::Api(ApiOptions options, std::function<void(const AccessRecord&)> log)
    : options_(std::move(options)), log_(std::move(log)), created_s_(NowSeconds()) {}

Api::~Api() { CancelAll(); }

void Api::Log(const HttpRequest& request, const AnswerSummary& summary, int64_t begin_ns) {
  const Route* const route = FindRoute(request.path);
  metrics_.CountRequest(route ? route->path : "other", summary.status);
  log_({request.peer, request.forwarded_for, request.method, request.path, KeyLine(request, options_.access),
        static_cast<double>(NowNs() - begin_ns) * 1e-9, begin_ns, summary});
}

void Api::LogRefusal(const HttpRequest& head, int status, const std::string& code) {
  Log(head, {.status = status, .end = "refused", .code = code}, NowNs());
}

int64_t Api::RetryAfterSeconds(int64_t n_in_flight) const {
  return weir::RetryAfterSeconds(n_in_flight, options_.max_users, metrics_.MeanAnswerSeconds());
}

std::optional<HttpAnswer> Api::Guard(const HttpRequest& head) {
  const int64_t begin_ns = NowNs();
  std::optional<ApiError> error = CheckAccess(head, options_.access);
  const Route* const route = FindRoute(head.path);
  HttpAnswer answer;
  if (!error && !route) error = ApiError{404, "there is nothing at this path", "", "not_found"};
  if (error) {
    answer = ErrorAnswer(*error, ShapeOf(head.path));
  } else if (head.method != route->method && !(head.method == "HEAD" && route->method == "GET")) {
    error = ApiError{405, fmt::format("expected {}", route->method), "", "method_not_allowed"};
    answer = ErrorAnswer(*error);
    answer.headers.push_back({"Allow", std::string(route->method)});
  } else {
    return std::nullopt;
  }
  Log(head, {.status = answer.status, .end = "refused", .code = error->code}, begin_ns);
  return answer;
}

HttpAnswer Api::Health() const {
  if (!ready_) return {200, R"({"status":"loading"})"};
  const EngineStatus engine = model_->engine->CurrentStatus();
  const int64_t waited_ns = engine.waiting_since_ns == 0 ? 0 : NowNs() - engine.waiting_since_ns;
  if (waited_ns > options_.stall_ns) {
    return {503, fmt::format(R"({{"status":"stalled","reason":"there is work, and no step has ended for {:.0f} s"}})",
                             static_cast<double>(waited_ns) * 1e-9)};
  }
  return {200, R"({"status":"ok"})"};
}

HttpAnswer Api::Ready() const {
  if (draining_) return ErrorAnswer(kDraining);
  if (!ready_) return ErrorAnswer(kLoading);
  return {200, R"({"status":"ready"})"};
}

HttpAnswer Api::Models() const {
  Json model{{"id", options_.model_name}, {"object", "model"}, {"created", created_s_}, {"owned_by", "weir"}};
  return {200, Dump(Json{{"object", "list"}, {"data", Json::array({std::move(model)})}})};
}

HttpAnswer Api::Version() const {
  return {200, Dump(Json{{"version", options_.version}, {"threads", options_.threads}})};
}

HttpAnswer Api::MetricsPage() const {
  Metrics::Gauges gauges;
  gauges.n_in_flight = n_in_flight_;
  gauges.n_connections = n_connections_ ? n_connections_() : 0;
  gauges.ready = ready_;
  if (ready_) {
    gauges.weights_bytes = model_->plan.weights_bytes;
    gauges.kv_bytes = model_->plan.kv_bytes;
    gauges.state_bytes = model_->plan.state_bytes;
    gauges.workspace_bytes = model_->plan.workspace_bytes;
    gauges.cache_limit_bytes = model_->plan.options.cache_bytes;
    gauges.engine = model_->engine->CurrentStatus();
  }
  return {200, metrics_.Text(gauges), "text/plain; version=0.0.4; charset=utf-8"};
}

void Api::Handle(HttpRequest request, std::shared_ptr<Responder> responder) {
  const int64_t begin_ns = NowNs();
  HttpAnswer answer;
  if (request.path == "/health") {
    answer = Health();
  } else if (request.path == "/ready") {
    answer = Ready();
  } else if (request.path == "/") {
    answer = PageAnswer(request);
  } else if (request.path == "/metrics") {
    answer = MetricsPage();
  } else if (request.path == "/v1/models") {
    answer = Models();
  } else if (request.path == "/version") {
    answer = Version();
  } else if (request.path.starts_with(kModelPrefix)) {
    // Any name is answered by the model that is loaded.
    Json list = Json::parse(Models().body);
    answer = {200, Dump(list["data"][0])};
  } else {
    return AnswerLater(std::move(request), std::move(responder), begin_ns);
  }
  responder->Send(answer);
  Log(request, {.status = answer.status}, begin_ns);
}

void Api::AnswerLater(HttpRequest request, std::shared_ptr<Responder> responder, int64_t begin_ns) {
  auto call = std::make_shared<Call>(*this, std::move(request), std::move(responder), begin_ns);
  std::optional<ApiError> error;
  if (draining_) {
    error = kDraining;
  } else if (!ready_) {
    error = kLoading;
  } else {
    error = call->admission.Take(1);
  }
  if (error) return Refuse(*call, *error);
  workers_.Run([this, call] { Serve(*call); });
}

void Api::Refuse(Call& call, const ApiError& error) {
  call.responder->Send(ErrorAnswer(error, ShapeOf(call.request.path)));
  call.summary.status = error.status;
  call.summary.end = "refused";
  call.summary.code = error.code;
  Log(call.request, call.summary, call.begin_ns);
}

/// On a worker.
void Api::Serve(Call& call) {
  const bool large = call.request.body.size() > kLargeBody;
  std::optional<AnswerOrder> order;
  {
    std::unique_lock lock(large_mutex_, std::defer_lock);
    if (large) lock.lock();
    order = ReadOrder(call);
    if (large) ReturnFreeMemory();
  }
  if (order) ServeAnswer(call, std::move(*order));
}

/// Nothing if the request has been answered already.
std::optional<AnswerOrder> Api::ReadOrder(Call& call) {
  if (call.responder->gone()) return std::nullopt;
  std::variant<Json, ApiError> body = ParseBody(call.request.body);
  std::string().swap(call.request.body);
  if (const ApiError* const error = std::get_if<ApiError>(&body)) {
    Refuse(call, *error);
    return std::nullopt;
  }
  const Json& json = std::get<Json>(body);
  const std::string_view path = call.request.path;
  if (const auto at = std::ranges::find(kComputed, path, [](const auto& one) { return one.first; });
      at != std::end(kComputed)) {
    const auto result = at->second(json, *model_);
    if (const ApiError* const error = std::get_if<ApiError>(&result)) {
      Refuse(call, *error);
      return std::nullopt;
    }
    call.responder->Send({200, Dump(std::get<Json>(result))});
    Log(call.request, call.summary, call.begin_ns);
    return std::nullopt;
  }
  auto order = std::ranges::find(kAnswered, path, [](const auto& one) { return one.first; })->second(json, *model_);
  if (const ApiError* const error = std::get_if<ApiError>(&order)) {
    Refuse(call, *error);
    return std::nullopt;
  }
  return std::get<AnswerOrder>(std::move(order));
}

void Api::ServeAnswer(Call& call, AnswerOrder order) {
  // The texts of one request for embeddings take one place: they are short, and come last.
  const size_t n_choices =
      order.kind == AnswerKind::kEmbedding ? 1 : order.requests.size() * order.n_choices;
  if (const auto error = call.admission.Take(static_cast<int64_t>(n_choices) - 1)) {
    return Refuse(call, *error);
  }
  const auto user = static_cast<int64_t>(std::hash<std::string>()(call.admission.user()) >> 1);
  for (Request& request : order.requests) request.user = user;
  order.received_ns = call.begin_ns;
  order.shape_key = options_.shape_key;
  const auto answer =
      std::make_shared<Answering>(std::move(order), options_.model_name, *model_->tokenizer, metrics_);
  if (const auto error = answer->Submit(*model_->engine)) return Refuse(call, *error);
  {
    std::lock_guard lock(answers_mutex_);
    answers_.insert(answer);
    if (cancelled_) answer->Cancel();
  }
  const int64_t begin_ns = NowNs();
  call.summary = answer->Deliver(*call.responder, workers_);
  metrics_.AddAnswer(static_cast<double>(NowNs() - begin_ns) * 1e-9);
  {
    std::lock_guard lock(answers_mutex_);
    answers_.erase(answer);
  }
  Log(call.request, call.summary, call.begin_ns);
}

void Api::SetReady(const ServedModel& model) {
  model_ = model;
  ready_ = true;
}

void Api::BeginDrain() { draining_ = true; }

void Api::CancelAll() {
  draining_ = true;
  std::lock_guard lock(answers_mutex_);
  cancelled_ = true;
  for (const std::shared_ptr<Answering>& answer : answers_) answer->Cancel();
}

}  // namespace weir
