// A model whose matrices are encoded as they are read: what WriteGguf needs to make a smaller file of it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gguf/model_source.h"
#include "model/mixture.h"
#include "quantise/encode.h"
#include "util/thread_pool.h"

namespace weir {

class Calibration;

class QuantisedSource : public ModelSource {
 public:
  /// Types and metadata of `source` in that mixture; `calibration` may be null. All four outlive this. kBadInput for a
  /// source whose matrices are quantised already, unless `requantise`.
  static Result<std::unique_ptr<QuantisedSource>> Create(const ModelSource& source,
                                                         const Mixture& mixture,
                                                         const Calibration* calibration,
                                                         bool requantise, ThreadPool& threads);

  const std::string& name() const override { return source_.name(); }
  bool synthetic() const override { return source_.synthetic(); }
  const Metadata& metadata() const override { return metadata_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  /// Encodes the rows by all threads, so one call at a time. Where status() says no, they are worth nothing.
  const uint8_t* Rows(size_t index, int64_t row, int64_t n_rows, uint8_t* scratch) const override;
  /// A value that no format can hold (kBadInput, with tensor and row), or kInterrupted.
  Status status() const override;

  /// Matrices whose rows are no multiple of the blocks that the mixture wants, and got other ones.
  int n_unfitting() const { return n_unfitting_; }

 private:
  QuantisedSource(const ModelSource& source, const Calibration* calibration, ThreadPool& threads)
      : source_(source), calibration_(calibration), threads_(threads) {}
  void EncodeOne(size_t index, int64_t row, const uint8_t* bytes, std::vector<float>& values,
                 uint8_t* out) const;
  void Fail(Error error) const;

  const ModelSource& source_;
  const Calibration* calibration_;
  ThreadPool& threads_;
  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
  int n_unfitting_ = 0;
  mutable std::mutex mutex_;  // guards status_
  mutable Status status_;
};

}  // namespace weir
