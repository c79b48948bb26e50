#include "model/session.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/workspace.h"

namespace weir {
namespace {

/// -log softmax(logits)[token].
double NegativeLogLikelihood(std::span<const float> logits, int32_t token) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Open(const Model& model, int64_t max_tokens,
                                               int64_t max_chunk, ThreadPool& threads,
                                               int64_t available_bytes) {
  const ModelConfig& config = model.config();
  if (max_tokens > config.context_length) {
    return BadInput("{} tokens are more than the model's context of {}", max_tokens,
                    config.context_length);
  }
  std::unique_ptr<Session> session(new Session(model, threads));
  session->max_tokens_ = max_tokens;
  session->max_chunk_ = std::min(max_chunk, max_tokens);
  const int64_t n_pages = (max_tokens + kPageTokens - 1) / kPageTokens;
  const int64_t n_bytes =
      n_pages * kPageTokens * KvBytesPerToken(config, model.kv_type()) +
      StateBytesPerSequence(config) +
      Model::WorkspaceBytes(config, model.dtype(), session->max_chunk_, session->max_chunk_);
  if (n_bytes > available_bytes) {
    return Refused("a context of {} tokens needs {} bytes beside the model, {} are available",
                   max_tokens, n_bytes, available_bytes);
  }
  WEIR_TRY(session->cache_, Cache::Allocate(config, model.kv_type(), n_pages, 1));
  WEIR_TRY(session->workspace_, model.MakeWorkspace(session->max_chunk_, session->max_chunk_));
  session->pages_.resize(static_cast<size_t>(n_pages));
  std::iota(session->pages_.begin(), session->pages_.end(), 0);
  return session;
}

Session::Session(const Model& model, ThreadPool& threads) : model_(model), threads_(threads) {}
Session::~Session() = default;

const float* Session::Feed(std::span<const int32_t> tokens, int64_t n_logits) {
  WEIR_CHECK(position_ + static_cast<int64_t>(tokens.size()) <= max_tokens_);
  const Slice slice{tokens, position_, pages_, 0, static_cast<int32_t>(n_logits)};
  position_ += static_cast<int64_t>(tokens.size());
  return model_.Forward({&slice, 1}, cache_, *workspace_, threads_, nullptr);
}

int32_t ArgMax(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double Perplexity::ppl() const { return std::exp(nll); }

Result<Perplexity> MeasurePerplexity(Session& session, std::span<const int32_t> tokens,
                                     int64_t n_vocab, int64_t window, int64_t max_windows,
                                     bool (*stop)(),
                                     void (*progress)(void* context, int64_t done, int64_t total),
                                     void* context) {
  Perplexity result;
  const int64_t n_whole = static_cast<int64_t>(tokens.size()) / window;
  if (n_whole == 0) {
    return BadInput("the text has {} tokens, fewer than one window of {}", tokens.size(), window);
  }
  result.n_windows = max_windows > 0 ? std::min(max_windows, n_whole) : n_whole;
  double total = 0;
  for (int64_t w = 0; w < result.n_windows; ++w) {
    if (stop && stop()) return Error{ErrorCode::kInterrupted, "interrupted", {}};
    if (progress) progress(context, w, result.n_windows);
    session.Reset();
    const auto text = tokens.subspan(static_cast<size_t>(w * window), static_cast<size_t>(window));
    for (int64_t begin = 0; begin + 1 < window;) {
      // The last token is only ever predicted.
      const int64_t n = std::min(session.max_chunk(), window - 1 - begin);
      const float* logits =
          session.Feed(text.subspan(static_cast<size_t>(begin), static_cast<size_t>(n)), n);
      for (int64_t i = 0; i < n; ++i) {
        total += NegativeLogLikelihood({logits + i * n_vocab, static_cast<size_t>(n_vocab)},
                                       text[static_cast<size_t>(begin + i + 1)]);
      }
      begin += n;
    }
  }
  result.n_tokens = result.n_windows * (window - 1);
  result.nll = total / static_cast<double>(result.n_tokens);
  return result;
}

}  // namespace weir
