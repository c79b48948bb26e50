// weir tokenize: text to token ids and pieces.
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/load.h"
#include "model/text/tokenizer.h"

namespace weir {
namespace {

struct Flags {
  std::string model, text, file, batch;
  bool has_text = false, specials = false, json = false;
};

Result<int> TokenizeBatch(const Tokenizer& tokenizer, const Flags& flags) {
  WEIR_TRY(const std::string text, ReadInput(flags.batch));
  const Json strings = Json::parse(text, nullptr, false);
  if (!strings.is_array()) return BadInput("{}: expected a JSON array of strings", flags.batch);
  Json ids = Json::array();
  for (const Json& string : strings) {
    if (!string.is_string()) {
      return BadInput("{}: entry {} is not a string", flags.batch, ids.size());
    }
    ids.push_back(tokenizer.Encode(string.get<std::string>(), flags.specials));
  }
  PrintJson(ids);
  return kExitOk;
}

Result<int> RunTokenize(const Flags& flags) {
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenModel(flags.model));
  WEIR_TRY(const std::unique_ptr<Tokenizer> tokenizer, OpenTokenizer(*source, std::nullopt));
  if (!flags.batch.empty()) return TokenizeBatch(*tokenizer, flags);
  std::string text = flags.text;
  if (!flags.has_text) {
    WEIR_TRY(text, ReadInput(flags.file.empty() ? "-" : flags.file));
  }
  const std::vector<int32_t> ids = tokenizer->Encode(text, flags.specials);
  if (!flags.json) {
    for (const int32_t id : ids) fmt::print("{:>7}  {}\n", id, Escaped(tokenizer->Piece(id)));
    return kExitOk;
  }
  Json pieces = Json::array();
  for (const int32_t id : ids) pieces.push_back(std::string(tokenizer->Piece(id)));
  PrintJson(Json{{"ids", ids}, {"pieces", pieces}});
  return kExitOk;
}

}  // namespace

Command AddTokenize(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model, "a .gguf file (a vocabulary is enough) or synth:NAME:QUANT")
      ->required();
  CLI::Option* text = app.add_option("TEXT", flags->text, "the text (default: standard input)");
  CLI::Option* file = app.add_option("--file", flags->file, "read the text from a file");
  CLI::Option* batch = app.add_option(
      "--batch", flags->batch, "a JSON array of strings; prints a JSON array of id arrays");
  file->excludes(text);
  batch->excludes(text)->excludes(file);
  app.add_flag("--specials", flags->specials, "recognise special tokens such as <|im_end|>");
  app.add_flag("--json", flags->json, "print {\"ids\":[..],\"pieces\":[..]}");
  app.footer("Example:\n  weir tokenize model.gguf \"Hello world\"");
  return [flags, text] {
    flags->has_text = text->count() > 0;
    return RunTokenize(*flags);
  };
}

}  // namespace weir
