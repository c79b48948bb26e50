// weir quantise: a smaller file of a model.
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "gguf/gguf_file.h"
#include "machine/machine.h"
#include "model/session.h"
#include "model/text/tokenizer.h"
#include "quantise/calibration.h"
#include "quantise/quantised_source.h"
#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kWindowTokens = 512, kChunk = 64;  // of calibration

struct Flags {
  ModelFlags model;  // IN
  std::string output, type, text;
  bool requantise = false, force = false, json = false;
};

int64_t TensorBytes(const ModelSource& source) {
  int64_t n_bytes = 0;
  for (const TensorInfo& tensor : source.tensors()) n_bytes += tensor.n_bytes();
  return n_bytes;
}

/// Refuses what would fail later, or destroy something.
Status CheckOutput(const Flags& flags, int64_t n_bytes) {
  const fs::path path(flags.output);
  std::error_code error;
  if (fs::is_directory(path, error)) return BadInput("{}: is a directory, not a file", flags.output);
  if (fs::equivalent(path, flags.model.model, error)) {
    return BadInput("{}: would be written over the file it is made from", flags.output);
  }
  if (!flags.force && fs::exists(path, error)) {
    return WithHint(BadInput("{}: exists already", flags.output), "--force overwrites it");
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const fs::space_info space = fs::space(folder, error);
  if (!error && static_cast<int64_t>(space.available) < n_bytes) {
    return Refused("{}: the file takes {}, {} are free in {}", flags.output, ByteSize(n_bytes),
                   ByteSize(static_cast<int64_t>(space.available)), folder.string());
  }
  return {};
}

/// Runs the model on the text; the model is gone afterwards.
Result<std::unique_ptr<Calibration>> Calibrate(const Flags& flags, const ModelSource& source) {
  WEIR_TRY(const std::string text, ReadInput(flags.text));
  WEIR_TRY(const ModelConfig config, ReadConfig(source));
  WEIR_TRY(const std::unique_ptr<Tokenizer> tokenizer, OpenTokenizer(source, config.n_vocab));
  const std::vector<int32_t> tokens = tokenizer->Encode(text, false);
  const int64_t window = std::min(kWindowTokens, config.context_length);
  WEIR_TRY(const int64_t session_bytes,
           Session::Plan(config, flags.model.dtype(), flags.model.kv_type(), window, kChunk));
  WEIR_TRY(const LoadedModel loaded, LoadModel(flags.model, source, session_bytes));
  const ThreadPool::PinCaller pin(*loaded.threads);
  WEIR_TRY(const std::unique_ptr<Session> session,
           Session::Open(*loaded.model, flags.model.kv_type(), window, kChunk, *loaded.threads));
  Progress progress("calibrating");
  return Calibration::Measure(source, *loaded.model, *session, tokens,
                              fs::path(flags.text).filename().string(), AvailableMemory(),
                              *loaded.threads, Progress::Callback, &progress);
}

Result<int> RunQuantise(const Flags& flags) {
  CatchInterrupts();
  WEIR_TRY(const Mixture* mixture, FindMixture(flags.type));
  WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenOrPull(flags.model.model));
  ThreadPool threads(flags.model.threads());
  std::unique_ptr<Calibration> calibration;
  // Once without it, for what can be wrong before a long calibration.
  WEIR_TRY(std::unique_ptr<QuantisedSource> quantised,
           QuantisedSource::Create(*source, *mixture, nullptr, flags.requantise, threads));
  const int64_t bytes_before = TensorBytes(*source), bytes_after = TensorBytes(*quantised);
  WEIR_RETURN_IF_ERROR(CheckOutput(flags, bytes_after));
  if (!flags.text.empty()) {
    WEIR_TRY(calibration, Calibrate(flags, *source));
    WEIR_TRY(quantised, QuantisedSource::Create(*source, *mixture, calibration.get(),
                                                flags.requantise, threads));
  }

  const int64_t begin_ns = NowNs();
  {
    Progress progress(fmt::format("quantising to {}", mixture->name));
    WEIR_RETURN_IF_ERROR(WriteGguf(*quantised, flags.output, Progress::Callback, &progress));
  }
  const double seconds = static_cast<double>(NowNs() - begin_ns) * 1e-9;
  const auto file_bytes = static_cast<int64_t>(fs::file_size(flags.output));
  if (flags.json) {
    Json types = Json::object();
    for (const TensorInfo& tensor : quantised->tensors()) {
      Json& count = types[std::string(Traits(tensor.type).name)];
      count = count.is_null() ? 1 : count.get<int>() + 1;
    }
    PrintJson({{"path", flags.output},
               {"type", mixture->name},
               {"file_bytes", file_bytes},
               {"tensor_bytes", bytes_after},
               {"input_tensor_bytes", bytes_before},
               {"tensors", types},
               {"unfitting_tensors", quantised->n_unfitting()},
               {"calibration_tokens", calibration ? Json(calibration->n_tokens()) : Json(nullptr)},
               {"seconds", seconds}});
  } else {
    fmt::print("wrote {} as {}: {} of weights became {} in {:.1f} s ({:.1f} MB/s)\n", flags.output,
               mixture->name, ByteSize(bytes_before), ByteSize(bytes_after), seconds,
               static_cast<double>(bytes_before) * 1e-6 / seconds);
    if (quantised->n_unfitting() > 0) {
      fmt::print("{} tensors have rows that the blocks of {} do not fit, and got the nearest type\n",
                 quantised->n_unfitting(), mixture->name);
    }
  }
  return kExitOk;
}

}  // namespace

Command AddQuantise(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("IN", flags->model.model, "an F16, BF16 or F32 model")->required();
  app.add_option("OUT", flags->output, "the .gguf file to write")->required();
  app.add_option("--type", flags->type, "the mixture, like Q4_K_M")->required();
  app.add_option("--threads", flags->model.n_threads, "threads (default: those this machine has for us)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--calibrate", flags->text,
                 "a text (- for stdin) to run the model on: which columns matter, and move together");
  app.add_flag("--requantise", flags->requantise, "take a model that is quantised already");
  app.add_flag("--force", flags->force, "overwrite OUT if it exists");
  app.add_flag("--json", flags->json, "print one JSON document");
  app.footer(
      "Some 30,000 tokens of text like what the model is for are enough to calibrate with.\n"
      "Examples:\n"
      "  weir quantise model-f16.gguf model-q4_k_m.gguf --type Q4_K_M\n"
      "  weir quantise model-f16.gguf model-iq2_xxs.gguf --type IQ2_XXS --calibrate book.txt");
  return [flags] { return RunQuantise(*flags); };
}

}  // namespace weir
