#include "model/session.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/workspace.h"

namespace weir {
namespace {

int64_t Pages(int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

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

}  // namespace weir
