// Feed-forward: SwiGLU, dense or as a mixture of experts with one shared expert (spec 5.4).
#include <algorithm>
#include <cmath>

#include "model/transformer.h"

namespace weir {

void Transformer::Ffn(const FfnWeights& w) {
  const int64_t n_ff = w.gate.n_rows;
  s_.f.n_cols = n_ff;
  Project(s_.h, {{w.gate, s_.gate}, {w.up, s_.up}});
  Enter(StepPart::kActivation);
  ForRows(n_rows_, [&](int64_t row) {
    k_.silu_mul(s_.gate + row * n_ff, s_.up + row * n_ff, n_ff, s_.f.row(row));
    Quantize(s_.f, row, 0, n_ff);
  });
  Project(s_.f, {{w.down, s_.y}});
  AddToResidual(s_.y);
}

/// Each row's experts are added to its residual in ascending order, then the shared expert: the sum of a row
/// does not depend on which rows share the step.
void Transformer::Moe(const MoeWeights& w) {
  Route(w);
  for (int64_t e = 0; e < c_.n_experts; ++e) {
    Enter(StepPart::kRouting);
    int64_t n_picked = 0;
    for (int64_t row = 0; row < n_rows_; ++row) {
      const int32_t* ids = s_.expert_ids + row * c_.n_experts_used;
      const int32_t* found = std::find(ids, ids + c_.n_experts_used, e);
      if (found == ids + c_.n_experts_used) continue;
      s_.picked_rows[n_picked] = static_cast<int32_t>(row);
      s_.picked_weights[n_picked++] =
          s_.expert_weights[row * c_.n_experts_used + (found - ids)];
    }
    if (n_picked == 0) continue;
    ++n_experts_run_;
    Expert(w.experts[static_cast<size_t>(e)],
           {s_.picked_rows, static_cast<size_t>(n_picked)}, s_.picked_weights);
  }
  for (int64_t row = 0; row < n_rows_; ++row) s_.picked_rows[row] = static_cast<int32_t>(row);
  Project(s_.h, {{w.shared_gate, s_.shared_gate}});
  Enter(StepPart::kRouting);
  for (int64_t row = 0; row < n_rows_; ++row) {
    s_.shared_gate[row] = 1.0f / (1.0f + std::exp(-s_.shared_gate[row]));
  }
  Expert(w.shared, {s_.picked_rows, static_cast<size_t>(n_rows_)}, s_.shared_gate);
}

/// The most probable experts of each row (ties: the lower index), their weights renormalised to sum 1.
void Transformer::Route(const MoeWeights& w) {
  Project(s_.h, {{w.router, s_.router}});
  Enter(StepPart::kRouting);
  ForRows(n_rows_, [&](int64_t row) {
    const float* logits = s_.router + row * c_.n_experts;
    int32_t* ids = s_.expert_ids + row * c_.n_experts_used;
    float* weights = s_.expert_weights + row * c_.n_experts_used;
    int64_t n = 0;  // ids[0, n) hold the best so far, best first
    for (int64_t e = 0; e < c_.n_experts; ++e) {
      int64_t place = n;
      while (place > 0 && logits[e] > logits[ids[place - 1]]) --place;
      if (place == c_.n_experts_used) continue;
      n = std::min(n + 1, c_.n_experts_used);
      std::copy_backward(ids + place, ids + n - 1, ids + n);
      ids[place] = static_cast<int32_t>(e);
    }
    // The softmax over all experts, renormalised over the chosen, is the softmax over the chosen.
    const float largest = logits[ids[0]];
    std::sort(ids, ids + n);
    float total = 0;
    for (int64_t i = 0; i < n; ++i) total += weights[i] = std::exp(logits[ids[i]] - largest);
    for (int64_t i = 0; i < n; ++i) weights[i] /= total;
  });
}

/// residual[picked] += factor * down(silu(gate h) * up h).
void Transformer::Expert(const FfnWeights& w, std::span<const int32_t> picked,
                         const float* factors) {
  const int64_t n_ff = w.gate.n_rows, n_picked = static_cast<int64_t>(picked.size());
  s_.f.n_cols = n_ff;
  ProjectRows(s_.h, n_picked, picked.data(), {{w.gate, s_.gate}, {w.up, s_.up}});
  Enter(StepPart::kActivation);
  ForRows(n_picked, [&](int64_t i) {
    k_.silu_mul(s_.gate + i * n_ff, s_.up + i * n_ff, n_ff, s_.f.row(i));
    Quantize(s_.f, i, 0, n_ff);
  });
  ProjectRows(s_.f, n_picked, nullptr, {{w.down, s_.y}});
  Enter(StepPart::kResidual);
  ForRows(n_picked, [&](int64_t i) {
    k_.add_scaled(s_.y + i * c_.n_embd, factors[i], c_.n_embd,
                  s_.x + picked[static_cast<size_t>(i)] * c_.n_embd);
  });
}

}  // namespace weir
