#include "model/quality.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace weir {
namespace {

using Row = std::span<const float>;  // logits: [n_vocab]

/// log(sum of exp(logits)).
double LogSum(Row logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

/// What one scored token adds to the figures of two models.
struct Comparison {
  double nll = 0, reference_nll = 0, kl = 0;
  bool same_top = false;
};

Comparison Compare(Row logits, Row reference, int32_t token) {
  const double log_sum = LogSum(logits), reference_log_sum = LogSum(reference);
  double kl = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - reference_log_sum;
    kl += std::exp(log_p) * (log_p - (static_cast<double>(logits[i]) - log_sum));
  }
  const size_t id = static_cast<size_t>(token);
  // Rounding can leave a sum of nothing a little below zero.
  return {log_sum - static_cast<double>(logits[id]),
          reference_log_sum - static_cast<double>(reference[id]), std::max(kl, 0.0),
          ArgMax(logits) == ArgMax(reference)};
}

/// Values of scored tokens, in the order of the text; all windows have equally many.
Mean MeanOf(std::span<const double> values, int64_t n_windows) {
  const size_t n = values.size() / static_cast<size_t>(n_windows);
  std::vector<double> means;
  double total = 0;
  for (size_t begin = 0; begin < values.size(); begin += n) {
    double sum = 0;
    for (size_t i = begin; i < begin + n; ++i) sum += values[i];
    means.push_back(sum / static_cast<double>(n));
    total += sum;
  }
  Mean mean{total / static_cast<double>(values.size()), std::nullopt};
  if (n_windows < 2) return mean;
  double squares = 0;
  for (const double x : means) squares += (x - mean.value) * (x - mean.value);
  mean.error = std::sqrt(squares / static_cast<double>(n_windows * (n_windows - 1)));
  return mean;
}

/// exp of a mean; its error to first order.
Mean Exp(const Mean& mean) {
  const double value = std::exp(mean.value);
  return {value, mean.error ? std::optional(value * *mean.error) : std::nullopt};
}

/// Between neighbours in order, as most programs interpolate.
double Quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// Walks through the windows of a text with one or two models.
class Walk {
 public:
  Walk(std::span<Session* const> sessions, std::span<const int32_t> tokens, int64_t n_vocab,
       const Scoring& scoring, const Watch& watch)
      : sessions_(sessions), tokens_(tokens), n_vocab_(n_vocab), scoring_(scoring), watch_(watch) {}

  int64_t n_windows() const {
    const int64_t n_whole = static_cast<int64_t>(tokens_.size()) / scoring_.window;
    return scoring_.max_windows > 0 ? std::min(scoring_.max_windows, n_whole) : n_whole;
  }

  /// Calls score(rows, next) for each chunk with scored tokens: next[i], the token after position
  /// i, is predicted by the logits rows[session] + i * n_vocab.
  template <class Score>
  Status Run(const Score& score) {
    if (n_windows() == 0) {
      return BadInput("the text has {} tokens, fewer than one window of {}", tokens_.size(),
                      scoring_.window);
    }
    for (int64_t w = 0; w < n_windows(); ++w) {
      if (watch_.progress) watch_.progress(w, n_windows());
      for (Session* session : sessions_) session->Reset();
      WEIR_RETURN_IF_ERROR(RunWindow(w * scoring_.window, score));
    }
    return {};
  }

 private:
  template <class Score>
  Status RunWindow(int64_t first, const Score& score) {
    // The last token is only ever predicted.
    const int64_t n_fed = scoring_.window - 1;
    for (int64_t begin = 0, end; begin < n_fed; begin = end) {
      if (watch_.stop && watch_.stop()) return Error{ErrorCode::kInterrupted, "interrupted", {}};
      end = std::min(begin + sessions_[0]->max_chunk(), n_fed);
      const int64_t n_rows = std::clamp<int64_t>(end - (scoring_.score_from - 1), 0, end - begin);
      const float* rows[2] = {};
      for (size_t s = 0; s < sessions_.size(); ++s) {
        rows[s] = sessions_[s]->Feed(Tokens(first + begin, end - begin), n_rows);
        for (int64_t i = 0; i < n_rows; ++i) {
          WEIR_RETURN_IF_ERROR(CheckFinite({rows[s] + i * n_vocab_, static_cast<size_t>(n_vocab_)},
                                           first + end - n_rows + i));
        }
      }
      if (n_rows > 0) score(rows, Tokens(first + end - n_rows + 1, n_rows));
    }
    return {};
  }

  std::span<const int32_t> Tokens(int64_t begin, int64_t n) const {
    return tokens_.subspan(static_cast<size_t>(begin), static_cast<size_t>(n));
  }

  std::span<Session* const> sessions_;
  std::span<const int32_t> tokens_;
  int64_t n_vocab_;
  const Scoring& scoring_;
  const Watch& watch_;
};

Divergence Summarise(std::span<const Comparison> rows, int64_t n_windows) {
  const auto mean_of = [&](auto field) {
    std::vector<double> values;
    for (const Comparison& row : rows) values.push_back(field(row));
    return MeanOf(values, n_windows);
  };
  Divergence result;
  const int64_t n_tokens = static_cast<int64_t>(rows.size());
  result.model = {n_windows, n_tokens, mean_of([](const Comparison& row) { return row.nll; })};
  result.reference = {n_windows, n_tokens,
                      mean_of([](const Comparison& row) { return row.reference_nll; })};
  result.ln_ratio = mean_of([](const Comparison& row) { return row.nll - row.reference_nll; });
  result.kl = mean_of([](const Comparison& row) { return row.kl; });
  result.same_top = mean_of([](const Comparison& row) { return row.same_top ? 1.0 : 0.0; });
  std::vector<double> sorted;
  for (const Comparison& row : rows) sorted.push_back(row.kl);
  std::sort(sorted.begin(), sorted.end());
  result.kl_median = Quantile(sorted, 0.5);
  result.kl_p99 = Quantile(sorted, 0.99);
  result.kl_max = sorted.back();
  return result;
}

}  // namespace

Mean Perplexity::ppl() const { return Exp(nll); }
Mean Divergence::ppl_ratio() const { return Exp(ln_ratio); }

Result<Perplexity> MeasurePerplexity(Session& session, std::span<const int32_t> tokens,
                                     int64_t n_vocab, const Scoring& scoring, const Watch& watch) {
  Session* const sessions[] = {&session};
  Walk walk(sessions, tokens, n_vocab, scoring, watch);
  std::vector<double> nll;
  WEIR_RETURN_IF_ERROR(walk.Run([&](const float* const* rows, std::span<const int32_t> next) {
    for (size_t i = 0; i < next.size(); ++i) {
      const Row row(rows[0] + static_cast<int64_t>(i) * n_vocab, static_cast<size_t>(n_vocab));
      nll.push_back(LogSum(row) - static_cast<double>(row[static_cast<size_t>(next[i])]));
    }
  }));
  return Perplexity{walk.n_windows(), static_cast<int64_t>(nll.size()),
                    MeanOf(nll, walk.n_windows())};
}

Result<Divergence> MeasureDivergence(Session& model, Session& reference,
                                     std::span<const int32_t> tokens, int64_t n_vocab,
                                     const Scoring& scoring, ThreadPool& threads,
                                     const Watch& watch) {
  WEIR_CHECK(model.max_chunk() == reference.max_chunk());
  Session* const sessions[] = {&model, &reference};
  Walk walk(sessions, tokens, n_vocab, scoring, watch);
  std::vector<Comparison> all;
  WEIR_RETURN_IF_ERROR(walk.Run([&](const float* const* rows, std::span<const int32_t> next) {
    const size_t first = all.size();
    all.resize(first + next.size());
    const auto row_of = [&](int64_t session, int64_t i) {
      return Row(rows[session] + i * n_vocab, static_cast<size_t>(n_vocab));
    };
    threads.ParallelFor(static_cast<int64_t>(next.size()), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const size_t at = static_cast<size_t>(i);
        all[first + at] = Compare(row_of(0, i), row_of(1, i), next[at]);
      }
    });
  }));
  return Summarise(all, walk.n_windows());
}

}  // namespace weir
