#include "bench/in_process.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/model_row.h"
#include "machine/memory_use.h"
#include "model/chat/chat_template.h"
#include "model/text/tokenizer.h"
#include "util/clock.h"

namespace weir {
namespace {

constexpr int64_t kNormalToken = 1;  // tokenizer.ggml.token_type
constexpr int64_t kWaitMs = 5;       // for one stream, before the others are looked at again
constexpr int64_t kShortWaitNs = 200'000;

/// Ids of ordinary tokens; all ids if the file does not tell them from control tokens.
std::vector<int32_t> PromptIds(const ModelSource& source, int64_t n_vocab) {
  const Result<std::vector<int64_t>> types = source.metadata().Ints("tokenizer.ggml.token_type");
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < n_vocab; ++id) {
    const bool known = types && id < static_cast<int64_t>(types->size());
    if (!types || (known && (*types)[id] == kNormalToken)) ids.push_back(id);
  }
  if (ids.empty()) {
    for (int32_t id = 0; id < n_vocab; ++id) ids.push_back(id);
  }
  return ids;
}

class InProcessTarget : public Target {
 public:
  InProcessTarget(std::unique_ptr<Engine> engine, const Tokenizer* tokenizer)
      : engine_(std::move(engine)), tokenizer_(tokenizer) {}

  Result<int64_t> Submit(const Query& query) override {
    if (query.ids.empty()) return BadInput("the engine takes a prompt of token ids");
    Request request;
    request.prompt = query.ids;
    request.max_tokens = query.max_tokens;
    request.ignore_eos = query.fixed_length;
    request.gate = query.gate;
    if (query.top_logprobs > 0 && tokenizer_) request.n_logprobs = query.top_logprobs;
    WEIR_TRY(Stream stream, engine_->Submit(std::move(request)));
    running_.push_back({next_id_, std::move(stream), static_cast<int64_t>(query.ids.size())});
    return next_id_++;
  }

  std::optional<TargetEvent> Next(int64_t timeout_ns) override {
    const int64_t deadline = NowNs() + timeout_ns;
    while (true) {
      // From the stream after the last one that had something: events of one step come in this
      // order.
      for (size_t i = 0; i < running_.size(); ++i) {
        if (auto event = Take((at_ + i) % running_.size(), 0)) return event;
      }
      const int64_t left_ns = deadline - NowNs();
      if (left_ns <= 0) return std::nullopt;
      const int64_t wait_ms = std::min(left_ns / 1'000'000, kWaitMs);
      if (running_.empty() || wait_ms == 0) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(left_ns, kShortWaitNs)));
      } else if (auto event = Take(WorthWaitingFor(), wait_ms)) {
        return event;
      }
    }
  }

  void CancelAll() override { running_.clear(); }
  int64_t Now() const override { return NowNs(); }
  std::vector<StepRecord> TakeSteps() override { return engine_->TakeSteps(); }
  EngineProfile TakeProfile() override { return engine_->TakeProfile(); }
  std::optional<std::string> LogitsHash() override {
    std::string hash = engine_->LogitsHash();
    return hash.empty() ? std::nullopt : std::optional(std::move(hash));
  }

 private:
  struct Running {
    int64_t id;
    Stream stream;
    int64_t n_prompt;
    int64_t n_cached = 0;
    bool decoding = false;
  };

  std::optional<TargetEvent> Take(size_t index, int64_t timeout_ms) {
    Running& running = running_[index];
    const std::optional<Event> event = running.stream.Next(timeout_ms);
    if (!event) return std::nullopt;
    TargetEvent taken;
    taken.request = running.id;
    taken.token = event->token >= 0;
    taken.id = event->token;
    taken.time_ns = event->time_ns;
    taken.finished = event->finished;
    taken.error = event->error;
    if (event->logprobs) taken.ranked.push_back(Ranked(event->token, *event->logprobs));
    running.decoding = true;
    if (event->n_cached > 0) running.n_cached = event->n_cached;
    at_ = index + 1;
    if (event->finished) {
      taken.facts = AnswerFacts{};
      taken.facts->prompt_tokens = running.n_prompt;
      taken.facts->cached_tokens = running.n_cached;
      running_.erase(running_.begin() + static_cast<int64_t>(index));
      at_ = index;
    }
    return taken;
  }

  RankedToken Ranked(int32_t id, const TokenLogprobs& logprobs) const {
    RankedToken token{std::string(tokenizer_->Piece(id)), {}};
    for (int i = 0; i < logprobs.n_top; ++i) {
      token.top.emplace_back(tokenizer_->Piece(logprobs.top[i].id), logprobs.top[i].logprob);
    }
    return token;
  }

  /// A sequence that decodes has an event after every step, so waiting for it costs one wake-up per
  /// step.
  size_t WorthWaitingFor() const {
    const auto found =
        std::find_if(running_.begin(), running_.end(), [](const Running& r) { return r.decoding; });
    return found == running_.end() ? 0 : found - running_.begin();
  }

  std::unique_ptr<Engine> engine_;
  const Tokenizer* const tokenizer_;  // names the tokens of logprobs; null: nobody does
  std::vector<Running> running_;  // after the engine: dropping a stream cancels its request
  size_t at_ = 0;
  int64_t next_id_ = 0;
};

class InProcessSubject : public Subject {
 public:
  InProcessSubject(const std::string& name, std::unique_ptr<ModelSource> source,
                   const InProcessOptions& options)
      : options_(options),
        source_(std::move(source)),
        config_(ReadConfig(*source_)),
        footprint_(Model::Plan(*source_, Dtype::kInt8)),
        row_(DescribeModel(name, *source_)) {
    if (config_) prompt_ids_ = PromptIds(*source_, config_->n_vocab);
    // A model without one can be measured all the same.
    if (auto tokenizer = Tokenizer::Create(source_->metadata())) {
      tokenizer_ = std::move(tokenizer).value();
    }
  }

  const ModelRow& row() const override { return row_; }
  int64_t context_length() const override { return config_ ? config_->context_length : 0; }
  const std::vector<int32_t>& prompt_ids() const override { return prompt_ids_; }
  ModelFileRow source_file() const override { return DescribeFile(row_.name, *source_); }
  const Tokenizer* tokenizer() const override { return tokenizer_.get(); }
  Result<std::vector<int32_t>> ChatIds(const std::vector<ChatTurn>& turns) const override {
    WEIR_TRY(const ChatTemplate chat, ReadChatTemplate(*source_, false));
    nlohmann::ordered_json request{{"add_generation_prompt", true}};
    for (const ChatTurn& turn : turns) {
      request["messages"].push_back({{"role", turn.role}, {"content", turn.content}});
    }
    RenderOptions options;
    WEIR_TRY(options.tokens, ReadTemplateTokens(source_->metadata()));
    WEIR_TRY(const TypedText text, chat.Render(request, options));
    return tokenizer_->Encode(text);
  }
  TargetFacts facts() const override { return {"weir", "", "", options_.n_threads, true}; }

  Result<int64_t> Plan(int users, int64_t tokens) const override {
    if (!config_) return config_.error();
    if (!footprint_) return footprint_.error();
    const int64_t available = AvailableMemoryBytes().value_or(std::numeric_limits<int64_t>::max());
    WEIR_TRY(const EnginePlan plan, Engine::Plan(*config_, *footprint_, Dtype::kInt8,
                                                 OptionsFor(users, tokens), available));
    return plan.total_bytes();
  }

  Status Load(const OnProgress& on_progress) override {
    ThreadPool threads(options_.n_threads);
    LoadOptions load;
    load.isa = options_.isa;
    load.progress = [](void* context, int64_t done, int64_t total) {
      return (*static_cast<const OnProgress*>(context))(done, total);
    };
    load.context = const_cast<OnProgress*>(&on_progress);
    WEIR_TRY(model_, Model::Load(*source_, load, threads));
    return {};
  }

  void Unload() override { model_.reset(); }

  Result<std::unique_ptr<Target>> Start(int users, int64_t tokens) override {
    WEIR_TRY(std::unique_ptr<Engine> engine,
             Engine::Start(*model_, nullptr, OptionsFor(users, tokens)));
    std::unique_ptr<Target> target = std::make_unique<InProcessTarget>(std::move(engine), tokenizer_.get());
    return target;
  }

 private:
  EngineOptions OptionsFor(int users, int64_t tokens) const {
    EngineOptions options;
    options.max_sequences = users;
    options.context_tokens = tokens;
    options.n_threads = options_.n_threads;
    options.profile = options_.profile;
    options.kv_type = options_.kv_type;
    return options;
  }

  const InProcessOptions options_;
  const std::unique_ptr<ModelSource> source_;
  const Result<ModelConfig> config_;
  const Result<ModelFootprint> footprint_;
  ModelRow row_;
  std::vector<int32_t> prompt_ids_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Model> model_;
};

}  // namespace

Result<std::unique_ptr<Subject>> OpenSubject(const std::string& model,
                                             const InProcessOptions& options) {
  WEIR_TRY(std::unique_ptr<ModelSource> source, OpenModel(model));
  std::unique_ptr<Subject> subject =
      std::make_unique<InProcessSubject>(model, std::move(source), options);
  return subject;
}

}  // namespace weir
