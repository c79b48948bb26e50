#include "model/transformer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "util/clock.h"

namespace weir {
namespace {

// Tiles handed to a thread at a time: small enough that two threads end together, large enough that a
// hand-out (some 50 ns) is lost in the work.
constexpr int64_t kTileGrain = 8;

}  // namespace

Transformer::Transformer(const ModelConfig& config, const Weights& weights,
                         const KernelTable& kernels, Dtype dtype,
                         std::span<const float> rope_frequencies, std::span<const Slice> slices,
                         Cache& cache, Model::Workspace& workspace, ThreadPool& threads,
                         StepProfiler* profiler)
    : c_(config),
      w_(weights),
      kernels_(kernels),
      k_(kernels.rows),
      sampling_(kernels.sampling),
      dtype_(dtype),
      rope_frequencies_(rope_frequencies),
      slices_(slices),
      cache_(cache),
      s_(workspace),
      threads_(threads),
      profiler_(profiler) {}

void Transformer::Forward() {
  Begin();
  Embed();
  for (const LayerWeights& layer : w_.layers) {
    Norm(s_.x, layer.mixer_norm, s_.h, n_rows_);
    if (layer.recurrent) {
      GatedDeltaNet(layer);
    } else {
      Attention(layer);
    }
    Norm(s_.x, layer.ffn_norm, s_.h, n_rows_);
    if (c_.n_experts > 0) {
      Moe(layer.moe);
    } else {
      Ffn(layer.ffn);
    }
  }
  LmHead();
}

/// Lists the rows, empties the state of sequences that start, and turns positions into rotations.
void Transformer::Begin() {
  Enter(StepPart::kPrepare);
  for (size_t i = 0; i < slices_.size(); ++i) {
    const Slice& slice = slices_[i];
    s_.slice_rows[i] = n_rows_;
    for (size_t t = 0; t < slice.tokens.size(); ++t) {
      s_.rows[n_rows_++] = {static_cast<int32_t>(i), static_cast<int32_t>(t),
                            slice.position + static_cast<int64_t>(t)};
    }
  }
  for (const Slice& slice : slices_) {
    if (slice.position > 0) continue;
    ForRows(c_.n_linear_layers(), [&](int64_t layer) { cache_.Clear(layer, slice.slot); });
  }
  if (c_.n_full_layers() > 0) PlanAttention();
  const int64_t n_pairs = c_.n_rot / 2;
  ForRows(n_rows_, [&](int64_t row) {
    for (int64_t j = 0; j < n_pairs; ++j) {
      const double angle = static_cast<double>(s_.rows[row].position) *
                           static_cast<double>(rope_frequencies_[static_cast<size_t>(j)]);
      s_.rope_cos[row * n_pairs + j] = static_cast<float>(std::cos(angle));
      s_.rope_sin[row * n_pairs + j] = static_cast<float>(std::sin(angle));
    }
  });
}

void Transformer::Embed() {
  ForRows(n_rows_, [&](int64_t row) {
    const RowRef& ref = s_.rows[row];
    const int32_t token =
        slices_[static_cast<size_t>(ref.slice)].tokens[static_cast<size_t>(ref.token)];
    UnpackRow(w_.token_embd, token, s_.x + row * c_.n_embd);
  });
}

/// Normed rows, quantised while they are in cache.
void Transformer::Norm(const float* x, Vector weight, ActivationRows& out, int64_t n_rows) {
  Enter(StepPart::kNorm);
  ForRows(n_rows, [&](int64_t row) {
    k_.rms_norm(x + row * c_.n_embd, weight, c_.n_embd, c_.rms_eps, out.row(row));
    Quantize(out, row, 0, c_.n_embd);
  });
}

/// The int8 form of n columns of a row: once per distinct input of the projections, by whoever has just made
/// those columns. Blocks stand alone, so heads can be quantised one by one.
void Transformer::Quantize(ActivationRows& rows, int64_t row, int64_t column, int64_t n) {
  if (dtype_ == Dtype::kF32 || n % kQuantBlock != 0) return;  // odd widths have float weights only
  const int64_t at = row * rows.n_cols + column;
  k_.quantize(rows.f32 + at, n, rows.q8 + at, rows.scale + at / kQuantBlock,
              rows.sum + at / kSumBlock);
}

/// Products of all rows of the step.
void Transformer::Project(const ActivationRows& x, std::initializer_list<Projection> projections) {
  ProjectRows(x, n_rows_, nullptr, projections);
}

/// Rows [0, n_rows) of x, or rows pick[0, n_rows): in the blocks that their products want.
Activations Transformer::Arrange(const ActivationRows& x, int64_t n_rows, const int32_t* pick,
                                 std::initializer_list<Projection> projections) {
  Activations a{n_rows, x.n_cols, x.f32, x.q8, x.scale, x.sum, pick};
  for (const Projection& p : projections) {
    a.block_rows = std::max(a.block_rows, kernels_.BlockRows(p.w.type, n_rows));
  }
  if (a.block_rows == 0) return a;
  const int64_t block_bytes = ActivationBlockBytes(x.n_cols, a.block_rows);
  ForRows((n_rows + a.block_rows - 1) / a.block_rows,
          [&](int64_t b) { ArrangeBlock(a, b, s_.blocks + b * block_bytes); });
  a.blocks = s_.blocks;
  return a;
}

/// Products of the first n_rows rows of x, or of rows pick[0, n_rows). The tiles of all matrices are one list,
/// so that threads meet once per input, not once per matrix.
void Transformer::ProjectRows(const ActivationRows& x, int64_t n_rows, const int32_t* pick,
                              std::initializer_list<Projection> projections) {
  if (s_.observer) s_.observer->Seen(x, n_rows, pick, projections);
  Enter(StepPart::kProjection);
  int64_t n_tiles = 0;
  for (const Projection& p : projections) {
    n_tiles += p.w.n_tiles();
    if (profiler_) profiler_->AddProjection(StepPart::kProjection, p.w, n_rows);
  }
  const Activations a = Arrange(x, n_rows, pick, projections);
  threads_.ParallelFor(n_tiles, kTileGrain, [&](int64_t begin, int64_t end, int) {
    int64_t first = 0;  // tile of the matrix at hand, in the list
    for (const Projection& p : projections) {
      const int64_t from = std::max(begin - first, int64_t{0});
      const int64_t to = std::min(end - first, p.w.n_tiles());
      if (from < to) {
        const int64_t begin_ns = profiler_ ? NowNs() : 0;
        n_tiles_.fetch_add(kernels_.mat_mul(p.w, from, to, a, p.y, p.w.n_rows),
                           std::memory_order_relaxed);
        if (profiler_) profiler_->AddProjectionTime(p.w.type, NowNs() - begin_ns);
      }
      first += p.w.n_tiles();
    }
  });
}

void Transformer::AddBias(Vector bias, int64_t n, float* rows) {
  if (!bias) return;
  Enter(StepPart::kResidual);
  ForRows(n_rows_, [&](int64_t row) { k_.add(bias, n, rows + row * n); });
}

void Transformer::AddToResidual(const float* y) {
  Enter(StepPart::kResidual);
  ForRows(n_rows_, [&](int64_t row) {
    k_.add(y + row * c_.n_embd, c_.n_embd, s_.x + row * c_.n_embd);
  });
}

void Transformer::LmHead() {
  Enter(StepPart::kPrepare);
  int64_t n_last = 0, row = 0;
  for (const Slice& slice : slices_) {
    row += static_cast<int64_t>(slice.tokens.size());
    for (int64_t i = row - slice.n_logits; i < row; ++i) {
      std::memcpy(s_.y + n_last++ * c_.n_embd, s_.x + i * c_.n_embd,
                  static_cast<size_t>(c_.n_embd) * sizeof(float));
    }
  }
  if (n_last == 0) return;
  Norm(s_.y, w_.output_norm, s_.last, n_last);
  if (s_.observer) s_.observer->Seen(s_.last, n_last, nullptr, {{w_.lm_head, s_.logits}});

  Enter(StepPart::kHead);
  if (profiler_) profiler_->AddProjection(StepPart::kHead, w_.lm_head, n_last);
  // By blocks, so that they are summarised while they are in cache.
  constexpr int64_t kBlockTiles = kLogitBlock / kTileRows;
  const int64_t n_blocks = LogitBlocks(c_.n_vocab);
  const Activations x = Arrange(s_.last, n_last, nullptr, {{w_.lm_head, s_.logits}});
  threads_.ParallelFor(n_blocks, 1, [&](int64_t b, int64_t, int) {
    const int64_t end = std::min((b + 1) * kBlockTiles, w_.lm_head.n_tiles());
    n_tiles_.fetch_add(kernels_.mat_mul(w_.lm_head, b * kBlockTiles, end, x, s_.logits, c_.n_vocab),
                       std::memory_order_relaxed);
    const int64_t first = b * kLogitBlock, n = std::min(kLogitBlock, c_.n_vocab - first);
    for (int64_t i = 0; i < n_last; ++i) {
      const float* block = s_.logits + i * c_.n_vocab + first;
      s_.logit_maxima[i * n_blocks + b] = k_.max(block, n);
      s_.logit_hashes[i * n_blocks + b] = sampling_.hash(block, n);
    }
  });
}

}  // namespace weir
