// weir run: continues a text in the terminal.
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "engine/engine.h"
#include "machine/rates.h"
#include "model/limit.h"
#include "util/clock.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

// Enough for a rate to divide by (machine/rates.h).
constexpr int kProbePasses = 5;
// How often a waiting stream looks whether the user has asked to stop.
constexpr int64_t kInterruptPollMs = 100;

struct Flags {
  ModelFlags model;
  std::string prompt;
  SamplingParams sampling;
  int64_t max_tokens = 128;
  std::vector<std::string> stop;
  bool ignore_eos = false, raw = false, measure_limit = true, json = false;
};

struct Outcome {
  std::string text;
  std::vector<int32_t> tokens;
  int64_t submitted_ns = 0, first_ns = 0, last_ns = 0;
  FinishReason finished = FinishReason::kCancelled;
  std::vector<StepRecord> steps;
  std::string logits_hash;
};

const char* Name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
    case FinishReason::kError: return "error";
  }
  return "";
}

void Emit(const std::string& text, const Flags& flags) {
  // Models write escape sequences too; a terminal gets text only, unless asked.
  const std::string shown = flags.raw || !StdoutIsTerminal() ? text : WithoutControls(text);
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  std::fflush(stdout);
}

/// Streams the answer to stdout (not with --json) until its end or Ctrl-C.
Result<Outcome> Generate(Engine& engine, Request request, const Flags& flags) {
  Outcome outcome;
  engine.TakeSteps();
  outcome.submitted_ns = NowNs();
  WEIR_TRY(Stream stream, engine.Submit(std::move(request)));
  if (!flags.json) Emit(flags.prompt, flags);
  for (bool cancelled = false;;) {
    const std::optional<Event> event = stream.Next(kInterruptPollMs);
    if (Interrupted() && !cancelled) {
      stream.Cancel();
      cancelled = true;
    }
    if (!event) continue;
    if (event->token >= 0) {
      if (outcome.tokens.empty()) outcome.first_ns = event->time_ns;
      outcome.last_ns = event->time_ns;
      outcome.tokens.push_back(event->token);
    }
    outcome.text += event->text;
    if (!flags.json) Emit(event->text, flags);
    if (event->finished == FinishReason::kError) return Failed("{}: {}", flags.model.model, event->error);
    if (event->finished) {
      outcome.finished = *event->finished;
      break;
    }
  }
  outcome.steps = engine.TakeSteps();
  outcome.logits_hash = engine.LogitsHash();
  return outcome;
}

/// T* over measured time, of the steps that only decode; nothing without such steps or when interrupted.
Result<std::optional<double>> ShareOfLimit(const std::vector<StepRecord>& steps, int n_threads) {
  double measured = 0;
  for (const StepRecord& step : steps) {
    if (step.n_prefill_rows == 0) measured += static_cast<double>(step.end_ns - step.begin_ns);
  }
  if (measured == 0 || Interrupted()) return std::optional<double>();
  Progress progress("measuring this machine's limits");
  const auto report = [&](int64_t done, int64_t total) { progress.Update(done, total); };
  WEIR_TRY(const Isa best, SelectIsa(nullptr));
  WEIR_TRY(Prober prober, Prober::Create(best, PlanProbeBuffer(ReadMachine()), n_threads, report));
  WEIR_TRY(const MachineRates rates, prober.Measure(n_threads, kProbePasses, report));
  double limit = 0;
  for (const StepRecord& step : steps) {
    if (step.n_prefill_rows == 0) limit += LimitNs(step.cost, rates);
  }
  return std::optional<double>(limit / measured);
}

std::optional<double> TtftMs(const Outcome& outcome) {
  if (outcome.tokens.empty()) return std::nullopt;
  return static_cast<double>(outcome.first_ns - outcome.submitted_ns) * 1e-6;
}

std::optional<double> DecodeRate(const Outcome& outcome) {
  if (outcome.tokens.size() < 2) return std::nullopt;
  return static_cast<double>(outcome.tokens.size() - 1) * 1e9 /
         static_cast<double>(outcome.last_ns - outcome.first_ns);
}

void PrintSummary(const Outcome& outcome, size_t n_prompt, std::optional<double> share) {
  std::string line = fmt::format("{} prompt + {} new tokens", n_prompt, outcome.tokens.size());
  if (const auto ttft = TtftMs(outcome)) line += fmt::format(", first after {:.0f} ms", *ttft);
  if (const auto rate = DecodeRate(outcome)) line += fmt::format(", {:.1f} tok/s", *rate);
  if (share) line += fmt::format(", {:.0f} % of the limit", *share * 100);
  if (!outcome.logits_hash.empty()) line += ", logits " + outcome.logits_hash;
  PrintMessage(
      fmt::format("\n{}[{}]{}\n", StderrStyle("\x1b[2m"), line, StderrStyle("\x1b[0m")));
}

Json OutcomeJson(const Outcome& outcome, const std::vector<int32_t>& prompt,
                 std::optional<double> share) {
  Json json{{"text", outcome.text},
            {"prompt", prompt},
            {"tokens", outcome.tokens},
            {"finish_reason", Name(outcome.finished)}};
  json["ttft_ms"] = OrNull(TtftMs(outcome));
  json["decode_tok_s"] = OrNull(DecodeRate(outcome));
  json["roofline_share"] = OrNull(share);
  json["logits_hash"] = OrNull(outcome.logits_hash);
  return json;
}

/// The request, checked against the model's context.
Result<Request> MakeRequest(const Flags& flags, const Tokenizer& tokenizer,
                            const ModelConfig& config) {
  Request request;
  request.prompt = tokenizer.Encode(flags.prompt, true);
  if (tokenizer.add_bos() && tokenizer.bos()) {
    request.prompt.insert(request.prompt.begin(), *tokenizer.bos());
  }
  request.sampling = flags.sampling;
  request.max_tokens = flags.max_tokens;
  request.stop = flags.stop;
  request.ignore_eos = flags.ignore_eos;
  if (request.prompt.empty()) return BadInput("--prompt is empty: expected at least one token");
  if (static_cast<int64_t>(request.prompt.size()) + flags.max_tokens > config.context_length) {
    return WithHint(
        BadInput("--prompt of {} tokens and --max-tokens {} do not fit the model's context of {}",
                 request.prompt.size(), flags.max_tokens, config.context_length),
        "lower --max-tokens or shorten the prompt");
  }
  WEIR_RETURN_IF_ERROR(CheckSampling(request.sampling, config.n_vocab));
  return request;
}

/// Everything that can be wrong is found before the weights are loaded.
Result<EnginePlan> PlanEngine(const Flags& flags, const ModelSource& source,
                              const ModelConfig& config, const Request& request) {
  EngineOptions options;
  options.context_tokens = static_cast<int64_t>(request.prompt.size()) + request.max_tokens;
  options.n_threads = flags.model.threads();
  options.kv_type = flags.model.kv_type();
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(source, flags.model.dtype()));
  Result<EnginePlan> plan =
      Engine::Plan(config, footprint, flags.model.dtype(), options, AvailableMemory());
  if (!plan) return In(source.name(), plan.error());
  return plan;
}

Result<int> RunText(const Flags& flags) {
  CatchInterrupts();
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(flags.model.model));
  WEIR_TRY(const ModelConfig config, ReadConfig(*source));
  WEIR_TRY(const std::unique_ptr<Tokenizer> tokenizer, OpenTokenizer(*source, config.n_vocab));
  WEIR_TRY(Request request, MakeRequest(flags, *tokenizer, config));
  const std::vector<int32_t> prompt = request.prompt;
  WEIR_TRY(const EnginePlan plan, PlanEngine(flags, *source, config, request));
  WEIR_TRY(const LoadedModel loaded,
           LoadModel(flags.model, *source, plan.total_bytes() - plan.weights_bytes));
  WEIR_TRY(std::unique_ptr<Engine> engine,
           Engine::Start(*loaded.model, tokenizer.get(), plan.options));
  WEIR_TRY(const Outcome outcome, Generate(*engine, std::move(request), flags));
  engine.reset();  // frees its memory for the probe

  std::optional<double> share;
  if (flags.measure_limit) {
    Result<std::optional<double>> measured = ShareOfLimit(outcome.steps, flags.model.threads());
    if (measured) share = *measured;  // else the share stays unknown; the text is what was asked for
  }
  if (flags.json) {
    PrintJson(OutcomeJson(outcome, prompt, share));
  } else {
    PrintSummary(outcome, prompt.size(), share);
  }
  return outcome.finished == FinishReason::kCancelled ? kExitInterrupted : kExitOk;
}

}  // namespace

Command AddRun(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddModelFlags(app, flags->model);
  app.add_option("--prompt", flags->prompt, "the text to continue; special tokens are recognised")
      ->required();
  app.add_option("--max-tokens", flags->max_tokens, "new tokens at most")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--temp", flags->sampling.temperature, "temperature; 0: the likeliest token");
  app.add_option("--top-k", flags->sampling.top_k, "the K likeliest tokens only; 0: off");
  app.add_option("--top-p", flags->sampling.top_p, "the likeliest tokens that make up this share");
  app.add_option("--min-p", flags->sampling.min_p, "tokens at least this likely, relative to the best");
  app.add_option("--repetition-penalty", flags->sampling.repetition_penalty, "1: off");
  app.add_option("--presence-penalty", flags->sampling.presence_penalty, "0: off");
  app.add_option("--frequency-penalty", flags->sampling.frequency_penalty, "0: off");
  app.add_option("--seed", flags->sampling.seed, "same seed, same text");
  app.add_option("--stop", flags->stop, "stop before this text (may be repeated)");
  app.add_flag("--ignore-eos", flags->ignore_eos, "go on after end-of-text tokens");
  app.add_flag("--raw", flags->raw, "control characters of the model go to the terminal as they are");
  app.add_flag("!--no-limit", flags->measure_limit, "skip measuring the machine's limit at the end");
  app.add_flag("--json", flags->json, "one JSON document instead of a stream");
  app.footer("Examples:\n  weir run model.gguf --prompt \"Once upon a time\" --max-tokens 200\n"
             "  weir run model.gguf --prompt \"The sea\" --temp 0.8 --top-p 0.95 --seed 7");
  return [flags] { return RunText(*flags); };
}

}  // namespace weir
