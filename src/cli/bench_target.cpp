#include "cli/bench_target.h"

#include <cstdlib>
#include <filesystem>
#include <map>

#include "bench/model_row.h"
#include "bench/open_target.h"
#include "bench/peer.h"
#include "bench/target_name.h"
#include "cli/hub.h"
#include "gguf/model_source.h"
#include "machine/machine.h"
#include "model/text/tokenizer.h"
#include "store/store.h"
#include "util/paths.h"

namespace weir {
namespace {

constexpr std::string_view kPeer = "peer:";

constexpr std::string_view kModel = "{model}";

Result<std::shared_ptr<const Tokenizer>> TokenizerOf(const ModelSource& source) {
  WEIR_TRY(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Create(source.metadata()));
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

void Replace(std::string& text, std::string_view what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += with.size()) text.replace(at, what.size(), with);
}

/// For the shell.
std::string Quoted(std::string text) {
  Replace(text, "'", "'\\''");
  return "'" + text + "'";
}

/// From here on the server is known to compute this model: its rows are those of it, and its tokenizer cuts the
/// prompts. Only of one that runs on this machine the machine's rates say anything.
void Serve(const std::string& name, const ModelSource& source, bool here, HttpServerOptions& http) {
  http.serves = KnownModel{DescribeModel(name, source), DescribeFile(name, source)};
  if (auto shapes = ShapesOf(source); shapes && here && !HasAccelerator()) http.serves->shapes = *shapes;
  // A model without one can be measured all the same.
  if (auto tokenizer = TokenizerOf(source); tokenizer && !http.tokenizer) http.tokenizer = *tokenizer;
}

/// A server that weir starts, perhaps with a file that it is told to run.
Result<std::unique_ptr<Subject>> OpenPeerOf(const CellSpec& spec, HttpServerOptions http) {
  WEIR_TRY(const std::string results, Store::DefaultPath());
  PeerOptions peer;
  peer.log_path = (std::filesystem::path(results).parent_path() / "peer.log").string();
  peer.command = spec.target.substr(kPeer.size());
  if (TakesModel(spec.target)) {
    WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenOrPull(spec.model));
    Replace(peer.command, kModel, Quoted(source->name()));
    http.model_name.clear();
    Serve(spec.model, *source, /*here=*/true, http);
  }
  Replace(peer.command, "{weir}", Quoted(ExecutablePath()));
  Replace(peer.command, "{threads}", std::to_string(spec.threads));
  peer.http = std::move(http);
  return OpenPeer(peer);
}

}  // namespace

void AddTargetFlags(CLI::App& app, TargetFlags& flags) {
  app.add_option("--target", flags.targets,
                 "Measure an OpenAI-compatible server, http://HOST:PORT, instead of models in this process (engine); or "
                 "\"peer:COMMAND\", a server that is started and stopped, with {port} where its port belongs, and {model}, "
                 "{threads}, {weir} as needed; or the instrument itself: null, null-http. Several take turns")
      ->allow_extra_args(false);
  app.add_option("--model-name", flags.model_name, "Of the server (default: the first that it lists)");
  app.add_option("--tokenizer", flags.tokenizer,
                 "A MODEL whose tokenizer cuts prompts to their length and counts the server's tokens");
  app.add_option("--serves", flags.serves,
                 "The MODEL that a server at http:// computes: rows are then of this model, and if the server is on this "
                 "machine they have a share of its limit");
}

void AddLoadFlags(CLI::App& app, Workload& load) {
  const std::map<std::string, Arrivals> arrivals{{"closed", Arrivals::kClosed},
                                                 {"poisson", Arrivals::kPoisson},
                                                 {"constant", Arrivals::kConstant},
                                                 {"burst", Arrivals::kBurst}};
  app.add_option("--arrivals", load.arrivals,
                 "closed: users ask again when they are answered; poisson, constant, burst: --users times --requests "
                 "requests come at --rate, whether or not those before are answered")
      ->transform(CLI::CheckedTransformer(arrivals).description(""))
      ->option_text("closed|poisson|constant|burst");
  app.add_option("--rate", load.rate, "Requests a second of an open loop (alone: --arrivals poisson)");
  app.add_option("--burst", load.burst, "Requests that come together, with --arrivals burst");
  app.add_option_function<std::string>(
      "--trace",
      [&load](const std::string& file) {
        load.arrivals = Arrivals::kTrace;
        load.trace = file;
      },
      "Requests as in a file of JSON lines: at_s, prompt_tokens, gen_tokens, or Mooncake's form");
  app.add_option("--think", load.think_s, "Mean seconds between an answer and the user's next request");
  app.add_option("--ramp", load.ramp_s, "Seconds in which the users start one after the other");
  app.add_option("--turns", load.turns, "Requests that make a conversation: each sends all before it");
  app.add_option("--warm-up", load.warm_up_rounds, "First requests of each user that no figure counts");
  app.add_option_function<std::string>(
      "--prompts",
      [&load](const std::string& kind) {
        load.prompts = kind == "text"     ? PromptKind::kText
                       : kind == "random" ? PromptKind::kRandomIds
                                          : PromptKind::kFile;
        load.file = load.prompts == PromptKind::kFile ? kind : "";
      },
      "text (of a novel, recombined), random (tokens), or a file with lengths of its own: ShareGPT's JSON, or JSON "
      "lines")
      ->option_text("text|random|FILE");
  app.add_option("--shared-tokens", load.shared_tokens, "Of each prompt, the same for all users: a warm prefix");
  app.add_option("--depth", load.depth_tokens, "Tokens of context before the prompt");
  app.add_flag("--chat", load.chat, "Prompts as chats, with the model's template");
  app.add_flag("--natural{false}", load.fixed_length,
               "Answers end where the model ends them, at --gen-tokens at the latest");
}

bool TakesModel(const std::string& target) {
  return target == "engine" || (target.starts_with(kPeer) && target.find(kModel) != target.npos);
}

Result<std::unique_ptr<Subject>> OpenTarget(const CellSpec& spec) {
  HttpServerOptions options;
  options.model_name = spec.model;
  if (const char* key = std::getenv("WEIR_API_KEY")) options.api_key = key;
  if (!spec.tokenizer.empty()) {
    WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenOrPull(spec.tokenizer));
    WEIR_TRY(options.tokenizer, TokenizerOf(*source));
  }
  if (spec.target.starts_with(kPeer)) return OpenPeerOf(spec, std::move(options));
  if (!spec.serves.empty()) {
    WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenOrPull(spec.serves));
    Serve(spec.serves, *source, IsOnThisMachine(spec.target), options);
  }
  return OpenTarget(spec.target, std::move(options));
}

}  // namespace weir
