// Gated DeltaNet: a short convolution, then one matrix-valued state per value head that every token decays,
// corrects and reads (spec 6). The recurrent form runs for every token: it depends on tokens and their
// order only, whatever chunks a prompt is cut into, and a head's 64 KB state stays in L2 over a chunk.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/transformer.h"

namespace weir {
namespace {

// Tokens that a head's state takes at a time. Their q, k and v lie a whole row of the convolution apart, often a
// multiple of 4 KB, and more of them would push each other out of the caches.
constexpr int64_t kRecurTokens = 32;

float Softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }
float Sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

}  // namespace

void Transformer::GatedDeltaNet(const LayerWeights& layer) {
  const DeltaNetWeights& w = layer.delta_net;
  Project(s_.h, {{w.qkv, s_.mixed}, {w.gate, s_.z}, {w.alpha, s_.alpha}, {w.beta, s_.beta}});
  Enter(StepPart::kConvolution);
  ForRows(n_rows_, [&](int64_t row) { Convolve(layer, row); });

  s_.o.n_cols = c_.value_dim();
  const int64_t n_slices = static_cast<int64_t>(slices_.size());
  Enter(StepPart::kDeltaRule);
  ForRows(n_slices * c_.n_value_heads, [&](int64_t item) {
    Recur(layer, item / c_.n_value_heads, item % c_.n_value_heads);
  });
  Enter(StepPart::kConvolution);
  ForRows(n_slices, [&](int64_t slice_index) {
    const Slice& slice = slices_[static_cast<size_t>(slice_index)];
    // Snapshots first: they need the inputs before the slice, which the last call replaces.
    for (const Snapshot& snapshot : slice.snapshots) {
      KeepConvInputs(layer, slice_index, snapshot.n_tokens, snapshot.slot);
    }
    KeepConvInputs(layer, slice_index, static_cast<int64_t>(slice.tokens.size()), slice.slot);
  });
  Project(s_.o, {{w.out, s_.y}});
  AddToResidual(s_.y);
}

/// Convolution, l2 norms of the q and k heads, and the two gates of a row.
void Transformer::Convolve(const LayerWeights& layer, int64_t row) {
  const DeltaNetWeights& w = layer.delta_net;
  const RowRef& ref = s_.rows[row];
  const int64_t n = c_.conv_dim();
  const float* kept = cache_.Conv(layer.kind_index, slices_[static_cast<size_t>(ref.slice)].slot);
  const float* inputs[4];
  for (int64_t tap = 0; tap < 4; ++tap) {
    const bool in_slice = ref.token - 3 + tap >= 0;
    inputs[tap] = in_slice ? s_.mixed + (row - 3 + tap) * n : kept + (ref.position + tap) % 3 * n;
  }
  float* out = s_.conv + row * s_.conv_stride;
  k_.conv_silu(w.conv, inputs, n, out);
  const float query_scale = 1.0f / std::sqrt(static_cast<float>(c_.linear_dim));
  for (int64_t head = 0; head < c_.n_key_heads; ++head) {
    k_.l2_norm(out + head * c_.linear_dim, c_.linear_dim, c_.rms_eps, query_scale);
    k_.l2_norm(out + c_.key_dim() + head * c_.linear_dim, c_.linear_dim, c_.rms_eps, 1.0f);
  }
  float* alpha = s_.alpha + row * c_.n_value_heads;
  float* beta = s_.beta + row * c_.n_value_heads;
  for (int64_t head = 0; head < c_.n_value_heads; ++head) {
    alpha[head] = std::exp(w.a[head] * Softplus(alpha[head] + w.dt_bias[head]));
    beta[head] = Sigmoid(beta[head]);
  }
}

/// The last three inputs of the convolution after n_tokens of a slice, into `slot`, for the tokens that follow.
void Transformer::KeepConvInputs(const LayerWeights& layer, int64_t slice_index, int64_t n_tokens,
                                 int32_t slot) {
  const Slice& slice = slices_[static_cast<size_t>(slice_index)];
  const int64_t first_row = s_.slice_rows[slice_index];
  const int64_t n = c_.conv_dim();
  const size_t n_bytes = static_cast<size_t>(n) * sizeof(float);
  const float* before = cache_.Conv(layer.kind_index, slice.slot);
  float* kept = cache_.Conv(layer.kind_index, slot);
  for (int64_t token = n_tokens - 3; token < n_tokens; ++token) {
    const int64_t row = (slice.position + token + 3) % 3;
    if (token >= 0) {
      std::memcpy(kept + row * n, s_.mixed + (first_row + token) * n, n_bytes);
    } else if (slot != slice.slot) {
      std::memcpy(kept + row * n, before + row * n, n_bytes);
    }
  }
}

/// All tokens of a slice through the state of one value head; value head h shares key head h mod n_key_heads.
void Transformer::Recur(const LayerWeights& layer, int64_t slice_index, int64_t head) {
  const Slice& slice = slices_[static_cast<size_t>(slice_index)];
  const int64_t first_row = s_.slice_rows[slice_index];
  const int64_t dim = c_.linear_dim;
  float* state = cache_.Delta(layer.kind_index, slice.slot) + head * dim * dim;
  const int64_t key_head = head % c_.n_key_heads;
  const int64_t end_row = first_row + static_cast<int64_t>(slice.tokens.size());
  auto snapshot = slice.snapshots.begin();
  for (int64_t row = first_row, next_row; row < end_row; row = next_row) {
    next_row = std::min(row + kRecurTokens, end_row);
    const bool some_left = snapshot != slice.snapshots.end();
    if (some_left) next_row = std::min(next_row, first_row + snapshot->n_tokens);
    const float* u = s_.conv + row * s_.conv_stride;
    const DeltaTokens tokens{.q = u + key_head * dim,
                             .k = u + c_.key_dim() + key_head * dim,
                             .v = u + 2 * c_.key_dim() + head * dim,
                             .stride = s_.conv_stride,
                             .decay = s_.alpha + row * c_.n_value_heads + head,
                             .beta = s_.beta + row * c_.n_value_heads + head,
                             .gate_stride = c_.n_value_heads,
                             .out = s_.o.row(row) + head * dim,
                             .out_stride = s_.o.n_cols,
                             .n_tokens = next_row - row};
    k_.delta_rule(state, tokens, dim);
    if (some_left && next_row == first_row + snapshot->n_tokens) {
      float* kept = cache_.Delta(layer.kind_index, snapshot->slot) + head * dim * dim;
      std::memcpy(kept, state, static_cast<size_t>(dim * dim) * sizeof(float));
      ++snapshot;
    }
  }
  for (int64_t row = first_row; row < end_row; ++row) {
    float* out = s_.o.row(row) + head * dim;
    k_.rms_norm(out, layer.delta_net.norm, dim, c_.rms_eps, out);
    k_.silu_mul(s_.z + row * c_.value_dim() + head * dim, out, dim, out);
    Quantize(s_.o, row, head * dim, dim);
  }
}

}  // namespace weir
