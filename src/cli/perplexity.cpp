// weir perplexity: how well a model predicts a text (docs/quality.md, "Perplexity").
#include <memory>

#include "cli/command.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "cli/text_input.h"
#include "model/session.h"
#include "model/text/tokenizer.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr int64_t kChunk = 64;  // rows of a step

struct Flags {
  ModelFlags model;
  std::string file;
  int64_t window = 512, n_windows = 0;
  bool json = false;
};

Result<int> RunPerplexity(const Flags& flags) {
  CatchInterrupts();
  WEIR_TRY(const std::string text, ReadText(flags.file));
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(flags.model.model));
  WEIR_TRY(const ModelConfig config, ReadConfig(*source));
  WEIR_TRY(const std::unique_ptr<Tokenizer> tokenizer, OpenTokenizer(*source, config.n_vocab));
  const std::vector<int32_t> tokens = tokenizer->Encode(text, false);
  WEIR_TRY(const int64_t n_bytes,
           Session::Plan(config, flags.model.dtype(), flags.model.kv_type(), flags.window, kChunk));
  WEIR_TRY(const LoadedModel loaded, LoadModel(flags.model, *source, n_bytes));
  const ThreadPool::PinCaller pin(*loaded.threads);
  WEIR_TRY(const std::unique_ptr<Session> session,
           Session::Open(*loaded.model, flags.model.kv_type(), flags.window, kChunk,
                         *loaded.threads));
  Progress progress("perplexity");
  const Result<Perplexity> result =
      MeasurePerplexity(*session, tokens, config.n_vocab, flags.window, flags.n_windows,
                        Interrupted, Progress::Callback, &progress);
  if (!result) return In(source->name(), result.error());
  if (flags.json) {
    PrintJson(Json{{"nll", result->nll},
                   {"ppl", result->ppl()},
                   {"tokens", result->n_tokens},
                   {"windows", result->n_windows}});
  } else {
    fmt::print("perplexity {:.4f}, nll {:.6f} nats over {} tokens in {} windows of {}\n",
               result->ppl(), result->nll, result->n_tokens, result->n_windows, flags.window);
  }
  return kExitOk;
}

}  // namespace

Command AddPerplexity(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddModelFlags(app, flags->model);
  app.add_option("--file", flags->file, "the text, taken as plain text without BOS")->required();
  app.add_option("--window", flags->window, "tokens per window, each from an empty context")
      ->check(CLI::Range(2, 1 << 20));
  app.add_option("--windows", flags->n_windows, "only the first N windows (default: all)")
      ->check(CLI::Range(1, 1 << 30));
  app.add_flag("--json", flags->json, "print {\"nll\",\"ppl\",\"tokens\",..}");
  app.footer("Example:\n  weir perplexity model.gguf --file book.txt --window 512");
  return [flags] { return RunPerplexity(*flags); };
}

}  // namespace weir
