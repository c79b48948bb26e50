// OpenAI's API over an engine: requests to answers, and who may be let in how often.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "server/access.h"
#include "server/answering.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/workers.h"

namespace weir {

class ChatTemplate;
class TokenIndex;
class Tokenizer;

/// What is served once it is loaded. All must outlive the Api.
struct ServedModel {
  Engine* engine = nullptr;
  const Tokenizer* tokenizer = nullptr;
  EnginePlan plan;
  const ChatTemplate* chat_template = nullptr;  // none: no chats
  const ChatTemplate* tool_template = nullptr;  // for chats with tools; none: chat_template
  std::vector<std::pair<std::string, std::string>> template_tokens;  // RenderOptions::tokens
  std::shared_ptr<const TokenIndex> token_index;  // for answers that must be JSON
};

struct ApiOptions {
  std::string model_name;
  std::string version = {};  // of this program, for GET /version
  int threads = 1;           // of the engine, likewise
  AccessRules access;
  int max_users = 1;    // of the engine
  int max_queue = 64;   // choices that may wait beside them, three quarters of them one user's
  // With work to do and no step ended for this long, the engine counts as stuck: /health turns red.
  int64_t stall_ns = 120'000'000'000;
  std::string shape_key = {};  // of a TrafficRecorder; empty: nobody records
};

/// One line of the log. It never holds what users or the model said.
struct AccessRecord {
  std::string peer, forwarded_for, method, path;
  std::optional<int> key_line;  // of the key that it came with
  double seconds = 0;
  int64_t begin_ns = 0;  // NowNs() when it came
  AnswerSummary summary;
};

class Api {
 public:
  /// `log` is called from any thread.
  Api(ApiOptions options, std::function<void(const AccessRecord&)> log);
  /// Cancels, and waits for those who answer.
  ~Api();

  // For HttpServer.
  std::optional<HttpAnswer> Guard(const HttpRequest& head);
  void LogRefusal(const HttpRequest& head, int status, const std::string& code);
  void Handle(HttpRequest request, std::shared_ptr<Responder> responder);

  /// From now on requests are answered; before, they get 503.
  void SetReady(const ServedModel& model);
  /// New requests get 503, those in the making go on.
  void BeginDrain();
  /// Ends all answers in the making.
  void CancelAll();

  void set_connection_count(std::function<int()> count) { n_connections_ = std::move(count); }

 private:
  class Admission;
  struct Call;  // a request on its way through a worker

  int64_t RetryAfterSeconds(int64_t n_in_flight) const;
  HttpAnswer Health() const;
  HttpAnswer Ready() const;
  HttpAnswer Models() const;
  HttpAnswer Version() const;
  HttpAnswer MetricsPage() const;
  void AnswerLater(HttpRequest request, std::shared_ptr<Responder> responder, int64_t begin_ns);
  void Refuse(Call& call, const ApiError& error);
  void Serve(Call& call);
  std::optional<AnswerOrder> ReadOrder(Call& call);
  void ServeAnswer(Call& call, AnswerOrder order);
  void Log(const HttpRequest& request, const AnswerSummary& summary, int64_t begin_ns);

  const ApiOptions options_;
  const std::function<void(const AccessRecord&)> log_;
  std::function<int()> n_connections_;
  const int64_t created_s_;
  std::optional<ServedModel> model_;  // set before ready_, not changed afterwards
  std::atomic<bool> ready_ = false, draining_ = false;
  Metrics metrics_;

  std::atomic<int64_t> n_in_flight_ = 0;
  std::mutex users_mutex_;
  std::map<std::string, int64_t> in_flight_of_;  // by UserOf
  std::mutex large_mutex_;  // held while a large body is read
  std::mutex answers_mutex_;
  std::set<std::shared_ptr<Answering>> answers_;  // that are computed
  bool cancelled_ = false;

  Workers workers_;  // last: its tasks use the rest
};

}  // namespace weir
