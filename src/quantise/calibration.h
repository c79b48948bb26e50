// How much each column of each matrix matters, from running the model on a text: mean products of the inputs.
#pragma once

#include <cstdint>
#include <string>

#include "model/model.h"
#include "quantise/encode.h"
#include "util/thread_pool.h"

namespace weir {

class Calibration {
 public:
  const std::string& text_name() const { return text_name_; }
  uint32_t n_inputs() const { return 0; }
  uint32_t n_windows() const { return 0; }

  /// Of a row of tensor `index` of the model's source.
  Importance Of(size_t, int64_t) const { return {}; }

 private:
  std::string text_name_;
};

}  // namespace weir
