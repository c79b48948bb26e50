#include "model/workspace.h"

#include <algorithm>

namespace weir {
namespace {

/// Floats from one row of convolved channels to the next. A head reads the same channels of many rows: these lie
/// 512 bytes apart, taken modulo the 4 KB that a set-associative L1 cache repeats after, instead of on each other's
/// sets.
int64_t ConvStride(int64_t conv_dim) {
  constexpr int64_t kRepeat = 1024, kApart = 128;
  return conv_dim == 0 ? 0 : (conv_dim - kApart + kRepeat - 1) / kRepeat * kRepeat + kApart;
}

/// Hands out aligned pieces of a block; without a block it only counts.
class Arena {
 public:
  Arena(uint8_t* base, Dtype dtype) : base_(base), dtype_(dtype) {}

  template <class T>
  void Take(T*& pointer, int64_t n) {
    pointer = base_ ? reinterpret_cast<T*>(base_ + size_) : nullptr;
    size_ += (n * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
  }
  void Take(ActivationRows& rows, int64_t n_rows, int64_t n_cols) {
    rows.n_cols = n_cols;
    Take(rows.f32, n_rows * n_cols);
    if (dtype_ == Dtype::kF32) return;
    Take(rows.q8, n_rows * n_cols);
    Take(rows.scale, n_rows * (n_cols / kQuantBlock));
    Take(rows.sum, n_rows * (n_cols / kSumBlock));
  }
  void TakeBlocks(uint8_t*& blocks, int64_t n_rows, int64_t n_cols) {
    if (dtype_ == Dtype::kF32) return;
    Take(blocks, ActivationBlocksBytes(n_rows, n_cols));
  }
  int64_t size() const { return size_; }

 private:
  uint8_t* base_;
  Dtype dtype_;
  int64_t size_ = 0;
};

}  // namespace

template <class Allocator>
void Model::Workspace::LayOut(const ModelConfig& config, Allocator& arena) {
  const int64_t q_width = config.n_heads * config.head_dim;
  const int64_t kv_width = config.n_kv_heads * config.head_dim;
  const int64_t ffn_width = std::max({config.n_ff, config.n_ff_expert, config.n_ff_shared});
  arena.Take(rows, max_rows);
  arena.Take(slice_rows, max_rows);
  arena.Take(x, max_rows * config.n_embd);
  arena.Take(h, max_rows, config.n_embd);
  arena.Take(o, max_rows, std::max(q_width, config.value_dim()));
  arena.Take(f, max_rows, ffn_width);
  arena.Take(y, max_rows * config.n_embd);
  arena.TakeBlocks(blocks, std::max(max_rows, max_logits),
                   std::max({h.n_cols, o.n_cols, ffn_width}));
  arena.Take(q, max_rows * q_width * (config.gated_attention ? 2 : 1));
  arena.Take(k, max_rows * kv_width);
  arena.Take(v, max_rows * kv_width);
  arena.Take(rope_cos, max_rows * config.n_rot / 2);
  arena.Take(rope_sin, max_rows * config.n_rot / 2);
  arena.Take(head_max, (max_rows + kMaxParts) * config.n_heads);
  arena.Take(head_sum, (max_rows + kMaxParts) * config.n_heads);
  arena.Take(span_out, (max_rows + kMaxParts) * q_width);
  arena.Take(attention_items, max_rows + kMaxParts);
  arena.Take(mixed, max_rows * config.conv_dim());
  conv_stride = ConvStride(config.conv_dim());
  arena.Take(conv, max_rows * conv_stride);
  arena.Take(z, max_rows * config.value_dim());
  arena.Take(alpha, max_rows * config.n_value_heads);
  arena.Take(beta, max_rows * config.n_value_heads);
  arena.Take(gate, max_rows * ffn_width);
  arena.Take(up, max_rows * ffn_width);
  arena.Take(router, max_rows * config.n_experts);
  arena.Take(expert_ids, max_rows * config.n_experts_used);
  arena.Take(expert_weights, max_rows * config.n_experts_used);
  arena.Take(picked_rows, max_rows);
  arena.Take(picked_weights, max_rows);
  arena.Take(shared_gate, max_rows);
  arena.Take(last, max_logits, config.n_embd);
  arena.Take(logits, max_logits * config.n_vocab);
  arena.Take(logit_maxima, max_logits * LogitBlocks(config.n_vocab));
  arena.Take(logit_hashes, max_logits * LogitBlocks(config.n_vocab));
}

int64_t Model::Workspace::Bytes(const ModelConfig& config, Dtype dtype, int64_t max_rows,
                                int64_t max_logits) {
  Workspace workspace;
  workspace.max_rows = max_rows;
  workspace.max_logits = max_logits;
  Arena arena(nullptr, dtype);
  workspace.LayOut(config, arena);
  return arena.size();
}

Result<std::unique_ptr<Model::Workspace>> Model::Workspace::Allocate(const ModelConfig& config,
                                                                     Dtype dtype, int64_t max_rows,
                                                                     int64_t max_logits) {
  auto workspace = std::make_unique<Workspace>();
  workspace->max_rows = max_rows;
  workspace->max_logits = max_logits;
  WEIR_TRY(workspace->memory_,
           Buffer::Allocate(static_cast<size_t>(Bytes(config, dtype, max_rows, max_logits))));
  Arena arena(workspace->memory_.data(), dtype);
  workspace->LayOut(config, arena);
  return workspace;
}

}  // namespace weir
