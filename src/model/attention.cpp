// Full attention: grouped queries, optional q/k norms and output gate, rotary positions, paged keys and
// values (spec 5.2, 5.3, 8).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/transformer.h"

namespace weir {
namespace {

constexpr int64_t kMaxGroup = 16;  // query heads per call of attend_page

}  // namespace

void Transformer::Attention(const LayerWeights& layer) {
  const AttentionWeights& w = layer.attention;
  const int64_t q_width = c_.n_heads * c_.head_dim * (c_.gated_attention ? 2 : 1);
  const int64_t kv_width = c_.n_kv_heads * c_.head_dim;
  Project(w.q, s_.h, s_.q, q_width);
  Project(w.k, s_.h, s_.k, kv_width);
  Project(w.v, s_.h, s_.v, kv_width);
  AddBias(w.q_bias, q_width, s_.q);
  AddBias(w.k_bias, kv_width, s_.k);
  AddBias(w.v_bias, kv_width, s_.v);
  ForRows(n_rows_, [&](int64_t row) {
    PrepareHeads(w, row);
    StoreKeyValue(layer, row);
  });
  s_.o.n_cols = c_.n_heads * c_.head_dim;
  ForRows(n_rows_ * c_.n_kv_heads, [&](int64_t item) {
    Attend(layer, item / c_.n_kv_heads, item % c_.n_kv_heads);
  });
  Quantize(s_.o, n_rows_);
  Project(w.out, s_.o, s_.y, c_.n_embd);
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
  const int64_t group = c_.n_heads / c_.n_kv_heads;
  const int64_t q_stride = c_.head_dim * (c_.gated_attention ? 2 : 1);
  const float scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
  for (int64_t first = kv_head * group; first < (kv_head + 1) * group; first += kMaxGroup) {
    const int64_t n_heads = std::min(kMaxGroup, (kv_head + 1) * group - first);
    const float* q = s_.q + (row * c_.n_heads + first) * q_stride;
    float* out = s_.o.row(row) + first * c_.head_dim;
    const AttentionState state{s_.head_max + row * c_.n_heads + first,
                               s_.head_sum + row * c_.n_heads + first, out};
    std::fill_n(state.max, n_heads, -std::numeric_limits<float>::infinity());
    std::fill_n(state.sum, n_heads, 0.0f);
    std::fill_n(out, n_heads * c_.head_dim, 0.0f);
    for (int64_t begin = 0; begin <= ref.position; begin += kPageTokens) {
      const int32_t page = slice.pages[static_cast<size_t>(begin / kPageTokens)];
      const int64_t n = std::min<int64_t>(kPageTokens, ref.position + 1 - begin);
      k_.attend_page(q, q_stride, static_cast<int>(n_heads), c_.head_dim,
                     cache_.Keys(layer.kind_index, page, kv_head),
                     cache_.Values(layer.kind_index, page, kv_head), cache_.kv_type(),
                     static_cast<int>(n), scale, state);
    }
    for (int64_t p = 0; p < n_heads; ++p) {
      float* head = out + p * c_.head_dim;
      for (int64_t i = 0; i < c_.head_dim; ++i) head[i] /= state.sum[p];
      if (c_.gated_attention) k_.sigmoid_mul(q + p * q_stride + c_.head_dim, c_.head_dim, head);
    }
  }
}

}  // namespace weir
