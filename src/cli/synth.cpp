// weir synth: the catalogue of synthetic models, and files of them for other engines.
#include <filesystem>
#include <memory>
#include <system_error>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "gguf/gguf_file.h"
#include "model/model.h"
#include "model/synth/tensor_table.h"
#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string name, quant, output;
  bool list = false, force = false, json = false;
};

struct Totals {
  int64_t n_params = 0, n_bytes = 0;
};

Totals TotalsOf(const std::vector<TensorInfo>& tensors) {
  Totals totals;
  for (const TensorInfo& tensor : tensors) {
    totals.n_params += tensor.n_elements();
    totals.n_bytes += tensor.n_bytes();
  }
  return totals;
}

/// Synthetic models come in every mixture; the list would be long.
std::vector<const Mixture*> ListedQuants() {
  std::vector<const Mixture*> listed;
  for (const std::string_view name : {"F16", "Q8_0", "Q4_K_M", "UD-IQ2_XXS", "IQ2_XXS"}) {
    listed.push_back(FindMixture(name).value());
  }
  return listed;
}

Json ListDocument() {
  Json models = Json::array();
  for (const SynthModel& model : SynthModels()) {
    Json entry{{"name", model.name}, {"shape_of", model.shape_of}};
    for (const Mixture* quant : ListedQuants()) {
      const Totals totals = TotalsOf(SynthTensors(model, *quant));
      entry["parameters"] = totals.n_params;
      entry["tensor_bytes"][std::string(quant->name)] = totals.n_bytes;
    }
    models.push_back(entry);
  }
  return models;
}

void PrintList() {
  fmt::print("{:<15}  {:<10}  {:>8}  {:>14}  {}\n", "name", "quant", "params", "tensor bytes",
             "shapes of");
  for (const SynthModel& model : SynthModels()) {
    for (const Mixture* quant : ListedQuants()) {
      const Totals totals = TotalsOf(SynthTensors(model, *quant));
      fmt::print("{:<15}  {:<10}  {:>6.2f} B  {:>14}  {}\n", model.name, quant->name,
                 static_cast<double>(totals.n_params) * 1e-9, Grouped(totals.n_bytes),
                 model.shape_of);
    }
  }
}

/// Refuses what would fail later, or destroy something.
Status CheckOutput(const std::string& output, int64_t n_bytes, bool force) {
  const fs::path path(output);
  std::error_code error;
  if (fs::is_directory(path, error)) return BadInput("{}: is a directory, not a file", output);
  if (!force && fs::exists(path, error)) {
    return WithHint(BadInput("{}: exists already", output), "--force overwrites it");
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const fs::space_info space = fs::space(folder, error);
  if (!error && static_cast<int64_t>(space.available) < n_bytes) {
    return Refused("{}: the file takes {}, {} are free in {}", output, ByteSize(n_bytes),
                   ByteSize(static_cast<int64_t>(space.available)), folder.string());
  }
  return {};
}

Result<int> WriteModel(const Flags& flags) {
  WEIR_TRY(const std::unique_ptr<ModelSource> source,
           OpenModel(fmt::format("synth:{}:{}", flags.name, flags.quant)));
  const Totals totals = TotalsOf(source->tensors());
  WEIR_RETURN_IF_ERROR(CheckOutput(flags.output, totals.n_bytes, flags.force));

  CatchInterrupts();
  const int64_t begin_ns = NowNs();
  {
    Progress progress(fmt::format("writing {} to {}", ByteSize(totals.n_bytes), flags.output));
    WEIR_RETURN_IF_ERROR(WriteGguf(*source, flags.output, Progress::Callback, &progress));
  }
  const double seconds = static_cast<double>(NowNs() - begin_ns) * 1e-9;
  if (flags.json) {
    PrintJson({{"model", source->name()},
               {"path", flags.output},
               {"parameters", totals.n_params},
               {"tensor_bytes", totals.n_bytes},
               {"seconds", seconds}});
  } else {
    fmt::print("wrote {} as {}: {} of random weights in {:.1f} s\n", source->name(), flags.output,
               ByteSize(totals.n_bytes), seconds);
  }
  return kExitOk;
}

Result<int> RunSynth(const Flags& flags) {
  if (flags.list) {
    if (flags.json) {
      PrintJson(ListDocument());
    } else {
      PrintList();
    }
    return kExitOk;
  }
  if (flags.name.empty() || flags.quant.empty() || flags.output.empty()) {
    return WithHint(BadInput("expected a NAME, a QUANT and -o FILE, or --list"),
                    "for example: weir synth qwen3.5-0.8b Q8_0 -o qwen3.5-0.8b-synthetic.gguf");
  }
  return WriteModel(flags);
}

}  // namespace

Command AddSynth(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("NAME", flags->name, "a model of --list, like qwen3.5-2b");
  app.add_option("QUANT", flags->quant, "a mixture of --list, like UD-IQ2_XXS");
  app.add_option("-o,--output", flags->output, "the .gguf file to write");
  app.add_flag("--force", flags->force, "overwrite the file if it exists");
  app.add_flag("--list", flags->list, "list all models and mixtures with their exact tensor bytes");
  app.add_flag("--json", flags->json, "print one JSON document");
  app.footer(
      "A synthetic model has the tensor shapes and block formats of a real one, and random\n"
      "weights: as fast, as large, and meaningless. weir needs no file of it: every command takes\n"
      "synth:NAME:QUANT as its MODEL. The file is for other engines.\n"
      "Examples:\n"
      "  weir synth --list\n"
      "  weir synth qwen3.5-2b UD-IQ2_XXS -o qwen3.5-2b-synthetic.gguf\n"
      "  weir bench synth:qwen3.5-2b:UD-IQ2_XXS");
  return [flags] { return RunSynth(*flags); };
}

}  // namespace weir
