// The API behind a real socket, over the small model that writes text.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <vector>

#include "engine/engine_testing.h"
#include "model/chat/chat_template.h"
#include "model/constrain/token_mask.h"
#include "server/api.h"
#include "server/http_client.h"
#include "server/http_server.h"
#include "test_data.h"

namespace weir {

class Serving {
 public:
  explicit Serving(const EngineOptions& engine_options = DefaultEngine(), ApiOptions api_options = {},
                   HttpOptions http_options = {}, bool ready = true) {
    engine_ = TinyModel().Start(engine_options);
    api_options.model_name = "tiny";
    api_options.max_users = engine_options.max_sequences;
    api_ = std::make_unique<Api>(api_options, [this](const AccessRecord& record) {
      std::lock_guard lock(mutex_);
      log_.push_back(record);
    });
    auto server = HttpServer::Listen(
        http_options, [this](const HttpRequest& head) { return api_->Guard(head); },
        [this](HttpRequest request, std::shared_ptr<Responder> responder) {
          api_->Handle(std::move(request), std::move(responder));
        },
        [this](const HttpRequest& head, int status, const std::string& code) {
          api_->LogRefusal(head, status, code);
        });
    EXPECT_TRUE(server.ok());
    server_ = std::move(server).value();
    if (ready) SetReady();
  }
  ~Serving() {
    server_->Stop();
    api_.reset();
  }

  static EngineOptions DefaultEngine() {
    return {.max_sequences = 4, .context_tokens = 512, .n_checkpoints = 8};
  }
  void SetReady() { api_->SetReady(model()); }
  ServedModel model() const {
    return {.engine = engine_.get(),
            .tokenizer = TinyModel().tokenizer.get(),
            .plan = {},
            .chat_template = &chat_template_,
            .tool_template = nullptr,
            .template_tokens = {},
            .token_index = token_index_};
  }

  int port() const { return server_->port(); }
  Engine& engine() { return *engine_; }
  Api& api() { return *api_; }
  HttpServer& server() { return *server_; }
  std::vector<AccessRecord> log() const {
    std::lock_guard lock(mutex_);
    return log_;
  }

  ClientAnswer Post(const std::string& path, const nlohmann::json& body) const {
    return Ask(port(), weir::Post(path, body.dump()));
  }
  ClientAnswer Get(const std::string& path) const { return Ask(port(), weir::Get(path)); }
  bool Idle() const {
    const EngineStatus status = engine_->CurrentStatus();
    return status.n_active == 0 && status.n_queued == 0;
  }

 private:
  const ChatTemplate chat_template_ = ChatTemplate::Parse(ReadText(TestData("tools.jinja")), "test").value();
  const std::shared_ptr<const TokenIndex> token_index_ = std::make_shared<TokenIndex>(*TinyModel().tokenizer);
  std::unique_ptr<Engine> engine_;
  mutable std::mutex mutex_;
  std::vector<AccessRecord> log_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<Api> api_;
};

/// The JSON of the events of a stream, without the last, which must be [DONE].
inline std::vector<nlohmann::json> Events(const std::string& body) {
  std::vector<nlohmann::json> events;
  size_t at = 0;
  for (size_t end; (end = body.find("\n\n", at)) != std::string::npos; at = end + 2) {
    const std::string event = body.substr(at, end - at);
    if (event == "data: [DONE]") {
      EXPECT_EQ(end + 2, body.size());
      return events;
    }
    EXPECT_EQ(event.substr(0, 6), "data: ");
    events.push_back(nlohmann::json::parse(event.substr(6)));
  }
  ADD_FAILURE() << "no [DONE]: " << body;
  return events;
}

}  // namespace weir
