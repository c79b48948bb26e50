// weir tokenize: text to token ids and pieces.
#include <algorithm>
#include <memory>
#include <span>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/text_input.h"
#include "model/text/tokenizer.h"

namespace weir {
namespace {

struct Flags {
  std::string model, text, file, batch;
  bool has_text = false, specials = false, json = false;
};

/// What goes to stdout, in large parts: the numbers of a long text are many.
class Printer {
 public:
  ~Printer() { std::fwrite(buffer_.data(), 1, buffer_.size(), stdout); }
  void Print(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() < kPart) return;
    std::fwrite(buffer_.data(), 1, buffer_.size(), stdout);
    buffer_.clear();
  }
  void Print(int32_t number) {
    const fmt::format_int digits(number);
    Print({digits.data(), digits.size()});
  }
  void PrintIds(std::span<const int32_t> ids) {
    Print("[");
    for (size_t i = 0; i < ids.size(); ++i) {
      if (i > 0) Print(",");
      Print(ids[i]);
    }
    Print("]");
  }

 private:
  static constexpr size_t kPart = 1 << 16;
  std::string buffer_;
};

/// The pieces of tokens as `write` writes them, each made once.
class Pieces {
 public:
  Pieces(const Tokenizer& tokenizer, std::string (*write)(std::string_view))
      : tokenizer_(tokenizer), write_(write), written_(static_cast<size_t>(tokenizer.n_tokens())) {}
  const std::string& operator[](int32_t id) {
    std::string& text = written_[static_cast<size_t>(id)];
    if (text.empty()) text = write_(tokenizer_.Piece(id));
    return text;
  }

 private:
  const Tokenizer& tokenizer_;
  std::string (*write_)(std::string_view);
  std::vector<std::string> written_;
};

std::string JsonString(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void PrintLines(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  Pieces lines(tokenizer, Escaped);
  Printer printer;
  for (const int32_t id : ids) {
    const fmt::format_int digits(id);
    printer.Print(std::string_view("       ").substr(std::min<size_t>(digits.size(), 7)));
    printer.Print({digits.data(), digits.size()});
    printer.Print("  ");
    printer.Print(lines[id]);
    printer.Print("\n");
  }
}

void PrintDocument(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  Pieces pieces(tokenizer, JsonString);
  Printer printer;
  printer.Print("{\"ids\":");
  printer.PrintIds(ids);
  printer.Print(",\n\"pieces\":[");
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) printer.Print(",");
    printer.Print(pieces[ids[i]]);
  }
  printer.Print("]}\n");
}

Result<int> TokenizeBatch(const Tokenizer& tokenizer, const Flags& flags) {
  WEIR_TRY(const Json strings, ReadJsonInput(flags.batch));
  if (!strings.is_array()) return BadInput("{}: expected a JSON array of strings", flags.batch);
  for (size_t i = 0; i < strings.size(); ++i) {
    if (!strings[i].is_string()) return BadInput("{}: entry {} is not a string", flags.batch, i);
  }
  Printer printer;
  printer.Print("[");
  for (size_t i = 0; i < strings.size(); ++i) {
    if (i > 0) printer.Print(",\n");
    printer.PrintIds(tokenizer.Encode(strings[i].get_ref<const std::string&>(), flags.specials));
  }
  printer.Print("]\n");
  return kExitOk;
}

Result<int> RunTokenize(const Flags& flags) {
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenHeader(flags.model, false));
  WEIR_TRY(const std::unique_ptr<Tokenizer> tokenizer, OpenTokenizer(*source, std::nullopt));
  if (!flags.batch.empty()) return TokenizeBatch(*tokenizer, flags);
  std::string text;
  if (flags.has_text) {
    text = RepairText(flags.text, "the text");
  } else {
    WEIR_TRY(text, ReadText(flags.file.empty() ? "-" : flags.file));
  }
  const std::vector<int32_t> ids = tokenizer->Encode(text, flags.specials);
  flags.json ? PrintDocument(*tokenizer, ids) : PrintLines(*tokenizer, ids);
  return kExitOk;
}

}  // namespace

Command AddTokenize(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model, "a .gguf file (a vocabulary is enough), hf:ORG/REPO[:QUANT] or synth:NAME:QUANT")
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
