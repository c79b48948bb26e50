#include "cli/bench_target.h"

#include <cstdlib>

#include "bench/open_target.h"
#include "cli/hub.h"
#include "gguf/model_source.h"
#include "model/text/tokenizer.h"

namespace weir {
namespace {

Result<std::shared_ptr<const Tokenizer>> LoadTokenizer(const std::string& model) {
  WEIR_RETURN_IF_ERROR(EnsureLocal(model));
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(model));
  WEIR_TRY(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Create(source->metadata()));
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

}  // namespace

void AddTargetFlags(CLI::App& app, TargetFlags& flags) {
  app.add_option("--target", flags.target,
                 "Measure an OpenAI-compatible server, http://HOST:PORT, instead of models in this process; or "
                 "the instrument itself: null, null-http");
  app.add_option("--model-name", flags.model_name, "Of the server (default: the first that it lists)");
  app.add_option("--tokenizer", flags.tokenizer,
                 "A MODEL whose tokenizer cuts prompts to their length and counts the server's tokens");
}

Result<std::unique_ptr<Subject>> OpenTarget(const TargetFlags& flags) {
  HttpServerOptions options;
  options.model_name = flags.model_name;
  if (const char* key = std::getenv("WEIR_API_KEY")) options.api_key = key;
  if (!flags.tokenizer.empty()) {
    WEIR_TRY(options.tokenizer, LoadTokenizer(flags.tokenizer));
  }
  return OpenTarget(flags.target, std::move(options));
}

}  // namespace weir
