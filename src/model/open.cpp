#include "gguf/gguf_file.h"
#include "hub/pull.h"
#include "model/mixture.h"
#include "model/model.h"
#include "model/synth/synth_model.h"
#include "model/synth/synth_source.h"

namespace weir {
namespace {

constexpr std::string_view kSynthPrefix = "synth:";

bool HasPrefix(std::string_view text, std::string_view prefix) {
  return SameName(text.substr(0, prefix.size()), prefix);
}

Result<std::unique_ptr<ModelSource>> OpenSynthetic(std::string_view spec) {
  const size_t colon = spec.find(':');
  const std::string_view model = spec.substr(0, colon);
  WEIR_TRY(const SynthModel* known, FindSynthModel(model));
  if (colon == std::string_view::npos) {
    std::vector<std::string_view> names;
    for (const Mixture& mixture : Mixtures()) names.push_back(mixture.name);
    return WithHint(BadInput("'{}{}' names no quantisation", kSynthPrefix, model),
                    fmt::format("write {}{}:QUANT with one of {}", kSynthPrefix, known->name,
                                fmt::join(names, ", ")));
  }
  WEIR_TRY(std::unique_ptr<ModelSource> source, SynthSource::Create(model, spec.substr(colon + 1)));
  return source;
}

Result<std::unique_ptr<ModelSource>> OpenFromHub(const std::string& model) {
  WEIR_TRY(const HubReference reference, ParseHubReference(model));
  WEIR_TRY(const HubSettings settings, ReadHubSettings());
  const std::optional<PulledModel> found = FindInCache(settings, reference);
  if (!found) {
    return WithHint(BadInput("{}: not on this machine (looked in {})", reference.name(), settings.cache),
                    fmt::format("weir pull {}", reference.name()));
  }
  WEIR_TRY(std::unique_ptr<GgufFile> file, GgufFile::Open(found->path()));
  file->SetName(found->name());
  return std::unique_ptr<ModelSource>(std::move(file));
}

}  // namespace

Result<std::unique_ptr<ModelSource>> OpenModel(const std::string& model) {
  if (HasPrefix(model, kSynthPrefix)) {
    return OpenSynthetic(std::string_view(model).substr(kSynthPrefix.size()));
  }
  if (IsHubName(model)) return OpenFromHub(model);
  if (model.empty()) return BadInput("MODEL is empty: expected a .gguf file, hf:ORG/REPO:QUANT or synth:NAME:QUANT");
  WEIR_TRY(std::unique_ptr<ModelSource> file, GgufFile::Open(model));
  return file;
}

}  // namespace weir
