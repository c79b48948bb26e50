#include "model/synth/synth_source.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include "model/synth/random_rows.h"
#include "model/synth/synth_metadata.h"
#include "model/synth/synth_model.h"
#include "model/synth/tensor_table.h"

namespace weir {
namespace {

constexpr uint64_t kSeed = 0x77656972;

/// n values spread evenly from first to last, so that heads differ.
std::vector<float> Ramp(int64_t n, double first, double last) {
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) {
    const double t = n > 1 ? static_cast<double>(i) / static_cast<double>(n - 1) : 0;
    values.push_back(static_cast<float>(first + t * (last - first)));
  }
  return values;
}

/// The divisors of Llama 3.1's rotation angles, by its published rule: rotations that turn more
/// than four times over the original 8192 positions stay, those that turn less than once are slowed
/// down fully.
std::vector<float> RopeFreqs(const SynthModel& model) {
  constexpr double kOriginalContext = 8192, kLowTurns = 1, kHighTurns = 4;
  std::vector<float> divisors;
  for (int64_t j = 0; j < model.head_dim / 2; ++j) {
    const double angle = std::pow(double{model.rope_base}, -2.0 * static_cast<double>(j) /
                                                               static_cast<double>(model.head_dim));
    const double turns = kOriginalContext * angle / (2 * std::numbers::pi);
    const double keep = std::clamp((turns - kLowTurns) / (kHighTurns - kLowTurns), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - keep) / model.rope_slowdown + keep)));
  }
  return divisors;
}

/// The values of tensors that must not be random; empty for the others.
std::vector<float> FixedValues(const SynthModel& model, const TensorInfo& tensor) {
  const std::string_view name = tensor.name;
  if (name.ends_with("norm.weight")) return Ramp(tensor.ne[0], 1, 1);
  if (name.ends_with("ssm_a")) return Ramp(tensor.ne[0], -1, -16);
  if (name.ends_with("ssm_dt.bias")) return Ramp(tensor.ne[0], -2, -6);  // steps of 0.13 to 0.0025
  if (name == "rope_freqs.weight") return RopeFreqs(model);
  return {};
}

}  // namespace

class SynthSource::Weights {
 public:
  Weights(const SynthModel& model, const TensorInfo& tensor, uint64_t seed)
      : seed_(seed), fixed_(FixedValues(model, tensor)) {
    if (fixed_.empty()) {
      random_.emplace(tensor.type, 1 / std::sqrt(static_cast<double>(tensor.ne[0])));
    }
  }

  const uint8_t* Rows(const TensorInfo& tensor, int64_t row, int64_t n_rows,
                      uint8_t* scratch) const {
    if (!random_) return reinterpret_cast<const uint8_t*>(fixed_.data());
    for (int64_t i = 0; i < n_rows; ++i) {
      random_->Fill(Mix(seed_ + static_cast<uint64_t>(row + i)), tensor.ne[0],
                    scratch + i * tensor.row_bytes());
    }
    return scratch;
  }

 private:
  uint64_t seed_;
  std::vector<float> fixed_;  // the one row of a vector
  std::optional<RandomRows> random_;
};

SynthSource::SynthSource() = default;
SynthSource::~SynthSource() = default;

Result<std::unique_ptr<SynthSource>> SynthSource::Create(std::string_view model_name,
                                                         std::string_view quant_name) {
  WEIR_TRY(const SynthModel* model, FindSynthModel(model_name));
  WEIR_TRY(const Mixture* quant, FindMixture(quant_name));
  std::unique_ptr<SynthSource> source(new SynthSource);
  source->name_ = fmt::format("synth:{}:{}", model->name, quant->name);
  source->metadata_ = SynthMetadata(*model, *quant);
  source->tensors_ = SynthTensors(*model, *quant);
  for (const TensorInfo& tensor : source->tensors_) {
    source->weights_.emplace_back(*model, tensor, Mix(kSeed + source->weights_.size()));
  }
  return source;
}

const uint8_t* SynthSource::Rows(size_t index, int64_t row, int64_t n_rows,
                                 uint8_t* scratch) const {
  return weights_[index].Rows(tensors_[index], row, n_rows, scratch);
}

}  // namespace weir
