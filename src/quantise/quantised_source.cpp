#include "quantise/quantised_source.h"

#include <algorithm>
#include <cmath>

#include "kernels/dequantize.h"
#include "kernels/packed_matrix.h"
#include "quantise/calibration.h"
#include "util/interrupt.h"

namespace weir {
namespace {

/// The metadata of a file in another mixture: everything, but for what speaks of quantisation.
Metadata MetadataOf(const ModelSource& source, const Mixture& mixture,
                    const Calibration* calibration) {
  Metadata metadata;
  for (const MetadataEntry& entry : source.metadata().entries()) {
    const bool ours = entry.key == "general.file_type" ||
                      entry.key == "general.quantization_version" ||
                      entry.key.starts_with("quantize.imatrix.") || entry.key.starts_with("split.");
    if (!ours) metadata.Add(entry);
  }
  metadata.AddU32("general.quantization_version", 2);
  metadata.AddU32("general.file_type", mixture.file_type);
  if (calibration) {
    metadata.AddString("quantize.imatrix.dataset", calibration->text_name());
    metadata.AddU32("quantize.imatrix.entries_count", calibration->n_tensors());
    metadata.AddU32("quantize.imatrix.chunks_count", calibration->n_windows());
  }
  return metadata;
}

}  // namespace

Result<std::unique_ptr<QuantisedSource>> QuantisedSource::Create(const ModelSource& source,
                                                                 const Mixture& mixture,
                                                                 const Calibration* calibration,
                                                                 bool requantise,
                                                                 ThreadPool& threads) {
  WEIR_TRY(const MixtureShape shape, ReadMixtureShape(source));
  std::unique_ptr<QuantisedSource> quantised(new QuantisedSource(source, calibration, threads));
  quantised->metadata_ = MetadataOf(source, mixture, calibration);
  for (TensorInfo tensor : source.tensors()) {
    if (const std::optional<MatrixRole> role = RoleOf(tensor)) {
      if (IsQuantized(tensor.type) && !requantise) {
        return WithHint(BadInput("{}: tensor {} is {} already: what that has lost, a second quantisation "
                                 "loses again",
                                 source.name(), tensor.name, Traits(tensor.type).name),
                        "take the F16, BF16 or F32 file of the model, or --requantise");
      }
      const TensorType wanted = mixture.type(shape, *role);
      tensor.type = FittingType(wanted, tensor.ne[0]);
      quantised->n_unfitting_ += tensor.type != wanted;
    }
    quantised->tensors_.push_back(std::move(tensor));
  }
  return quantised;
}

const uint8_t* QuantisedSource::Rows(size_t index, int64_t row, int64_t n_rows,
                                     uint8_t* scratch) const {
  const TensorInfo &from = source_.tensors()[index], &to = tensors_[index];
  if (from.type == to.type) return source_.Rows(index, row, n_rows, scratch);
  threads_.ParallelFor(n_rows, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<float> values(static_cast<size_t>(from.ne[0]));
    std::vector<uint8_t> raw(static_cast<size_t>(from.row_bytes()));
    for (int64_t i = begin; i < end && status().ok(); ++i) {
      const uint8_t* bytes = source_.Rows(index, row + i, 1, raw.data());
      EncodeOne(index, row + i, bytes, values, scratch + i * to.row_bytes());
    }
  });
  source_.Release(index, row, n_rows);
  return scratch;
}

void QuantisedSource::EncodeOne(size_t index, int64_t row, const uint8_t* bytes,
                                std::vector<float>& values, uint8_t* out) const {
  const TensorInfo &from = source_.tensors()[index], &to = tensors_[index];
  if (Interrupted()) {
    return Fail({ErrorCode::kInterrupted, "stopped: nothing was written", {}});
  }
  DequantizeRow(from.type, bytes, from.ne[0], values.data());
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::fabs(values[i]) <= kMaxWeight) continue;
    return Fail(BadInput("{}: tensor {}, row {}, column {}: expected a finite weight of at most {}, "
                         "found {}",
                         name(), to.name, row, i, kMaxWeight, values[i]));
  }
  const Importance importance =
      calibration_ ? calibration_->Of(index, row) : Importance{};
  EncodeRow(to.type, values.data(), importance, from.ne[0], out);
}

Status QuantisedSource::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void QuantisedSource::Fail(Error error) const {
  const std::lock_guard lock(mutex_);
  if (status_.ok()) status_ = std::move(error);
}

}  // namespace weir
