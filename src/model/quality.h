// How well a model predicts a text, and how far its predictions are from those of another model
// (docs/quality.md).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "model/session.h"
#include "util/error.h"

namespace weir {

/// What of a text is scored: its tokens are cut into consecutive windows, each evaluated from an
/// empty context, and the last partial one is dropped. Of a window, token `score_from` and those
/// after it are scored, each given all before it in the window.
struct Scoring {
  int64_t window = 512;     // at least 2
  int64_t max_windows = 0;  // 0: all
  int64_t score_from = 1;   // 1 to window - 1; half a window leaves every token a long context
};

/// A mean over all scored tokens with its standard error. Windows, not tokens, count as
/// independent: what is hard to predict comes in stretches. No error with fewer than two windows.
struct Mean {
  double value = 0;
  std::optional<double> error;
};

struct Perplexity {
  int64_t n_windows = 0, n_tokens = 0;  // windows, scored tokens
  Mean nll;                             // -log of the probability of a token, nats
  Mean ppl() const;                     // exp(nll)
};

struct Divergence {
  Perplexity model, reference;
  Mean kl;  // of the model's distribution from the reference's, nats
  double kl_median = 0, kl_p99 = 0, kl_max = 0;
  Mean same_top;           // share of tokens at which both think the same one likeliest
  Mean ln_ratio;           // nll of the model - nll of the reference, paired
  Mean ppl_ratio() const;  // exp(ln_ratio)
};

struct Watch {
  std::function<bool()> stop;                                 // asked between chunks
  std::function<void(int64_t done, int64_t total)> progress;  // in windows
};

/// kBadInput if the text has fewer tokens than one window; kFailed if logits are not finite. Token
/// ids must be in [0, n_vocab), and the session have room for a window.
Result<Perplexity> MeasurePerplexity(Session& session, std::span<const int32_t> tokens,
                                     int64_t n_vocab, const Scoring& scoring, const Watch& watch);

/// The same for two models of the same vocabulary, side by side, chunk by chunk: no distribution is
/// kept. The sessions take chunks of the same size.
Result<Divergence> MeasureDivergence(Session& model, Session& reference,
                                     std::span<const int32_t> tokens, int64_t n_vocab,
                                     const Scoring& scoring, ThreadPool& threads,
                                     const Watch& watch);

}  // namespace weir
