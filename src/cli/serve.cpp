// weir serve: an OpenAI-compatible server for the users of one machine.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "cli/version.h"
#include "engine/engine.h"
#include "model/chat/chat_template.h"
#include "model/constrain/token_mask.h"
#include "model/text/tokenizer.h"
#include "server/api.h"
#include "server/http_server.h"
#include "server/traffic_shape.h"
#include "util/clock.h"
#include "machine/stored_rates.h"
#include "util/descriptors.h"
#include "util/interrupt.h"
#include "util/paths.h"
#include "util/terminal.h"

namespace weir {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kDefaultContext = 32'768;  // unless the model ends earlier: all users' memory is taken at once
constexpr int kOtherDescriptors = 64;        // that are no connections: the model's files, the terminal, ..
constexpr auto kPoll = milliseconds(50);     // for the user's wish to stop
// The last part of a drain is for telling those who are cut off.
constexpr auto kGoodbye = milliseconds(500);
// Per user: the ends of some earlier turns of some conversations. Shared: what they begin with.
constexpr int kCheckpointsPerUser = 4, kSharedCheckpoints = 8;
constexpr int64_t kCheckpointInterval = 8192;

struct Flags {
  ModelFlags model;
  std::string host = "127.0.0.1", key_file, template_file;
  int port = 8080, max_users = 4, max_queue = 64, itl_target_ms = 200;
  int64_t context = 0, kv_tokens = 0, cache_mb = -1;
  double drain_s = 5;
  std::vector<std::string> allowed_hosts;
  std::string record_file;
  bool insecure = false, json = false;
};

/// What --host and the keys come to; kBadInput for what would let everybody in.
Result<AccessRules> MakeAccessRules(Flags& flags) {
  if (flags.host == "localhost") flags.host = "127.0.0.1";
  const std::optional<bool> loopback = IsLoopback(flags.host);
  if (!loopback) return BadInput("--host {}: expected an IP address of this machine", flags.host);
  AccessRules rules;
  for (const std::string& host : flags.allowed_hosts) {
    rules.hosts.push_back(HostName(host));
    if (rules.hosts.back().empty() || host.find('/') != std::string::npos) {
      return BadInput("--allow-host {}: expected a name such as llm.example.org", host);
    }
  }
  if (!flags.key_file.empty()) {
    WEIR_TRY(const std::string text, ReadInput(flags.key_file));
    rules.keys = ParseKeys(text);
    if (rules.keys.empty()) return BadInput("{}: expected a key a line, found none", flags.key_file);
  }
  if (!*loopback && rules.keys.empty() && !flags.insecure) {
    return WithHint(BadInput("--host {}: others could use this server without a key", flags.host),
                    "name a file of keys with --api-key-file, or say --insecure");
  }
  return rules;
}

/// What `weir machine` measured when it last ran here: measuring now would keep the users waiting.
std::optional<MachineRates> StoredRates(int n_threads) {
  const Result<std::string> folder = DataDirectory();
  if (!folder) return std::nullopt;
  return ReadStoredRates(*folder + "/machine-rates", Fingerprint(ReadMachine()), n_threads);
}

/// The plan that the flags ask for. What they leave open shrinks until it fits: first the memory that users
/// share, down to one whole context, and the states that are kept for later.
Result<EnginePlan> PlanServer(const Flags& flags, const ModelConfig& config, const ModelFootprint& footprint) {
  EngineOptions options;
  options.max_sequences = flags.max_users;
  options.context_tokens =
      flags.context > 0 ? flags.context : std::min(config.context_length, kDefaultContext);
  options.n_threads = flags.model.threads();
  options.kv_type = flags.model.kv_type();
  options.rates = StoredRates(options.n_threads);
  options.itl_target_ns = int64_t{flags.itl_target_ms} * 1'000'000;
  options.checkpoint_interval = kCheckpointInterval;
  options.n_checkpoints = kCheckpointsPerUser * flags.max_users + kSharedCheckpoints;
  if (flags.cache_mb >= 0) {
    options.cache_bytes = flags.cache_mb * 1'000'000;
    options.n_checkpoints = Engine::CheckpointsFor(config, flags.model.kv_type(), options.cache_bytes);
  }
  options.kv_tokens =
      flags.kv_tokens > 0 ? flags.kv_tokens : flags.max_users * options.context_tokens;
  for (;;) {
    Result<EnginePlan> plan =
        Engine::Plan(config, footprint, flags.model.dtype(), options, AvailableMemory());
    if (plan || plan.error().code != ErrorCode::kRefused) return plan;
    const bool fewer_tokens = flags.kv_tokens == 0 && options.kv_tokens > options.context_tokens;
    const bool fewer_checkpoints = flags.cache_mb < 0 && options.n_checkpoints > flags.max_users;
    if (!fewer_tokens && !fewer_checkpoints) return plan;
    if (fewer_tokens) options.kv_tokens = std::max(options.context_tokens, options.kv_tokens / 2);
    if (fewer_checkpoints) options.n_checkpoints = std::max(flags.max_users, options.n_checkpoints / 2);
  }
}

/// What the server will use, for whoever starts it.
std::string PlanText(const EnginePlan& plan, const ModelConfig& config, KvType kv_type, int max_queue,
                     size_t bodies_bytes) {
  const EngineOptions& options = plan.options;
  const int64_t full = std::max<int64_t>(1, options.kv_tokens / options.context_tokens);
  std::string text = fmt::format(
      "memory: {} = weights {} + KV {} ({} tokens that all share) + states {} ({} users, {} kept for "
      "later prompts) + workspace {}\n",
      ByteSize(plan.total_bytes()), ByteSize(plan.weights_bytes), ByteSize(plan.kv_bytes),
      Grouped(options.kv_tokens), ByteSize(plan.state_bytes), options.max_sequences, options.n_checkpoints,
      ByteSize(plan.workspace_bytes));
  text += fmt::format("        and beside that up to {} for the bodies of requests, while they are read and answered\n",
                      ByteSize(static_cast<int64_t>(bodies_bytes)));
  text += fmt::format("users:  {} at once with up to {} tokens each, {} more may wait; each costs {} and {} "
                      "a token\n",
                      options.max_sequences, Grouped(options.context_tokens), max_queue,
                      ByteSize(StateBytesPerSequence(config)), ByteSize(KvBytesPerToken(config, kv_type)));
  text += options.rates ? "limit:  the share of this machine's rates, as weir machine measured them, is in /metrics\n"
                        : "limit:  not known; run weir machine once, and /metrics shows the share of it\n";
  text += options.n_checkpoints > 0
              ? fmt::format("cache:  prompts and answers kept for later ones hold up to {} of that\n",
                            ByteSize(options.cache_bytes))
              : "cache:  none: each prompt is computed from its beginning\n";
  if (full < options.max_sequences) {
    text += fmt::format("        {} of them fit with {} tokens, all with {}; beyond that the last wait\n", full,
                        Grouped(options.context_tokens), Grouped(options.kv_tokens / options.max_sequences));
  }
  return text;
}

struct Templates {
  std::optional<ChatTemplate> chat, tools;
};

/// A model without a template, or with one that is none, still continues texts.
Result<Templates> ReadTemplates(const Flags& flags, const ModelSource& source) {
  Templates templates;
  if (!flags.template_file.empty()) {
    WEIR_TRY(const std::string text, ReadInput(flags.template_file));
    WEIR_TRY(templates.chat, ChatTemplate::Parse(text, flags.template_file));
    return templates;
  }
  if (Result<ChatTemplate> read = ReadChatTemplate(source, /*with_tools=*/false)) {
    templates.chat = std::move(read).value();
  } else {
    PrintMessage(fmt::format("no chats: {}\n", EscapedControls(read.error().message)));
  }
  if (Result<ChatTemplate> read = ReadChatTemplate(source, /*with_tools=*/true)) {
    templates.tools = std::move(read).value();
  }
  return templates;
}

/// What clients know the model by: no path of this machine.
std::string PublicName(const std::string& model) {
  const std::string name = model.substr(model.find_last_of('/') + 1);
  return name.ends_with(".gguf") ? name.substr(0, name.size() - 5) : name;
}

Json PlanJson(const EnginePlan& plan, const std::string& model, const std::string& url, int port, int max_connections) {
  return Json{{"url", url},
              {"port", port},
              {"model", model},
              {"max_users", plan.options.max_sequences},
              {"max_connections", max_connections},
              {"context_tokens", plan.options.context_tokens},
              {"kv_tokens", plan.options.kv_tokens},
              {"checkpoints", plan.options.n_checkpoints},
              {"cache_bytes", plan.options.cache_bytes},
              {"weights_bytes", plan.weights_bytes},
              {"kv_bytes", plan.kv_bytes},
              {"state_bytes", plan.state_bytes},
              {"workspace_bytes", plan.workspace_bytes}};
}

void PrintAccess(const AccessRecord& record) {
  const bool quiet = record.path == "/health" || record.path == "/ready" || record.path == "/metrics";
  if (quiet && record.summary.status < 400) return;
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char time[32];
  std::strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%SZ", &utc);
  const AnswerSummary& summary = record.summary;
  const auto shown = [](const std::string& text) { return text.empty() ? "-" : EscapedControls(text.substr(0, 100)); };
  const std::string who = record.forwarded_for.empty() ? record.peer : record.peer + "/" + record.forwarded_for;
  std::string line = fmt::format("{} {} {} {} {} {:.3f} s", time, who, shown(record.method), shown(record.path),
                                 summary.status, record.seconds);
  if (summary.n_prompt_tokens > 0) {
    line += fmt::format(", {} prompt ({} cached) + {} tokens", summary.n_prompt_tokens,
                        summary.n_cached_tokens, summary.n_answer_tokens);
  }
  if (*summary.end) line += fmt::format(", {}", summary.end);
  if (!summary.code.empty()) line += fmt::format(" ({})", summary.code);
  if (record.key_line) line += fmt::format(", key of line {}", *record.key_line);
  PrintMessage(line + "\n");
}

std::string Url(const std::string& host, int port) {
  return host.find(':') == std::string::npos ? fmt::format("http://{}:{}", host, port)
                                             : fmt::format("http://[{}]:{}", host, port);
}

/// Whatever happens, no handler runs once the Api is gone.
struct StopAtEnd {
  std::unique_ptr<HttpServer>& server;
  ~StopAtEnd() {
    if (server) server->Stop();
  }
};

void Drain(HttpServer& server, Api& api, double seconds) {
  const auto time = milliseconds(static_cast<int64_t>(seconds * 1e3));
  const auto goodbye = std::min(kGoodbye, time / 2);
  api.BeginDrain();
  if (!server.Drain(time - goodbye)) {
    api.CancelAll();
    server.Drain(goodbye);
  }
}

Result<int> RunServe(Flags& flags) {
  CatchInterrupts();
  WEIR_TRY(const AccessRules access, MakeAccessRules(flags));
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenOrPull(flags.model.model));
  WEIR_TRY(const ModelConfig config, ReadConfig(*source));
  WEIR_TRY(const std::unique_ptr<Tokenizer> tokenizer, OpenTokenizer(*source, config.n_vocab));
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(*source, flags.model.dtype()));
  Result<EnginePlan> planned = PlanServer(flags, config, footprint);
  if (!planned) return In(source->name(), planned.error());
  const EnginePlan& plan = *planned;

  WEIR_TRY(const Templates templates, ReadTemplates(flags, *source));
  WEIR_TRY(const auto template_tokens, ReadTemplateTokens(source->metadata()));

  std::unique_ptr<TrafficRecorder> recorder;
  if (!flags.record_file.empty()) {
    WEIR_TRY(recorder, TrafficRecorder::Create(flags.record_file));
  }

  LoadedModel loaded;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<HttpServer> server;
  Api api({.model_name = PublicName(source->name()),
           .version = VersionText(),
           .threads = flags.model.threads(),
           .access = access,
           .max_users = flags.max_users,
           .max_queue = flags.max_queue,
           .shape_key = recorder ? recorder->key() : ""},
          [&recorder](const AccessRecord& record) {
            PrintAccess(record);
            if (recorder && !recorder->Add(record.begin_ns, record.summary.shapes)) {
              PrintMessage("--record: the file cannot be written any more\n");
            }
          });
  std::atomic<const HttpServer*> listening = nullptr;  // once it is: requests come before Listen has returned
  api.set_connection_count([&listening] {
    const HttpServer* const now = listening;
    return now ? now->n_connections() : 0;
  });
  const StopAtEnd stop{server};
  HttpOptions http;
  http.host = flags.host;
  http.port = flags.port;
  http.max_connections = std::clamp(RaiseDescriptorLimit() - kOtherDescriptors, 1, http.max_connections);
  WEIR_TRY(server, HttpServer::Listen(
                       http, [&api](const HttpRequest& head) { return api.Guard(head); },
                       [&api](HttpRequest request, std::shared_ptr<Responder> responder) {
                         api.Handle(std::move(request), std::move(responder));
                       },
                       [&api](const HttpRequest& head, int status, const std::string& code) {
                         api.LogRefusal(head, status, code);
                       }));
  listening = server.get();
  const std::string url = Url(flags.host, server->port());
  PrintMessage(PlanText(plan, config, flags.model.kv_type(), flags.max_queue, http.max_bodies_bytes));
  if (flags.json) {
    PrintJson(PlanJson(plan, source->name(), url, server->port(), http.max_connections));
  } else {
    fmt::print("listening on {}\n", url);
  }
  std::fflush(stdout);

  const int64_t begin_ns = NowNs();
  Result<LoadedModel> load = LoadModel(flags.model, *source, plan.total_bytes() - plan.weights_bytes);
  if (!load && load.error().code == ErrorCode::kInterrupted) return kExitOk;
  if (!load) return load.error();
  loaded = std::move(load).value();
  WEIR_TRY(engine, Engine::Start(*loaded.model, tokenizer.get(), plan.options));
  api.SetReady({.engine = engine.get(),
                .tokenizer = tokenizer.get(),
                .plan = plan,
                .chat_template = templates.chat ? &*templates.chat : nullptr,
                .tool_template = templates.tools ? &*templates.tools : nullptr,
                .template_tokens = template_tokens,
                .token_index = std::make_shared<TokenIndex>(*tokenizer)});
  PrintMessage(fmt::format("ready after {:.1f} s\n", static_cast<double>(NowNs() - begin_ns) * 1e-9));

  while (!Interrupted()) std::this_thread::sleep_for(kPoll);
  PrintMessage(fmt::format("stopping: {} open connections\n", server->n_connections()));
  Drain(*server, api, flags.drain_s);
  return kExitOk;
}

}  // namespace

Command AddServe(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddModelFlags(app, flags->model);
  app.add_option("--host", flags->host, "address to listen on (default: this machine only)");
  app.add_option("--port", flags->port, "port; 0: one that is free, which is printed")
      ->check(CLI::Range(0, 65535));
  app.add_option("--max-users", flags->max_users, "answers computed at the same time")
      ->check(CLI::Range(1, 4096));
  app.add_option("--max-queue", flags->max_queue, "answers that may wait; more get status 429")
      ->check(CLI::Range(0, 65536));
  app.add_option("--ctx", flags->context, "longest conversation in tokens, whatever the number of users")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  app.add_option("--kv-tokens", flags->kv_tokens,
                 "tokens of all users and kept prompts together (default: users x ctx, less if memory is short)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  app.add_option("--cache-mb", flags->cache_mb,
                 "megabytes that prompts and answers kept for later ones may hold; 0: none (default: as fits)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
  app.add_option("--itl-target", flags->itl_target_ms,
                 "milliseconds between two tokens of a user that others' prompts may cost; 0: no limit")
      ->check(CLI::Range(0, 60'000));
  app.add_option("--chat-template", flags->template_file, "a Jinja template instead of the model's own");
  app.add_option("--api-key-file", flags->key_file, "keys that clients may use, one a line");
  app.add_flag("--insecure", flags->insecure, "listen to other machines without a key");
  app.add_option("--allow-host", flags->allowed_hosts,
                 "a name this server is reached by, beside localhost and addresses (may be repeated)");
  app.add_option("--drain", flags->drain_s, "seconds that answers in the making have at the end")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_option("--record", flags->record_file,
                 "a new file for the shape of the traffic, never its text: weir record FILE, weir bench --trace FILE");
  app.add_flag("--json", flags->json, "the plan as one JSON document");
  app.footer("Examples:\n  weir serve model.gguf\n"
             "  weir serve model.gguf --max-users 16 --ctx 8192 --kv q8_0\n"
             "  weir serve model.gguf --host 0.0.0.0 --api-key-file keys.txt\n"
             "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'");
  return [flags] { return RunServe(*flags); };
}

}  // namespace weir
