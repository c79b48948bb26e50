#include "bench/null_target.h"

#include <chrono>
#include <deque>
#include <numeric>
#include <thread>

#include "bench/null_server.h"
#include "util/clock.h"

namespace weir {
namespace {

class NullTarget : public Target {
 public:
  Result<int64_t> Submit(const Query& query) override {
    running_.push_back({next_id_, query.max_tokens});
    return next_id_++;
  }

  std::optional<TargetEvent> Next(int64_t timeout_ns) override {
    if (running_.empty()) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(timeout_ns));
      return std::nullopt;
    }
    // All users get a token in turn, as from a batch.
    Running running = running_.front();
    running_.pop_front();
    TargetEvent event;
    event.request = running.id;
    event.token = true;
    event.time_ns = NowNs();
    if (--running.n_left == 0) {
      event.finished = FinishReason::kLength;
    } else {
      running_.push_back(running);
    }
    return event;
  }

  void CancelAll() override { running_.clear(); }
  int64_t Now() const override { return NowNs(); }

 private:
  struct Running {
    int64_t id, n_left;
  };
  std::deque<Running> running_;
  int64_t next_id_ = 0;
};

class NullSubject : public Subject {
 public:
  NullSubject() : ids_(1000) {
    std::iota(ids_.begin(), ids_.end(), 0);
    row_.name = "null";
    row_.fingerprint = "null";
  }

  const ModelRow& row() const override { return row_; }
  int64_t context_length() const override { return 0; }
  const std::vector<int32_t>& prompt_ids() const override { return ids_; }
  TargetFacts facts() const override { return {"null", "", "", 1, false}; }
  Result<int64_t> Plan(int, int64_t) const override { return 0; }
  Status Load(const OnProgress&) override { return {}; }
  void Unload() override {}
  Result<std::unique_ptr<Target>> Start(int, int64_t) override {
    std::unique_ptr<Target> target = std::make_unique<NullTarget>();
    return target;
  }

 private:
  ModelRow row_;
  std::vector<int32_t> ids_;
};

/// Owns the server that it measures.
class NullHttpSubject : public Subject {
 public:
  NullHttpSubject(std::unique_ptr<NullServer> server, const HttpServerOptions& options)
      : server_(std::move(server)), http_(OpenHttpSubject(options)) {}

  const ModelRow& row() const override { return http_->row(); }
  int64_t context_length() const override { return 0; }
  const std::vector<int32_t>& prompt_ids() const override { return http_->prompt_ids(); }
  const Tokenizer* tokenizer() const override { return http_->tokenizer(); }
  TargetFacts facts() const override {
    TargetFacts facts = http_->facts();
    facts.threads = 1;
    return facts;
  }
  Result<int64_t> Plan(int users, int64_t tokens) const override {
    return http_->Plan(users, tokens);
  }
  Status Load(const OnProgress& on_progress) override { return http_->Load(on_progress); }
  void Unload() override { http_->Unload(); }
  Result<std::unique_ptr<Target>> Start(int users, int64_t tokens) override {
    return http_->Start(users, tokens);
  }

 private:
  const std::unique_ptr<NullServer> server_;
  const std::unique_ptr<Subject> http_;
};

}  // namespace

std::unique_ptr<Subject> OpenNullSubject() { return std::make_unique<NullSubject>(); }

Result<std::unique_ptr<Subject>> OpenNullHttpSubject(HttpServerOptions options) {
  WEIR_TRY(auto server, NullServer::Start());
  options.url = server->url();
  std::unique_ptr<Subject> subject =
      std::make_unique<NullHttpSubject>(std::move(server), options);
  return subject;
}

}  // namespace weir
