// Tensor names become typed views here, once. After BindWeights returns, nothing can be missing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gguf/model_source.h"
#include "kernels/packed_matrix.h"
#include "model/config.h"
#include "model/model.h"
#include "util/memory.h"

namespace weir {

/// Small float tensors (norms, biases) dequantised; null where an optional one is absent.
using Vector = const float*;

struct AttentionWeights {
  PackedMatrix q;    // [n_heads * head_dim (* 2 with gates)][n_embd]
  PackedMatrix k, v; // [n_kv_heads * head_dim][n_embd]
  PackedMatrix out;  // [n_embd][n_heads * head_dim]
  Vector q_bias = nullptr, k_bias = nullptr, v_bias = nullptr, out_bias = nullptr;
  Vector q_norm = nullptr, k_norm = nullptr;  // [head_dim]
};

struct DeltaNetWeights {
  PackedMatrix qkv;          // [conv_dim][n_embd]: all query heads, all key heads, all value heads
  PackedMatrix gate;         // [value_dim][n_embd], z of the paper
  PackedMatrix alpha, beta;  // [n_value_heads][n_embd]
  PackedMatrix out;          // [n_embd][value_dim]
  Vector conv = nullptr;     // [4 taps][conv_dim], oldest tap first
  Vector dt_bias = nullptr, a = nullptr;  // [n_value_heads]; a = -exp(A_log)
  Vector norm = nullptr;                  // [linear_dim]
};

struct FfnWeights {
  PackedMatrix gate, up;  // [n_ff][n_embd]
  PackedMatrix down;      // [n_embd][n_ff]
};

struct MoeWeights {
  PackedMatrix router;              // [n_experts][n_embd]
  std::vector<FfnWeights> experts;  // [n_experts]
  PackedMatrix shared_gate;         // [1][n_embd]
  FfnWeights shared;
};

struct LayerWeights {
  bool recurrent = false;
  int64_t kind_index = 0;  // among the layers of its kind: which KV pages or state it owns
  Vector mixer_norm = nullptr, ffn_norm = nullptr;  // [n_embd]
  AttentionWeights attention;                       // where !recurrent
  DeltaNetWeights delta_net;                        // where recurrent
  FfnWeights ffn;                                   // dense models
  MoeWeights moe;                                   // mixture of experts
};

struct Weights {
  PackedMatrix token_embd;  // [n_vocab][n_embd]
  PackedMatrix lm_head;     // [n_vocab][n_embd]; the same tiles as token_embd when tied
  bool tied = false;
  Vector output_norm = nullptr;   // [n_embd]
  Vector rope_factors = nullptr;  // [n_rot / 2], optional
  std::vector<LayerWeights> layers;
};

/// The plan to fill a Weights: which rows of which tensor go where. The views in `weights` have their
/// shapes from the start; their addresses once PackWeights has run.
struct WeightPlan {
  struct MatrixJob {
    size_t tensor;       // index in the source
    int64_t first_row;   // of the tensor
    PackedMatrix* view;
    size_t offset;       // into the arena
  };
  struct VectorJob {
    size_t tensor;
    Vector* view;
    bool transpose_taps;  // conv1d: the file has [channel][tap]
    size_t offset;
  };
  Weights weights;  // jobs point into it: a WeightPlan does not move (hold it by pointer)
  std::vector<MatrixJob> matrices;
  std::vector<VectorJob> vectors;
  size_t arena_bytes = 0;

  ModelCost cost;
  ModelFootprint footprint;
};

/// Checks names, types and shapes. The first thing wrong is an Error: which tensor, expected, found.
Result<std::unique_ptr<WeightPlan>> BindWeights(const ModelSource& source, const ModelConfig& config,
                                                Dtype dtype);

/// Fills the arena, in parallel by tiles, and sets all addresses in plan.weights.
Result<Buffer> PackWeights(const ModelSource& source, WeightPlan& plan, const LoadOptions& options,
                           ThreadPool& threads);

}  // namespace weir
