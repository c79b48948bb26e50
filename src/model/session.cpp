#include "model/session.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/workspace.h"

namespace weir {
namespace {

int64_t Pages(int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

/// -log softmax(logits)[token].
double NegativeLogLikelihood(std::span<const float> logits, int32_t token) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

}  // namespace

Result<int64_t> Session::Plan(const ModelConfig& config, Dtype dtype, KvType kv_type,
                              int64_t max_tokens, int64_t max_chunk) {
  if (max_tokens > config.context_length) {
    return BadInput("{} tokens are more than the model's context of {}", max_tokens,
                    config.context_length);
  }
  const int64_t n_rows = std::min(max_chunk, max_tokens);
  return Pages(max_tokens) * kPageTokens * KvBytesPerToken(config, kv_type) +
         StateBytesPerSequence(config) + Model::WorkspaceBytes(config, dtype, n_rows, n_rows);
}

Result<std::unique_ptr<Session>> Session::Open(const Model& model, KvType kv_type,
                                               int64_t max_tokens, int64_t max_chunk,
                                               ThreadPool& threads) {
  WEIR_RETURN_IF_ERROR(Plan(model.config(), model.dtype(), kv_type, max_tokens, max_chunk));
  std::unique_ptr<Session> session(new Session(model, threads));
  session->max_tokens_ = max_tokens;
  session->max_chunk_ = std::min(max_chunk, max_tokens);
  const int64_t n_pages = Pages(max_tokens);
  WEIR_TRY(session->cache_, Cache::Allocate(model.config(), kv_type, n_pages, 1));
  WEIR_TRY(session->workspace_, model.MakeWorkspace(session->max_chunk_, session->max_chunk_));
  session->pages_.resize(static_cast<size_t>(n_pages));
  std::iota(session->pages_.begin(), session->pages_.end(), 0);
  return session;
}

Session::Session(const Model& model, ThreadPool& threads) : model_(model), threads_(threads) {}
Session::~Session() = default;

void Session::Watch(InputObserver* observer) { workspace_->observer = observer; }

const float* Session::Feed(std::span<const int32_t> tokens, int64_t n_logits) {
  WEIR_CHECK(position_ + static_cast<int64_t>(tokens.size()) <= max_tokens_);
  const Slice slice{tokens, position_, pages_, 0, static_cast<int32_t>(n_logits)};
  position_ += static_cast<int64_t>(tokens.size());
  return model_.Forward({&slice, 1}, cache_, *workspace_, threads_, nullptr);
}

int32_t ArgMax(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

Status CheckFinite(std::span<const float> logits, int64_t position) {
  if (std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) return {};
  return WithHint(Failed("the logits at position {} are not finite numbers", position),
                  "the file is damaged, or its weights are too large for float32");
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
    if (progress) progress(context, w, result.n_windows);
    session.Reset();
    const auto text = tokens.subspan(static_cast<size_t>(w * window), static_cast<size_t>(window));
    for (int64_t begin = 0; begin + 1 < window;) {
      if (stop && stop()) return Error{ErrorCode::kInterrupted, "interrupted", {}};
      // The last token is only ever predicted.
      const int64_t n = std::min(session.max_chunk(), window - 1 - begin);
      const float* logits =
          session.Feed(text.subspan(static_cast<size_t>(begin), static_cast<size_t>(n)), n);
      for (int64_t i = 0; i < n; ++i) {
        const std::span row(logits + i * n_vocab, static_cast<size_t>(n_vocab));
        WEIR_RETURN_IF_ERROR(CheckFinite(row, w * window + begin + i));
        total += NegativeLogLikelihood(row, text[static_cast<size_t>(begin + i + 1)]);
      }
      begin += n;
    }
  }
  result.n_tokens = result.n_windows * (window - 1);
  result.nll = total / static_cast<double>(result.n_tokens);
  return result;
}

}  // namespace weir
