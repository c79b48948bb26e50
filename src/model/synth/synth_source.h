// A model without a file: the shapes and block formats of a real one, weights made up on demand.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/model_source.h"

namespace weir {

/// Rows are a function of tensor and row number only, the same in every process. Weights are spread
/// so that activations keep the size that they have in trained models: 1 / sqrt(columns) for
/// matrices, 1 for norms, decays and time steps over their usual ranges.
class SynthSource : public ModelSource {
 public:
  /// Of a catalogued model and mixture; names are case-insensitive, an Error lists what there is.
  static Result<std::unique_ptr<SynthSource>> Create(std::string_view model,
                                                     std::string_view quant);
  ~SynthSource() override;

  const std::string& name() const override { return name_; }
  bool synthetic() const override { return true; }
  const Metadata& metadata() const override { return metadata_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const uint8_t* Rows(size_t index, int64_t row, int64_t n_rows, uint8_t* scratch) const override;

 private:
  class Weights;
  SynthSource();

  std::string name_;
  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<Weights> weights_;  // of each tensor
};

}  // namespace weir
