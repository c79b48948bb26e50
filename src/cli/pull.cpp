// weir pull: a model of the hub onto this machine.
#include <memory>

#include "cli/command.h"
#include "cli/format.h"
#include "cli/hub.h"
#include "cli/inspect.h"
#include "util/clock.h"

namespace weir {
namespace {

struct Flags {
  std::string model;
  int n_parallel = NetworkOptions().n_parallel;
  bool header_only = false, json = false;
};

Json Document(const PulledModel& pulled, double seconds) {
  Json files = Json::array();
  for (size_t i = 0; i < pulled.paths.size(); ++i) {
    const HubFile& file = pulled.model.files[i];
    files.push_back({{"file", file.path},
                     {"path", pulled.paths[i]},
                     {"bytes", file.n_bytes},
                     {"etag", file.etag}});
  }
  Json others = Json::array();
  for (const HubModel& model : pulled.others) {
    others.push_back({{"quant", OrNull(model.quant)},
                      {"file", model.files.front().path},
                      {"bytes", model.n_bytes()}});
  }
  return {{"model", pulled.name()},
          {"commit", pulled.commit},
          {"quant", OrNull(pulled.model.quant)},
          {"path", pulled.path()},
          {"bytes", pulled.model.n_bytes()},
          {"bytes_fetched", pulled.bytes_fetched},
          {"bytes_kept", pulled.bytes_kept},
          {"seconds", seconds},
          {"files", files},
          {"others", others}};
}

void PrintResult(const PulledModel& pulled, double seconds) {
  const std::string name = EscapedControls(pulled.name());
  if (pulled.bytes_fetched == 0) {
    fmt::print("{} is here already: {}\n", name, ByteSize(pulled.model.n_bytes()));
  } else {
    fmt::print("pulled {}: {} in {:.1f} s, {}/s, checksum verified\n", name,
               ByteSize(pulled.bytes_fetched), seconds,
               ByteSize(static_cast<int64_t>(static_cast<double>(pulled.bytes_fetched) / seconds)));
  }
  for (const std::string& path : pulled.paths) fmt::print("{}\n", EscapedControls(path));
}

Result<int> RunPull(const Flags& flags) {
  WEIR_TRY(const HubReference reference, ParseHubReference(flags.model));
  if (flags.header_only) {
    WEIR_TRY(const std::unique_ptr<ModelSource> source, OpenHeader(flags.model, true));
    InspectFlags inspect;
    inspect.json = flags.json;
    PrintModel(*source, inspect);
    return kExitOk;
  }
  WEIR_TRY(const HubSettings settings, ReadHubSettings());
  if (settings.offline) {
    return WithHint(BadInput("{}: HF_HUB_OFFLINE is set", reference.name()),
                    "unset it to download");
  }
  NetworkOptions options;
  options.n_parallel = flags.n_parallel;
  const int64_t begin_ns = NowNs();
  WEIR_TRY(const PulledModel pulled, PullWithProgress(settings, options, reference));
  const double seconds = static_cast<double>(NowNs() - begin_ns) * 1e-9;
  if (flags.json) {
    PrintJson(Document(pulled, seconds));
  } else {
    PrintResult(pulled, seconds);
  }
  return kExitOk;
}

}  // namespace

Command AddPull(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("MODEL", flags->model, "hf:ORG/REPO[@REVISION][:QUANT|:FILE]")->required();
  app.add_flag("--header-only", flags->header_only,
               "download nothing: say what weir inspect would, from a few range requests");
  app.add_option("--parallel", flags->n_parallel, "range requests at once")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_flag("--json", flags->json, "print one JSON document");
  app.footer(
      "Files go into the cache of the hub's own client (HF_HOME, HF_HUB_CACHE) and are shared with "
      "it. A\n"
      "download that was cut goes on where it stopped; checksums are always verified. Private and "
      "gated\n"
      "models need HF_TOKEN; HF_ENDPOINT names another hub.\n"
      "Without QUANT: Q4_K_M, or what comes nearest. Every command takes hf:... as its MODEL.\n"
      "Examples:\n"
      "  weir pull hf:unsloth/Qwen3.5-2B-GGUF\n"
      "  weir pull hf:unsloth/Qwen3.5-2B-GGUF:Q8_0\n"
      "  weir pull --header-only hf:unsloth/Qwen3.5-27B-GGUF:UD-IQ2_XXS\n"
      "  HF_HOME=/mnt/models weir pull hf:ORG/REPO@v1.0:model.gguf");
  return [flags] { return RunPull(*flags); };
}

}  // namespace weir
