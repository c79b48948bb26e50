// Full attention: grouped queries, optional q/k norms and output gate, rotary positions, paged keys and
// values (spec 5.2, 5.3, 8).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/transformer.h"

namespace weir {

void Transformer::Attention(const LayerWeights& layer) {
  const AttentionWeights& w = layer.attention;
  Project(s_.h, {{w.q, s_.q}, {w.k, s_.k}, {w.v, s_.v}});
  AddBias(w.q_bias, w.q.n_rows, s_.q);
  AddBias(w.k_bias, w.k.n_rows, s_.k);
  AddBias(w.v_bias, w.v.n_rows, s_.v);
  ForRows(n_rows_, [&](int64_t row) {
    PrepareHeads(w, row);
    StoreKeyValue(layer, row);
  });
  s_.o.n_cols = c_.n_heads * c_.head_dim;
  ForRows(n_rows_ * c_.n_kv_heads, [&](int64_t item) {
    Attend(layer, item / c_.n_kv_heads, item % c_.n_kv_heads);
  });
  Project(s_.o, {{w.out, s_.y}});
  AddBias(w.out_bias, c_.n_embd, s_.y);
  AddToResidual(s_.y);
}

/// Norms and rotates the query and key heads of a row, in place. A gated head's query is followed by its gate.
void Transformer::PrepareHeads(const AttentionWeights& w, int64_t row) {
  const int64_t q_stride = c_.head_dim * (c_.gated_attention ? 2 : 1);
  for (int64_t p = 0; p < c_.n_heads; ++p) {
    float* head = s_.q + (row * c_.n_heads + p) * q_stride;
    if (w.q_norm) k_.rms_norm(head, w.q_norm, c_.head_dim, c_.rms_eps, head);
    Rotate(head, row);
  }
  for (int64_t p = 0; p < c_.n_kv_heads; ++p) {
    float* head = s_.k + (row * c_.n_kv_heads + p) * c_.head_dim;
    if (w.k_norm) k_.rms_norm(head, w.k_norm, c_.head_dim, c_.rms_eps, head);
    Rotate(head, row);
  }
}

/// Rotates pairs (j, j + n_rot/2), or adjacent ones; the other dimensions pass through.
void Transformer::Rotate(float* head, int64_t row) const {
  const int64_t n_pairs = c_.n_rot / 2;
  const float* cosines = s_.rope_cos + row * n_pairs;
  const float* sines = s_.rope_sin + row * n_pairs;
  const int64_t step = c_.rope_adjacent ? 2 : 1;
  const int64_t distance = c_.rope_adjacent ? 1 : n_pairs;
  for (int64_t j = 0; j < n_pairs; ++j) {
    const float a = head[j * step], b = head[j * step + distance];
    head[j * step] = a * cosines[j] - b * sines[j];
    head[j * step + distance] = a * sines[j] + b * cosines[j];
  }
}

void Transformer::StoreKeyValue(const LayerWeights& layer, int64_t row) {
  const RowRef& ref = s_.rows[row];
  const Slice& slice = slices_[static_cast<size_t>(ref.slice)];
  const int32_t page = slice.pages[static_cast<size_t>(ref.position / kPageTokens)];
  const int64_t offset = ref.position % kPageTokens * c_.head_dim;
  for (int64_t p = 0; p < c_.n_kv_heads; ++p) {
    const int64_t head = (row * c_.n_kv_heads + p) * c_.head_dim;
    uint8_t* keys = cache_.Keys(layer.kind_index, page, p);
    uint8_t* values = cache_.Values(layer.kind_index, page, p);
    if (cache_.kv_type() == KvType::kF16) {
      k_.to_half(s_.k + head, c_.head_dim, reinterpret_cast<uint16_t*>(keys) + offset);
      k_.to_half(s_.v + head, c_.head_dim, reinterpret_cast<uint16_t*>(values) + offset);
    } else {
      const size_t n_bytes = static_cast<size_t>(c_.head_dim) * sizeof(float);
      std::memcpy(reinterpret_cast<float*>(keys) + offset, s_.k + head, n_bytes);
      std::memcpy(reinterpret_cast<float*>(values) + offset, s_.v + head, n_bytes);
    }
  }
}

/// One row's query heads of one KV head, over the pages of its sequence in order.
void Transformer::Attend(const LayerWeights& layer, int64_t row, int64_t kv_head) {
  const RowRef& ref = s_.rows[row];
  const Slice& slice = slices_[static_cast<size_t>(ref.slice)];
  const int64_t group = c_.n_heads / c_.n_kv_heads, first = kv_head * group;
  const int64_t q_stride = c_.head_dim * (c_.gated_attention ? 2 : 1);
  const float scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
  const float* q = s_.q + (row * c_.n_heads + first) * q_stride;
  float* out = s_.o.row(row) + first * c_.head_dim;
  const AttentionState state{s_.head_max + row * c_.n_heads + first,
                             s_.head_sum + row * c_.n_heads + first, out};
  std::fill_n(state.max, group, -std::numeric_limits<float>::infinity());
  std::fill_n(state.sum, group, 0.0f);
  std::fill_n(out, group * c_.head_dim, 0.0f);
  for (int64_t begin = 0; begin <= ref.position; begin += kPageTokens) {
    const int32_t page = slice.pages[static_cast<size_t>(begin / kPageTokens)];
    const int64_t n = std::min<int64_t>(kPageTokens, ref.position + 1 - begin);
    k_.attend_page(q, q_stride, static_cast<int>(group), c_.head_dim,
                   cache_.Keys(layer.kind_index, page, kv_head),
                   cache_.Values(layer.kind_index, page, kv_head), cache_.kv_type(),
                   static_cast<int>(n), scale, state);
  }
  for (int64_t p = 0; p < group; ++p) {
    float* head = out + p * c_.head_dim;
    for (int64_t i = 0; i < c_.head_dim; ++i) head[i] /= state.sum[p];
    if (c_.gated_attention) k_.sigmoid_mul(q + p * q_stride + c_.head_dim, c_.head_dim, head);
  }
  Quantize(s_.o, row, first * c_.head_dim, group * c_.head_dim);
}

}  // namespace weir
