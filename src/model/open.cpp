#include "gguf/gguf_file.h"
#include "model/mixture.h"
#include "model/model.h"
#include "model/synth/synth_model.h"
#include "model/synth/synth_source.h"

namespace weir {
namespace {

constexpr std::string_view kSynthPrefix = "synth:", kHubPrefix = "hf:";

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

}  // namespace

Result<std::unique_ptr<ModelSource>> OpenModel(const std::string& model) {
  if (HasPrefix(model, kSynthPrefix)) {
    return OpenSynthetic(std::string_view(model).substr(kSynthPrefix.size()));
  }
  if (HasPrefix(model, kHubPrefix)) {
    return WithHint(BadInput("'{}': weir cannot download models yet", model),
                    "download the .gguf with another tool and give its path, or measure the same "
                    "shapes with synth:NAME:QUANT (weir synth --list)");
  }
  if (model.empty()) return BadInput("MODEL is empty: expected a .gguf file or synth:NAME:QUANT");
  WEIR_TRY(std::unique_ptr<ModelSource> file, GgufFile::Open(model));
  return file;
}

}  // namespace weir
