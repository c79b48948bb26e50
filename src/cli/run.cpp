// weir run: chats in the terminal, answers one prompt, or continues a text.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/chat/word_wrapper.h"
#include "cli/chat_format.h"
#include "cli/chat_loop.h"
#include "cli/chat_turn.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/generation.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/text_input.h"
#include "engine/engine.h"
#include "util/interrupt.h"
#include "util/terminal.h"
#include "util/terminal_input.h"

namespace weir {
namespace {

// Of a chat without --context: keys and values of that many take a gigabyte in a model of 8B.
constexpr int64_t kDefaultContext = 8192;
constexpr int64_t kDefaultTextTokens = 128;
// Room for the answer to a prompt that takes up the default context.
constexpr int64_t kAnswerRoom = 2048;
// In this turn and the one before it: where the answer is announced, and where it ends.
constexpr int kCheckpoints = 4;
constexpr int kSilentWaitMs = 2000;

struct Flags {
  ModelFlags model;
  std::optional<std::string> prompt;
  std::string system;
  SamplingParams sampling;
  std::optional<int64_t> max_tokens, context;
  bool think = false, no_think = false;
  std::vector<std::string> stop;
  bool ignore_eos = false, raw = false, measure_limit = true, json = false;
  bool use_template = true, keep_history = true;
};

/// What is known of a model before its weights are loaded.
struct OpenedModel {
  std::unique_ptr<ModelSource> source;
  ModelConfig config;
  std::unique_ptr<Tokenizer> tokenizer;
};

Result<OpenedModel> Open(const Flags& flags) {
  OpenedModel model;
  WEIR_TRY(model.source, OpenOrPull(flags.model.model));
  WEIR_TRY(model.config, ReadConfig(*model.source));
  WEIR_TRY(model.tokenizer, OpenTokenizer(*model.source, model.config.n_vocab));
  return model;
}

/// An engine with the model that it runs.
struct RunningModel {
  LoadedModel loaded;
  std::unique_ptr<Engine> engine;
};

/// Whether there is memory for it: everything that can be wrong is found before weights are loaded.
Result<EnginePlan> PlanEngine(const Flags& flags, const OpenedModel& model, EngineOptions options) {
  options.n_threads = flags.model.threads();
  options.kv_type = flags.model.kv_type();
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(*model.source, flags.model.dtype()));
  Result<EnginePlan> plan =
      Engine::Plan(model.config, footprint, flags.model.dtype(), options, AvailableMemory());
  if (!plan) return In(model.source->name(), plan.error());
  return plan;
}

Result<RunningModel> Start(const Flags& flags, const OpenedModel& model, const EnginePlan& plan) {
  RunningModel running;
  WEIR_TRY(running.loaded,
           LoadModel(flags.model, *model.source, plan.total_bytes() - plan.weights_bytes));
  WEIR_TRY(running.engine,
           Engine::Start(*running.loaded.model, model.tokenizer.get(), plan.options));
  return running;
}

/// All of a request but its prompt.
Result<Request> RequestLike(const Flags& flags, const OpenedModel& model, int64_t max_tokens) {
  Request request;
  request.sampling = flags.sampling;
  request.max_tokens = flags.max_tokens.value_or(max_tokens);
  request.stop = flags.stop;
  request.ignore_eos = flags.ignore_eos;
  WEIR_RETURN_IF_ERROR(CheckSampling(request.sampling, model.config.n_vocab));
  return request;
}

/// The share of the limit of these steps, if it is asked for and can be measured.
std::optional<double> Share(const Flags& flags, const std::vector<StepRecord>& steps) {
  if (!flags.measure_limit) return std::nullopt;
  Result<std::optional<double>> measured = ShareOfLimit(steps, flags.model.threads());
  return measured ? *measured : std::nullopt;  // the text is what was asked for
}

void PrintSummary(std::string line, std::optional<double> share, const std::string& logits_hash) {
  if (share) line += fmt::format(", {:.0f} % of the limit", *share * 100);
  if (!logits_hash.empty()) line += ", logits " + logits_hash;
  line = "[" + line + "]";
  if (StderrIsTerminal()) line = WordWrapped(line, TerminalWidth());
  PrintMessage(
      fmt::format("\n{}{}{}\n", StderrStyle("\x1b[2m"), line, StderrStyle("\x1b[0m")));
}

int ExitCode(const Generation& generation) {
  return generation.finished == FinishReason::kCancelled ? kExitInterrupted : kExitOk;
}

// ---- A text that is continued.

void Emit(const std::string& text, const Flags& flags) {
  // Models write escape sequences too; a terminal gets text only, unless asked.
  const std::string shown = flags.raw || !StdoutIsTerminal() ? text : WithoutControls(text);
  std::fwrite(shown.data(), 1, shown.size(), stdout);
  std::fflush(stdout);
}

Result<Request> TextRequest(const Flags& flags, const OpenedModel& model, const std::string& text) {
  WEIR_TRY(Request request, RequestLike(flags, model, kDefaultTextTokens));
  const Tokenizer& tokenizer = *model.tokenizer;
  request.prompt = tokenizer.Encode(text, true);
  if (tokenizer.add_bos() && tokenizer.bos()) {
    request.prompt.insert(request.prompt.begin(), *tokenizer.bos());
  }
  if (request.prompt.empty()) return BadInput("--prompt is empty: expected at least one token");
  const int64_t n_prompt = std::ssize(request.prompt);
  if (n_prompt + request.max_tokens > model.config.context_length) {
    return WithHint(
        BadInput("--prompt of {} tokens and --max-tokens {} do not fit the model's context of {}",
                 n_prompt, request.max_tokens, model.config.context_length),
        "lower --max-tokens or shorten the prompt");
  }
  return request;
}

Result<int> RunText(const Flags& flags, const OpenedModel& model, const std::string& text) {
  WEIR_TRY(Request request, TextRequest(flags, model, text));
  EngineOptions options;
  options.context_tokens = std::ssize(request.prompt) + request.max_tokens;
  WEIR_TRY(const EnginePlan plan, PlanEngine(flags, model, options));
  WEIR_TRY(RunningModel running, Start(flags, model, plan));
  if (!flags.json) Emit(text, flags);
  const auto on_event = [&](const Event& event) {
    if (!flags.json) Emit(event.text, flags);
  };
  Result<Generation> generation = Generate(*running.engine, std::move(request), on_event);
  if (!generation) return In(flags.model.model, generation.error());
  running.engine.reset();  // frees its memory for the probe

  const std::optional<double> share = Share(flags, generation->steps);
  if (flags.json) {
    Json json = GenerationJson(*generation);
    json["roofline_share"] = OrNull(share);
    PrintJson(json);
  } else {
    PrintSummary(Summary(*generation), share, generation->logits_hash);
  }
  return ExitCode(*generation);
}

// ---- A chat.

Conversation FirstMessages(const Flags& flags) {
  Conversation conversation;
  conversation.SetSystem(RepairText(flags.system, "--system"));
  return conversation;
}

/// The least context that serves: the default, or what a single long prompt needs.
int64_t WantedContext(const Flags& flags, const OpenedModel& model, int64_t n_prompt) {
  if (flags.context) return *flags.context;
  const int64_t needed = n_prompt > 0 ? n_prompt + flags.max_tokens.value_or(kAnswerRoom) : 0;
  return std::min(std::max(kDefaultContext, needed), model.config.context_length);
}

Result<EnginePlan> PlanChat(const Flags& flags, const OpenedModel& model, int64_t n_prompt) {
  EngineOptions options;
  options.context_tokens = WantedContext(flags, model, n_prompt);
  if (n_prompt == 0) options.n_checkpoints = kCheckpoints;
  Result<EnginePlan> plan = PlanEngine(flags, model, options);
  if (plan || flags.context || plan.error().code != ErrorCode::kRefused) return plan;
  options.context_tokens = 0;  // the longest that fits
  WEIR_TRY(plan, PlanEngine(flags, model, options));
  PrintMessage(fmt::format("memory for a context of {} tokens only\n",
                           Grouped(plan->options.context_tokens)));
  return plan;
}

Result<int> RunOnePrompt(const Flags& flags, const OpenedModel& model, RenderChat render,
                         Conversation conversation) {
  ChatTurnOptions turn_options;
  WEIR_TRY(turn_options.like, RequestLike(flags, model, 0));
  turn_options.context_tokens = model.config.context_length;
  const ChatTurns longest(*model.tokenizer, render, turn_options);
  WEIR_TRY(Question question, longest.Prepare(conversation.messages()));
  const int64_t n_prompt = std::ssize(question.request.prompt);
  WEIR_TRY(const EnginePlan plan, PlanChat(flags, model, n_prompt));
  turn_options.context_tokens = plan.options.context_tokens;
  const ChatTurns turns(*model.tokenizer, std::move(render), turn_options);
  WEIR_TRY(question, turns.Prepare(conversation.messages()));
  WEIR_TRY(RunningModel running, Start(flags, model, plan));

  AnswerView view(flags.json ? nullptr : stdout, flags.raw);
  Result<Turn> turn = turns.Ask(*running.engine, std::move(question), view);
  if (!turn) return In(flags.model.model, turn.error());
  running.engine.reset();
  const std::optional<double> share = Share(flags, turn->generation.steps);
  if (flags.json) {
    Json json = TurnJson(*turn);
    json["roofline_share"] = OrNull(share);
    PrintJson(json);
  } else {
    PrintSummary(Summary(turn->generation), share, turn->generation.logits_hash);
  }
  return ExitCode(turn->generation);
}

std::string SessionSummary(const std::vector<Turn>& turns) {
  int64_t n_prompt = 0, n_cached = 0, n_new = 0, n_gaps = 0, gaps_ns = 0;
  for (const auto& [generation, answer] : turns) {
    n_prompt += std::ssize(generation.prompt);
    n_cached += generation.n_cached;
    n_new += std::ssize(generation.tokens);
    n_gaps += std::max<int64_t>(std::ssize(generation.tokens) - 1, 0);
    gaps_ns += generation.last_ns - generation.first_ns;
  }
  std::string line = fmt::format("{} turn{}: {} prompt ({} cached) + {} new tokens", turns.size(),
                                 turns.size() == 1 ? "" : "s", Grouped(n_prompt),
                                 Grouped(n_cached), Grouped(n_new));
  if (gaps_ns > 0) {
    const double rate = static_cast<double>(n_gaps) * 1e9 / static_cast<double>(gaps_ns);
    line += fmt::format(", {:.1f} tok/s", rate);
  }
  return line;
}

Json SessionJson(const ChatRecord& record) {
  Json json = Json::parse(record.conversation.ToJson());
  json["turns"] = Json::array();
  for (const Turn& turn : record.turns) json["turns"].push_back(TurnJson(turn));
  return json;
}

Result<int> RunSession(const Flags& flags, const OpenedModel& model, const ChatFormat& format) {
  WEIR_TRY(const EnginePlan plan, PlanChat(flags, model, 0));
  ChatTurnOptions turn_options;
  WEIR_TRY(turn_options.like,
           RequestLike(flags, model, format.is_template ? 0 : kDefaultTextTokens));
  turn_options.context_tokens = plan.options.context_tokens;
  turn_options.split_reasoning = format.is_template;
  const ChatTurns turns(*model.tokenizer, format.render, turn_options);
  WEIR_TRY(RunningModel running, Start(flags, model, plan));

  ChatLoopOptions options;
  // The chat itself is no part of the JSON document.
  options.screen = flags.json || !StdoutIsTerminal() ? stderr : stdout;
  const std::filesystem::path name = model.source->name();
  options.greeting = fmt::format("{}, context {} tokens", EscapedControls(name.filename().string()),
                                 Grouped(plan.options.context_tokens));
  options.raw = flags.raw;
  options.keep_history = flags.keep_history;
  options.longest_context = model.config.context_length;
  Result<ChatRecord> record =
      RunChatLoop(*running.engine, turns, FirstMessages(flags), options);
  if (!record) return In(flags.model.model, record.error());
  running.engine.reset();

  std::vector<StepRecord> steps;
  for (const Turn& turn : record->turns) {
    steps.insert(steps.end(), turn.generation.steps.begin(), turn.generation.steps.end());
  }
  const bool leaves_at_once = record->exit_code == kExitInterrupted;
  const std::optional<double> share = leaves_at_once ? std::nullopt : Share(flags, steps);
  const std::string hash =
      record->turns.empty() ? "" : record->turns.back().generation.logits_hash;
  if (flags.json) {
    Json json = SessionJson(*record);
    json["roofline_share"] = OrNull(share);
    json["logits_hash"] = OrNull(hash);
    PrintJson(json);
  } else if (!record->turns.empty()) {
    PrintSummary(SessionSummary(record->turns), share, hash);
  }
  return record->exit_code;
}

// ---- What is asked for.

/// What the user gave as text: --prompt, standard input, or one after the other. Nothing: a chat.
Result<std::optional<std::string>> GivenText(const Flags& flags) {
  if (StdinIsTerminal()) return flags.prompt;
  if (WaitForInput(kSilentWaitMs) == InputState::kNothing) {
    PrintMessage("reading standard input, which belongs to the prompt\n");
  }
  Result<std::string> input = Interrupted() ? Result<std::string>(std::string()) : ReadInput("-");
  if (Interrupted()) return Error{ErrorCode::kInterrupted, "interrupted", {}};
  if (!input && !flags.prompt) return input.error();
  std::string text = input ? *std::move(input) : std::string();
  if (text.ends_with('\n')) text.pop_back();
  if (!flags.prompt) return std::optional(std::move(text));
  return std::optional(text.empty() ? *flags.prompt : *flags.prompt + "\n\n" + text);
}

/// The model's template, or what serves in its place.
Result<ChatFormat> FormatOf(const Flags& flags, const OpenedModel& model) {
  if (!flags.use_template) return PlainFormat();
  if (model.source->metadata().Has("tokenizer.chat_template")) {
    std::optional<bool> think;
    if (flags.think || flags.no_think) think = flags.think;
    return TemplateFormat(*model.source, think);
  }
  PrintMessage(fmt::format("{}: no chat template: the text is continued as it stands\n",
                           model.source->name()));
  return PlainFormat();
}

Result<int> Run(const Flags& flags) {
  CatchInterrupts();
  WEIR_TRY(const OpenedModel model, Open(flags));
  WEIR_TRY(const ChatFormat format, FormatOf(flags, model));
  WEIR_TRY(const std::optional<std::string> text, GivenText(flags));
  if (!text) return RunSession(flags, model, format);
  const std::string prompt = RepairText(*text, "the prompt");
  if (!format.is_template) return RunText(flags, model, prompt);
  if (prompt.empty()) return BadInput("--prompt is empty: expected a message");
  Conversation conversation = FirstMessages(flags);
  conversation.Add({"user", prompt, {}});
  return RunOnePrompt(flags, model, format.render, std::move(conversation));
}

}  // namespace

Command AddRun(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddModelFlags(app, flags->model);
  app.add_option("--prompt", flags->prompt,
                 "one message, or a text to continue; what stdin holds is added to it");
  app.add_flag("!--no-template", flags->use_template,
               "continue the text as it stands, special tokens recognised, whatever template the "
               "model has");
  app.add_option("--system", flags->system, "what the model is told to be");
  CLI::Option* think = app.add_flag("--think", flags->think, "think before answering");
  app.add_flag("--no-think", flags->no_think, "answer at once, if the template has that choice")
      ->excludes(think);
  app.add_option("--max-tokens", flags->max_tokens,
                 "new tokens of an answer at most (default: what the context has room for, or 128 "
                 "that continue a text)")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--context", flags->context,
                 "tokens of a chat at most (default: 8192, or the model's if that is less)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  app.add_option("--temp", flags->sampling.temperature, "temperature; 0: the likeliest token");
  app.add_option("--top-k", flags->sampling.top_k, "the K likeliest tokens only; 0: off");
  app.add_option("--top-p", flags->sampling.top_p, "the likeliest tokens that make up this share");
  app.add_option("--min-p", flags->sampling.min_p,
                 "tokens at least this likely, relative to the best");
  app.add_option("--repetition-penalty", flags->sampling.repetition_penalty, "1: off");
  app.add_option("--presence-penalty", flags->sampling.presence_penalty, "0: off");
  app.add_option("--frequency-penalty", flags->sampling.frequency_penalty, "0: off");
  app.add_option("--seed", flags->sampling.seed, "same seed, same text");
  app.add_option("--stop", flags->stop, "stop before this text (may be repeated)");
  app.add_flag("--ignore-eos", flags->ignore_eos, "go on after end-of-text tokens");
  app.add_flag("--raw", flags->raw,
               "what the model writes goes to the terminal as it is, control characters too");
  app.add_flag("!--no-history", flags->keep_history, "keep no file of what is typed");
  app.add_flag("!--no-limit", flags->measure_limit,
               "skip measuring the machine's limit at the end");
  app.add_flag("--json", flags->json,
               "one JSON document at the end; a chat is shown on stderr meanwhile");
  app.footer("Examples:\n  weir run model.gguf\n"
             "  weir run model.gguf --prompt \"Why is the sky blue?\" --temp 0.7 --seed 7\n"
             "  weir run model.gguf --prompt \"Summarise this:\" < report.txt > summary.txt\n"
             "  weir run model.gguf --no-template --prompt \"Once upon a time\" --max-tokens 200");
  return [flags] { return Run(*flags); };
}

}  // namespace weir
