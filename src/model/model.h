// A loaded model and its forward pass over a ragged batch. Floors above see batches, costs and logits.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gguf/model_source.h"
#include "kernels/kernel_table.h"
#include "model/cache.h"
#include "model/config.h"
#include "model/step_cost.h"
#include "util/thread_pool.h"

namespace weir {

class StepProfiler;
class Tokenizer;

/// A copy of the recurrent state after the first n_tokens (at least 1) of a slice, made in passing.
struct Snapshot {
  int64_t n_tokens = 0;
  int32_t slot = 0;  // where it goes: no slice's own
};

/// Consecutive tokens of one sequence. A batch is a list of slices, at most one per sequence, any lengths.
struct Slice {
  std::span<const int32_t> tokens;
  int64_t position = 0;            // of tokens[0]; 0 starts the sequence with an empty state
  std::span<const int32_t> pages;  // block table: page of positions [64 i, 64 i + 64), for all positions up to the end
  int32_t slot = 0;                // recurrent slot
  int32_t n_logits = 0;            // logits are wanted for the last n_logits tokens
  std::span<const Snapshot> snapshots = {};  // in the order of n_tokens, without equal ones
};

enum class Dtype { kInt8, kF32 };  // int8 activations; or dequantised weights and f32 activations

/// What keys and values are kept in unless something else is asked for.
inline KvType DefaultKvType(Dtype dtype) { return dtype == Dtype::kF32 ? KvType::kF32 : KvType::kF16; }

struct LoadOptions {
  Dtype dtype = Dtype::kInt8;
  Isa isa = Isa::kPlain;
  /// Called before each matrix with the bytes packed so far; false stops (kInterrupted). May be null.
  bool (*progress)(void* context, int64_t bytes_done, int64_t bytes_total) = nullptr;
  void* context = nullptr;
};

/// What a model takes before it is loaded, from the tensor table alone.
struct ModelFootprint {
  int64_t n_params = 0;
  int64_t file_tensor_bytes = 0;  // all tensors, in the file's formats
  int64_t packed_bytes = 0;       // resident after loading
};

class Model {
 public:
  /// Checks every tensor the architecture needs (name, type, shape) and computes the footprint.
  static Result<ModelFootprint> Plan(const ModelSource& source, Dtype dtype);
  /// What its steps will cost, from the tensor table alone.
  static Result<ModelCost> Cost(const ModelSource& source, Dtype dtype);
  /// Packs the weights, in parallel. The caller has checked that the footprint fits. kInterrupted when
  /// options.progress says so.
  static Result<std::unique_ptr<Model>> Load(const ModelSource& source, const LoadOptions& options,
                                             ThreadPool& threads);
  ~Model();

  const ModelConfig& config() const;
  const std::string& name() const;  // what the user called it
  bool synthetic() const;
  Dtype dtype() const;
  Isa isa() const;
  const ModelFootprint& footprint() const;

  /// Scratch of forward passes of at most max_rows tokens and max_logits logit rows.
  class Workspace;
  Result<std::unique_ptr<Workspace>> MakeWorkspace(int64_t max_rows, int64_t max_logits) const;
  static int64_t WorkspaceBytes(const ModelConfig& config, Dtype dtype, int64_t max_rows,
                                int64_t max_logits);

  /// Runs the slices and returns logits [sum of n_logits][n_vocab], slices in order, valid until the next
  /// call, the caller's to change; allocates nothing. Token ids must be in [0, n_vocab). `cost` receives the
  /// work of this step, `profiler` (may be null) where its time goes.
  float* Forward(std::span<const Slice> slices, Cache& cache, Workspace& workspace,
                 ThreadPool& threads, StepCost* cost, StepProfiler* profiler = nullptr) const;

  /// Where a matrix that the forward pass multiplies with came from: rows of a tensor of the source.
  struct MatrixOrigin {
    const uint8_t* tiles;  // PackedMatrix::tiles
    size_t tensor;
    int64_t first_row;
  };
  std::vector<MatrixOrigin> MatrixOrigins() const;

  /// Weight tiles unpacked by Forward since loading: grows by the same amount whatever the rows of a step.
  int64_t n_tiles_unpacked() const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Opens MODEL: a path to a .gguf file or synth:NAME:QUANT.
Result<std::unique_ptr<ModelSource>> OpenModel(const std::string& model);

}  // namespace weir
