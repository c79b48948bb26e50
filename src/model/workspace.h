// Scratch of a forward pass: every buffer that a step writes, sized once, with its shape.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel_table.h"
#include "model/config.h"
#include "model/input_observer.h"
#include "model/model.h"
#include "util/memory.h"

namespace weir {

/// Rows of activations that matrices multiply with: f32, and int8 made from it once (not with Dtype::kF32).
struct ActivationRows {
  int64_t n_cols = 0;
  float* f32 = nullptr;    // [max_rows][n_cols]
  int8_t* q8 = nullptr;    // [max_rows][n_cols]
  float* scale = nullptr;  // [max_rows][n_cols / 32]
  int32_t* sum = nullptr;  // [max_rows][n_cols / 16]

  float* row(int64_t r) const { return f32 + r * n_cols; }
};

/// Where a row of the step belongs.
struct RowRef {
  int32_t slice;
  int32_t token;      // index in the slice
  int64_t position;   // in the sequence
  int32_t first_part = 0, n_parts = 0;  // attention states of its further spans, if those are split off
};

inline constexpr int kSpanPages = 8;      // pages that attention adds up before it merges
inline constexpr int kMaxParts = 512;     // spans of long rows that a step may split off
inline constexpr int kTileQueries = 60;   // queries (rows times heads of a group) that share a reading of a page

/// What one thread attends to at a time: consecutive rows of a slice over a range of pages. `state` is where the
/// running softmax of the first row lies; the rows' own states come first, then those of parts.
struct AttentionItem {
  int64_t row, n_rows;
  int64_t page_begin, page_end;
  int64_t state;
  int64_t work() const { return n_rows * (page_end - page_begin); }
};

class Model::Workspace {
 public:
  static Result<std::unique_ptr<Workspace>> Allocate(const ModelConfig& config, Dtype dtype,
                                                     int64_t max_rows, int64_t max_logits);
  static int64_t Bytes(const ModelConfig& config, Dtype dtype, int64_t max_rows,
                       int64_t max_logits);

  int64_t max_rows = 0, max_logits = 0;
  InputObserver* observer = nullptr;  // of every step; not owned

  RowRef* rows;         // [max_rows]
  int64_t* slice_rows;  // [max_rows], first row of each slice
  float* x;           // [max_rows][n_embd], the residual stream
  ActivationRows h;   // n_embd: a layer's normed input
  ActivationRows o;   // attention_width: what the mixer hands to its output projection
  ActivationRows f;   // ffn_width: silu(gate) * up
  float* y;           // [max_rows][n_embd], a projection on its way to x
  uint8_t* blocks;    // the rows at work, if they are multiplied in blocks

  // Full attention.
  float* q;          // [max_rows][q_width], gates included
  float* k;          // [max_rows][n_kv_heads * head_dim]
  float* v;          // the same
  float* rope_cos;   // [max_rows][n_rot / 2]
  float* rope_sin;   // the same
  float* head_max;   // [max_rows + kMaxParts][n_heads]
  float* head_sum;   // the same
  float* span_out;   // [max_rows + kMaxParts][n_heads * head_dim]: of a row's span at hand; of parts
  AttentionItem* attention_items;  // [max_rows + kMaxParts]
  int64_t n_attention_items = 0;

  // Gated DeltaNet.
  float* mixed;      // [max_rows][conv_dim], q, k, v before the convolution
  float* conv;       // [max_rows][conv_stride], the same after it
  int64_t conv_stride;
  float* z;          // [max_rows][value_dim]
  float* alpha;      // [max_rows][n_value_heads], then e^g
  float* beta;       // [max_rows][n_value_heads]

  // FFN.
  float* gate;       // [max_rows][ffn_width]
  float* up;         // the same

  // Mixture of experts.
  float* router;          // [max_rows][n_experts]
  int32_t* expert_ids;    // [max_rows][n_experts_used], ascending
  float* expert_weights;  // the same, renormalised
  int32_t* picked_rows;   // [max_rows], rows of the expert at work
  float* picked_weights;  // the same
  float* shared_gate;     // [max_rows]

  // LM head.
  ActivationRows last;  // n_embd: normed rows that want logits
  float* logits;        // [max_logits][n_vocab]
  float* logit_maxima;     // [max_logits][LogitBlocks(n_vocab)], for the sampler
  uint64_t* logit_hashes;  // the same

 private:
  template <class Allocator>
  void LayOut(const ModelConfig& config, Allocator& allocator);
  Buffer memory_;
};

}  // namespace weir
