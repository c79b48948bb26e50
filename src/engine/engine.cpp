#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "engine/logits_hash.h"
#include "engine/plan.h"
#include "engine/prefill_budget.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/step_guard.h"
#include "model/limit.h"
#include "model/text/utf8.h"
#include "model/workspace.h"
#include "util/clock.h"
#include "util/processors.h"
#include "util/thread_pool.h"

namespace weir {
namespace {

constexpr double kForget = 1.0 / 32;  // of a share's past, with each step
constexpr size_t kMaxStops = 64, kMaxStopBytes = 1024;  // they are looked for after every token

Status CheckStops(const std::vector<std::string>& stops, bool have_tokenizer) {
  if (!stops.empty() && !have_tokenizer) {
    return BadInput("stop strings need a model with a tokenizer; this one has none");
  }
  if (stops.size() > kMaxStops) {
    return BadInput("stop: expected at most {} strings, found {}", kMaxStops, stops.size());
  }
  for (const std::string& stop : stops) {
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      return BadInput("stop: expected strings of 1 to {} bytes, found {}", kMaxStopBytes,
                      stop.size());
    }
    if (!IsValidUtf8(stop)) return BadInput("stop: expected UTF-8");
  }
  return {};
}

}  // namespace

struct Engine::Impl {
  Impl(const Model& the_model, const Tokenizer* the_tokenizer, const EngineOptions& the_options)
      : model(the_model),
        tokenizer(the_tokenizer),
        options(the_options),
        inbox(std::make_shared<Inbox>()),
        threads(options.n_threads),
        scheduler({.max_sequences = options.max_sequences,
                   .n_pages = KvPages(options),
                   .n_checkpoints = options.n_checkpoints,
                   .recurrent = StateBytesPerSequence(model.config()) > 0,
                   .checkpoint_interval = options.checkpoint_interval,
                   .cache_bytes = options.cache_bytes > 0 ? options.cache_bytes : INT64_MAX,
                   .slot_bytes = StateBytesPerSequence(model.config()),
                   .page_bytes = kPageTokens * KvBytesPerToken(model.config(), options.kv_type.value_or(
                                                                   DefaultKvType(model.dtype())))}),
        prefill_budget(options.itl_target_ns, options.prefill_tokens, options.max_sequences) {
    for (int i = 0; i < options.n_threads; ++i) {
      scratch.emplace_back(model.config().n_vocab, Kernels(model.isa()));
    }
    slices.reserve(options.max_sequences);
    draws.reserve(options.max_sequences);
    sampled.reserve(options.max_sequences);
    if (options.profile) profiler.emplace(threads);
  }

  // A row of logits on its way to a token.
  struct Draw {
    SequenceId id;
    Sequence* sequence;
    uint64_t logits_hash = 0;
    std::optional<int32_t> token = {};
    int64_t time_ns = 0;
    TokenLogprobs logprobs = {};
  };

  Status Check(const Request& request) const;
  Result<std::shared_ptr<Outbox>> Submit(Request request);
  void Stop();

  // On the engine thread.
  void Run();
  bool Receive(bool wait);
  void EndCancelled();
  bool Step();
  bool Deliver(const Draw& draw, const float* hidden);
  void CopyCached();
  void Gather(std::span<const PlannedSlice> plan, StepRecord& record);
  void Compute(StepRecord& record);
  void Keep(const StepRecord& record);
  void KeepShare(const StepRecord& record);
  void Publish();
  void KeepProfile(const StepRecord& record);

  const Model& model;
  const Tokenizer* const tokenizer;
  const EngineOptions options;
  const std::shared_ptr<Inbox> inbox;

  ThreadPool threads;
  std::optional<StepProfiler> profiler;  // where the options ask for it
  Cache cache;
  std::unique_ptr<Model::Workspace> workspace;
  std::vector<SamplerScratch> scratch;  // [n_threads]
  Scheduler scheduler;
  PrefillBudget prefill_budget;
  SequenceId next_id = 0;
  std::map<SequenceId, std::unique_ptr<Sequence>> sequences;  // that have not ended
  std::vector<std::unique_ptr<Sequence>> arrivals;
  std::vector<Slice> slices;  // of the step,
  std::vector<Draw> draws;    // and those of them that sample
  std::vector<int32_t> sampled;  // [draws.size()]
  int64_t step_begin_ns = 0;

  std::atomic<int64_t> waiting_since_ns = 0;  // written with the inbox locked

  mutable std::mutex records_mutex;
  EngineStatus status;
  double recent_ns = 0, recent_limit_ns = 0;
  bool recording = false;
  std::vector<StepRecord> records;
  EngineProfile profile;
  std::optional<uint64_t> logits_hash;

  std::thread engine_thread;
};

Status Engine::Impl::Check(const Request& request) const {
  const int64_t n_prompt = static_cast<int64_t>(request.prompt.size());
  const int64_t n_vocab = model.config().n_vocab;
  if (n_prompt == 0) return BadInput("prompt: expected at least one token, found none");
  for (int32_t id : request.prompt) {
    if (id < 0 || id >= n_vocab) {
      return BadInput("prompt: expected token ids below {}, found {}", n_vocab, id);
    }
  }
  if (request.max_tokens < 1) {
    return BadInput("max_tokens: expected 1 or more, found {}", request.max_tokens);
  }
  if (request.max_tokens > options.context_tokens - n_prompt) {
    return BadInput("a prompt of {} tokens and an answer of up to {} do not fit the context of {}",
                    n_prompt, request.max_tokens, options.context_tokens);
  }
  if (Scheduler::PagesFor(n_prompt + request.max_tokens) > KvPages(options)) {
    return BadInput(
        "a prompt of {} tokens and an answer of up to {} do not fit the {} that all users share",
        n_prompt, request.max_tokens, options.kv_tokens);
  }
  if (request.gate && (request.gate->size < 1 || request.gate->size > options.max_sequences)) {
    return BadInput("gate: expected a size of 1 to {}, found {}", options.max_sequences,
                    request.gate->size);
  }
  if (request.n_logprobs < -1 || request.n_logprobs > TokenLogprobs::kMaxTop) {
    return BadInput("logprobs: expected at most {} ids, found {}", TokenLogprobs::kMaxTop,
                    request.n_logprobs);
  }
  if (request.embed && request.max_tokens != 1) {
    return BadInput("max_tokens: expected 1 for an embedding, found {}", request.max_tokens);
  }
  if (request.constraint && !tokenizer) {
    return BadInput("a constraint needs a model with a tokenizer; this one has none");
  }
  WEIR_RETURN_IF_ERROR(CheckStops(request.stop, tokenizer != nullptr));
  return CheckSampling(request.sampling, n_vocab);
}

Result<std::shared_ptr<Outbox>> Engine::Impl::Submit(Request request) {
  WEIR_RETURN_IF_ERROR(Check(request));
  auto outbox = std::make_shared<Outbox>(inbox);
  auto sequence =
      std::make_unique<Sequence>(std::move(request), model.config().n_vocab, tokenizer, outbox);
  {
    std::lock_guard lock(inbox->mutex);
    inbox->arrivals.push_back(std::move(sequence));
    if (waiting_since_ns == 0) waiting_since_ns = NowNs();
  }
  inbox->changed.notify_one();
  return outbox;
}

void Engine::Impl::Run() {
  NameThisThread("weir-engine");
  const ThreadPool::PinCaller pin(threads);
  bool idle = true;
  while (Receive(idle)) {
    idle = !Step();
    Publish();
  }
  for (auto& [id, sequence] : sequences) sequence->End(FinishReason::kCancelled);
}

/// Takes what has come, after a step; false if the engine is to stop. With `wait` there was nothing to compute:
/// not before something has come.
bool Engine::Impl::Receive(bool wait) {
  std::unique_lock lock(inbox->mutex);
  if (sequences.empty() && inbox->arrivals.empty()) {
    waiting_since_ns = 0;
  } else if (!wait) {
    waiting_since_ns = step_begin_ns;
  }
  if (wait) {
    inbox->changed.wait(lock, [this] {
      return inbox->stopping || inbox->some_cancelled || !inbox->arrivals.empty();
    });
    step_begin_ns = NowNs();
  }
  arrivals.swap(inbox->arrivals);
  const bool some_cancelled = std::exchange(inbox->some_cancelled, false);
  const bool stopping = inbox->stopping;
  lock.unlock();

  for (std::unique_ptr<Sequence>& sequence : arrivals) {
    const Request& request = sequence->request;
    scheduler.Add(next_id, {.prompt = request.prompt,
                            .max_tokens = request.max_tokens,
                            .gate = request.gate,
                            .checkpoints = request.checkpoints,
                            .priority = request.priority,
                            .user = request.user});
    sequences.emplace(next_id++, std::move(sequence));
  }
  arrivals.clear();
  if (some_cancelled) EndCancelled();
  return !stopping;
}

void Engine::Impl::EndCancelled() {
  for (auto at = sequences.begin(); at != sequences.end();) {
    if (at->second->cancelled()) {
      scheduler.Finish(at->first);
      at->second->End(FinishReason::kCancelled);
      at = sequences.erase(at);
    } else {
      ++at;
    }
  }
}

/// False if there is nothing to compute until something comes.
bool Engine::Impl::Step() {
  const std::span<const PlannedSlice> plan =
      scheduler.Plan(prefill_budget.Tokens(scheduler.n_decoding()));
  if (plan.empty()) return false;
  StepRecord record;
  record.begin_ns = step_begin_ns;
  if (profiler) profiler->Begin(step_begin_ns);
  {
    const StepGuard guard;
    CopyCached();
    Gather(plan, record);
    Compute(record);
    record.end_ns = step_begin_ns = NowNs();
    if (profiler) profiler->End(record.end_ns);
  }
  sampled.clear();
  for (const Draw& draw : draws) sampled.push_back(draw.token.value_or(0));
  scheduler.Commit(sampled);
  prefill_budget.Observe(record.n_decode_rows, record.n_prefill_rows,
                         record.end_ns - record.begin_ns);
  Keep(record);
  for (size_t i = 0; i < draws.size(); ++i) {
    if (Deliver(draws[i], workspace->last.row(static_cast<int64_t>(i)))) {
      scheduler.Finish(draws[i].id);
      sequences.erase(draws[i].id);
    }
  }
  return true;
}

/// Tells the stream what came of a row; true at its end. hidden: [n_embd]
bool Engine::Impl::Deliver(const Draw& draw, const float* hidden) {
  if (!draw.sequence->request.embed) {
    return draw.sequence->Take(draw.token, draw.time_ns, draw.logprobs);
  }
  draw.sequence->TakeHidden(std::span(hidden, static_cast<size_t>(model.config().n_embd)), draw.time_ns);
  return true;
}

/// Gives those who begin with a known prompt what is known of it.
void Engine::Impl::CopyCached() {
  if (scheduler.page_copies().empty() && scheduler.slot_copies().empty()) return;
  const int64_t n_full = model.config().n_full_layers(), n_linear = model.config().n_linear_layers();
  threads.ParallelFor(n_full + n_linear, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t layer = begin; layer < end; ++layer) {
      if (layer < n_full) {
        for (const auto [from, to] : scheduler.page_copies()) cache.CopyPage(layer, from, to);
      } else {
        for (const auto [from, to] : scheduler.slot_copies()) cache.CopySlot(layer - n_full, from, to);
      }
    }
  });
}

void Engine::Impl::Gather(std::span<const PlannedSlice> plan, StepRecord& record) {
  slices.clear();
  draws.clear();
  for (const PlannedSlice& planned : plan) {
    Sequence& sequence = *sequences.find(planned.id)->second;
    sequence.n_cached = planned.n_cached;
    (planned.decoding ? record.n_decode_rows : record.n_prefill_rows) +=
        static_cast<int>(planned.tokens.size());
    slices.push_back({.tokens = planned.tokens,
                      .position = planned.position,
                      .pages = planned.pages,
                      .slot = planned.slot,
                      .n_logits = planned.samples ? 1 : 0,
                      .snapshots = planned.snapshots});
    if (planned.samples) draws.push_back({.id = planned.id, .sequence = &sequence});
  }
}

void Engine::Impl::Compute(StepRecord& record) {
  float* logits = model.Forward(slices, cache, *workspace, threads, &record.cost,
                                profiler ? &*profiler : nullptr);
  if (profiler) profiler->Enter(StepPart::kSampling);
  const int64_t n_vocab = model.config().n_vocab, n_blocks = LogitBlocks(n_vocab);
  threads.ParallelFor(draws.size(), 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; ++i) {
      const LogitRow row{std::span(logits + i * n_vocab, n_vocab),
                         std::span(workspace->logit_maxima + i * n_blocks, n_blocks)};
      Draw& draw = draws[i];
      draw.logits_hash =
          HashWords(std::span(workspace->logit_hashes + i * n_blocks, n_blocks));
      draw.time_ns = NowNs();
      if (draw.sequence->request.embed) continue;
      Sampler& sampler = draw.sequence->sampler;
      const int n_logprobs = draw.sequence->request.n_logprobs;
      draw.token = n_logprobs < 0 ? sampler.Draw(row, scratch[thread])
                                  : sampler.Draw(row, scratch[thread], n_logprobs, draw.logprobs);
      draw.time_ns = NowNs();
    }
  });
}

void Engine::Impl::Keep(const StepRecord& record) {
  std::lock_guard lock(records_mutex);
  status.n_prefilled_tokens += record.n_prefill_rows;
  status.n_generated_tokens += std::ranges::count_if(draws, [](const Draw& d) { return !d.sequence->request.embed; });
  KeepShare(record);
  if (recording) records.push_back(record);
  if (profiler) KeepProfile(record);
  if (draws.empty()) return;
  logits_hash = 0;
  for (const Draw& draw : draws) logits_hash = CombineHashes(*logits_hash, draw.logits_hash);
}

void Engine::Impl::KeepShare(const StepRecord& record) {
  const int64_t step_ns = record.end_ns - record.begin_ns;
  status.steps_ns += step_ns;
  if (!options.rates) return;
  const double limit_ns = LimitNs(record.cost, *options.rates);
  status.limit_ns = status.limit_ns.value_or(0) + limit_ns;
  recent_ns += kForget * (static_cast<double>(step_ns) - recent_ns);
  recent_limit_ns += kForget * (limit_ns - recent_limit_ns);
  status.recent_share = recent_limit_ns / recent_ns;
}

void Engine::Impl::Publish() {
  std::lock_guard lock(records_mutex);
  status.n_queued = scheduler.n_queued();
  status.n_active = scheduler.n_admitted();
  status.n_decoding = scheduler.n_decoding();
  status.n_pages = scheduler.pages().n_pages();
  status.n_free_pages = scheduler.pages().n_free();
  status.n_kept_pages = scheduler.pages().n_kept();
  status.n_checkpoints = scheduler.n_checkpoints();
  status.cache_bytes = scheduler.CacheBytes();
  status.n_preempted = scheduler.n_preempted();
  status.n_cached_tokens = scheduler.n_cached_tokens();
}

void Engine::Impl::KeepProfile(const StepRecord& record) {
  StepProfile& step = profiler->step();
  step.n_rows = record.n_decode_rows + record.n_prefill_rows;
  step.cost = record.cost;
  if (record.n_decode_rows == 0) {
    profile.prefill += step;
  } else if (record.n_decode_rows == options.max_sequences && record.n_prefill_rows == 0) {
    profile.decode += step;
  }
}

void Engine::Impl::Stop() {
  {
    std::lock_guard lock(inbox->mutex);
    inbox->stopping = true;
  }
  inbox->changed.notify_one();
  engine_thread.join();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() { impl_->Stop(); }

Result<std::unique_ptr<Engine>> Engine::Start(const Model& model, const Tokenizer* tokenizer,
                                              const EngineOptions& options) {
  WEIR_TRY(const EngineOptions resolved, ResolveOptions(model.config(), options));
  auto impl = std::make_unique<Impl>(model, tokenizer, resolved);
  WEIR_TRY(impl->cache, Cache::Allocate(model.config(),
                                        resolved.kv_type.value_or(DefaultKvType(model.dtype())),
                                        KvPages(resolved), Slots(resolved)));
  WEIR_TRY(impl->workspace, model.MakeWorkspace(MaxRows(resolved), MaxLogits(resolved)));
  impl->Publish();
  impl->engine_thread = std::thread([raw = impl.get()] { raw->Run(); });
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Result<Stream> Engine::Submit(Request request) {
  WEIR_TRY(std::shared_ptr<Outbox> outbox, impl_->Submit(std::move(request)));
  return Stream(std::move(outbox));
}

const EngineOptions& Engine::options() const { return impl_->options; }

EngineStatus Engine::CurrentStatus() const {
  std::lock_guard lock(impl_->records_mutex);
  EngineStatus status = impl_->status;
  status.waiting_since_ns = impl_->waiting_since_ns;
  return status;
}

std::vector<StepRecord> Engine::TakeSteps() {
  std::lock_guard lock(impl_->records_mutex);
  impl_->recording = true;
  return std::exchange(impl_->records, {});
}

EngineProfile Engine::TakeProfile() {
  std::lock_guard lock(impl_->records_mutex);
  return std::exchange(impl_->profile, {});
}

EngineProfile& EngineProfile::operator+=(const EngineProfile& other) {
  decode += other.decode;
  prefill += other.prefill;
  return *this;
}

std::string Engine::LogitsHash() const {
  std::lock_guard lock(impl_->records_mutex);
  return impl_->logits_hash ? fmt::format("{:016x}", *impl_->logits_hash) : std::string();
}

}  // namespace weir
