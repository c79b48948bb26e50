// weir perplexity: how well a model predicts a text, and how far its predictions are from those of
// another one (docs/quality.md).
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "bench/model_row.h"
#include "cli/command.h"
#include "cli/fleet.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "cli/text_input.h"
#include "hub/digest.h"
#include "model/quality.h"
#include "model/text/tokenizer.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr int64_t kChunk = 64;  // rows of a step

struct Flags {
  ModelFlags model;
  ModelFlags against;  // its model is empty without a reference
  std::string file, db;
  Scoring scoring;
  bool no_db = false, json = false;
};

/// A model, as far as it can be looked at without loading it.
struct Candidate {
  const ModelFlags* flags;
  std::unique_ptr<ModelSource> source;
  ModelConfig config;
  std::unique_ptr<Tokenizer> tokenizer;
  int64_t session_bytes = 0, packed_bytes = 0;

  int64_t bytes() const { return session_bytes + packed_bytes; }
};

struct Measured {
  Perplexity perplexity;
  std::optional<Divergence> divergence;
};

Result<Candidate> OpenCandidate(const ModelFlags& flags, int64_t window) {
  Candidate candidate{.flags = &flags, .source = {}, .config = {}, .tokenizer = {}};
  WEIR_TRY(candidate.source, OpenOrPull(flags.model));
  WEIR_TRY(candidate.config, ReadConfig(*candidate.source));
  WEIR_TRY(candidate.tokenizer, OpenTokenizer(*candidate.source, candidate.config.n_vocab));
  const auto bytes =
      Session::Plan(candidate.config, flags.dtype(), flags.kv_type(), window, kChunk);
  if (!bytes) return In(candidate.source->name(), bytes.error());
  candidate.session_bytes = *bytes;
  WEIR_TRY(const ModelFootprint footprint, Model::Plan(*candidate.source, flags.dtype()));
  candidate.packed_bytes = footprint.packed_bytes;
  return candidate;
}

/// Ids must mean the same in both: distributions over different things have no distance.
Status CheckSameVocabulary(const Candidate& a, const Candidate& b) {
  const std::string both = a.source->name() + " and " + b.source->name();
  if (a.config.n_vocab != b.config.n_vocab) {
    return BadInput("{}: expected the same vocabulary, found {} and {} rows of token_embd.weight",
                    both, a.config.n_vocab, b.config.n_vocab);
  }
  const int32_t n = std::max(a.tokenizer->n_tokens(), b.tokenizer->n_tokens());
  for (int32_t id = 0; id < n; ++id) {
    if (a.tokenizer->Piece(id) == b.tokenizer->Piece(id)) continue;
    return BadInput("{}: expected the same vocabulary, found \"{}\" and \"{}\" as token {}", both,
                    Escaped(a.tokenizer->Piece(id)), Escaped(b.tokenizer->Piece(id)), id);
  }
  return {};
}

Status CheckMemory(const Candidate& model, const Candidate& reference) {
  const int64_t available = AvailableMemory();
  if (model.bytes() + reference.bytes() <= available) return {};
  return WithHint(
      Refused("both models must fit at once: {} takes {} of memory, {} takes {}; {} are "
              "available",
              model.source->name(), ByteSize(model.bytes()), reference.source->name(),
              ByteSize(reference.bytes()), ByteSize(available)),
      "compare with a reference of fewer bits, such as Q8_0, or with --against-dtype int8");
}

Result<Measured> Measure(const Flags& flags, const Candidate& model, const Candidate* reference,
                         std::span<const int32_t> tokens) {
  const auto open = [&](const Candidate& candidate, const Model& weights, ThreadPool& threads) {
    return Session::Open(weights, candidate.flags->kv_type(), flags.scoring.window, kChunk,
                         threads);
  };
  WEIR_TRY(const LoadedModel loaded,
           LoadModel(flags.model, *model.source,
                     model.session_bytes + (reference ? reference->bytes() : 0)));
  const ThreadPool::PinCaller pin(*loaded.threads);
  WEIR_TRY(const std::unique_ptr<Session> session, open(model, *loaded.model, *loaded.threads));
  Progress line("perplexity");
  const Watch watch{Interrupted, [&](int64_t done, int64_t total) { line.Update(done, total); }};
  const int64_t n_vocab = model.config.n_vocab;
  if (!reference) {
    const auto result = MeasurePerplexity(*session, tokens, n_vocab, flags.scoring, watch);
    if (!result) return In(model.source->name(), result.error());
    return Measured{*result, std::nullopt};
  }
  WEIR_TRY(const std::unique_ptr<Model> weights,
           LoadModel(flags.against.dtype(), *reference->source, reference->session_bytes,
                     *loaded.threads));
  WEIR_TRY(const std::unique_ptr<Session> against, open(*reference, *weights, *loaded.threads));
  const auto result =
      MeasureDivergence(*session, *against, tokens, n_vocab, flags.scoring, *loaded.threads, watch);
  if (!result) return In(model.source->name(), result.error());
  return Measured{result->model, *result};
}

Estimated ToRow(const Mean& mean) { return {mean.value, mean.error}; }

Predictions PredictionsOf(const ModelFlags& flags, int64_t model, const Perplexity& perplexity) {
  return {model, flags.dtype_name, std::string(Name(flags.kv_type())), ToRow(perplexity.nll),
          ToRow(perplexity.ppl())};
}

/// The run's id.
Result<int64_t> AddRows(Store& store, const Flags& flags, const Candidate& model,
                        const Candidate* reference, const std::string& text,
                        const Measured& measured) {
  WEIR_TRY(const Isa isa, SelectIsa(std::getenv("WEIR_ISA")));
  WEIR_TRY(const int64_t run,
           store.BeginRun(DescribeRun(ReadMachine(), isa, flags.model.threads(), 0)));
  WEIR_TRY(const int64_t id, store.AddModel(DescribeModel(flags.model.model, *model.source)));
  std::optional<DistanceFromReference> distance;
  if (reference) {
    const Divergence& d = *measured.divergence;
    WEIR_TRY(const int64_t other,
             store.AddModel(DescribeModel(flags.against.model, *reference->source)));
    distance = DistanceFromReference{PredictionsOf(flags.against, other, d.reference),
                                     ToRow(d.ppl_ratio()),
                                     ToRow(d.kl),
                                     ToRow(d.same_top),
                                     d.kl_median,
                                     d.kl_p99,
                                     d.kl_max};
  }
  const ScoredText scored{
      flags.file == "-" ? "standard input" : std::filesystem::path(flags.file).filename().string(),
      Sha256(text),
      flags.scoring.window,
      flags.scoring.score_from,
      measured.perplexity.n_windows,
      measured.perplexity.n_tokens};
  WEIR_RETURN_IF_ERROR(
      store.AddQuality(run, scored, PredictionsOf(flags.model, id, measured.perplexity), distance));
  WEIR_RETURN_IF_ERROR(store.EndRun(run));
  return run;
}

Json PerplexityJson(const Perplexity& perplexity) {
  const Mean ppl = perplexity.ppl();
  return {{"nll", perplexity.nll.value},
          {"ppl", ppl.value},
          {"tokens", perplexity.n_tokens},
          {"windows", perplexity.n_windows},
          {"nll_se", OrNull(perplexity.nll.error)},
          {"ppl_se", OrNull(ppl.error)}};
}

Json DocumentOf(const Flags& flags, const Measured& measured, const std::optional<int64_t>& run) {
  Json document = PerplexityJson(measured.perplexity);
  document["window"] = flags.scoring.window;
  document["score_from"] = flags.scoring.score_from;
  document["run"] = OrNull(run);
  if (!measured.divergence) return document;
  const Divergence& d = *measured.divergence;
  const Mean ratio = d.ppl_ratio();
  document["against"] = PerplexityJson(d.reference);
  document["against"]["model"] = flags.against.model;
  document["ppl_ratio"] = ratio.value;
  document["ppl_ratio_se"] = OrNull(ratio.error);
  document["kl_nats"] = {{"mean", d.kl.value},
                         {"se", OrNull(d.kl.error)},
                         {"median", d.kl_median},
                         {"p99", d.kl_p99},
                         {"max", d.kl_max}};
  document["same_top_share"] = d.same_top.value;
  document["same_top_share_se"] = OrNull(d.same_top.error);
  return document;
}

std::string WithError(const Mean& mean, int digits, double scale = 1) {
  std::string text = fmt::format("{:.{}f}", mean.value * scale, digits);
  if (mean.error) text += fmt::format(" ± {:.{}f}", *mean.error * scale, digits);
  return text;
}

void PrintSummary(const Flags& flags, const Measured& measured) {
  const Perplexity& perplexity = measured.perplexity;
  fmt::print("perplexity {}, nll {} nats over {} tokens in {} windows of {}\n",
             WithError(perplexity.ppl(), 4), WithError(perplexity.nll, 6), perplexity.n_tokens,
             perplexity.n_windows, flags.scoring.window);
  if (!measured.divergence) return;
  const Divergence& d = *measured.divergence;
  fmt::print("against {}: perplexity {}, ratio {}\n", EscapedControls(flags.against.model),
             WithError(d.reference.ppl(), 4), WithError(d.ppl_ratio(), 4));
  fmt::print("KL divergence {:.3g}{} nats (median {:.3g}, 99 % below {:.3g}, largest {:.3g})\n",
             d.kl.value, d.kl.error ? fmt::format(" ± {:.2g}", *d.kl.error) : "", d.kl_median,
             d.kl_p99, d.kl_max);
  fmt::print("same likeliest token {} %\n", WithError(d.same_top, 2, 100));
}

Result<int> RunPerplexity(Flags& flags) {
  if (flags.scoring.score_from >= flags.scoring.window) {
    return BadInput("--score-from {}: expected less than --window {}", flags.scoring.score_from,
                    flags.scoring.window);
  }
  CatchInterrupts();
  WEIR_TRY(const std::string text, ReadText(flags.file));
  WEIR_TRY(const Candidate model, OpenCandidate(flags.model, flags.scoring.window));
  std::optional<Candidate> reference;
  if (!flags.against.model.empty()) {
    if (flags.against.dtype_name.empty()) flags.against.dtype_name = flags.model.dtype_name;
    WEIR_TRY(reference, OpenCandidate(flags.against, flags.scoring.window));
    WEIR_RETURN_IF_ERROR(CheckSameVocabulary(model, *reference));
    WEIR_RETURN_IF_ERROR(CheckMemory(model, *reference));
  }
  const std::vector<int32_t> tokens = model.tokenizer->Encode(text, false);
  std::optional<Store> store;
  if (!flags.no_db) {
    WEIR_TRY(store, OpenForWriting(flags.db));
  }
  const Candidate* const other = reference ? &*reference : nullptr;
  WEIR_TRY(const Measured measured, Measure(flags, model, other, tokens));
  std::optional<int64_t> run;
  Status written;
  if (store) {
    const Result<int64_t> id = AddRows(*store, flags, model, other, text, measured);
    id ? void(run = *id) : void(written = id.error());
  }
  const SentRows sent = run ? SendRows(flags.db, *store) : SentRows();
  if (flags.json) {
    Json document = DocumentOf(flags, measured, run);
    document["fleet"] = SentJson(sent);
    PrintJson(document);
  } else {
    PrintSummary(flags, measured);
    if (run) fmt::print("row: {}, run {}\n", EscapedControls(store->path()), *run);
  }
  WEIR_RETURN_IF_ERROR(written);
  WEIR_RETURN_IF_ERROR(sent.status);
  return kExitOk;
}

}  // namespace

Command AddPerplexity(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddModelFlags(app, flags->model);
  app.add_option("--file", flags->file, "the text, taken as plain text without BOS")->required();
  app.add_option("--window", flags->scoring.window, "tokens per window, each from an empty context")
      ->check(CLI::Range(2, 1 << 20));
  app.add_option("--windows", flags->scoring.max_windows, "only the first N windows (default: all)")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option(
         "--score-from", flags->scoring.score_from,
         "score tokens N, N+1, .. of each window (default: 1, all that have one before them)")
      ->check(CLI::Range(1, 1 << 20));
  CLI::Option* against = app.add_option(
      "--against", flags->against.model,
      "a reference, such as the unquantised model: adds KL divergence and agreement");
  flags->against.dtype_name.clear();
  app.add_option("--against-dtype", flags->against.dtype_name,
                 "how the reference is computed (default: as --dtype says)")
      ->check(CLI::IsMember({"int8", "f32"}))
      ->needs(against);
  CLI::Option* db =
      app.add_option("--db", flags->db,
                     "database for the row (default: weir/results.db in the user's data folder)");
  app.add_flag("--no-db", flags->no_db, "store nothing")->excludes(db);
  app.add_flag("--json", flags->json, "print {\"nll\",\"ppl\",\"tokens\",..}");
  app.footer(
      "Examples:\n  weir perplexity model.gguf --file book.txt --window 512\n"
      "  weir perplexity q4.gguf --against f16.gguf --file book.txt --score-from 256");
  return [flags] { return RunPerplexity(*flags); };
}

}  // namespace weir
