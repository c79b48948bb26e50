#include "engine/plan.h"

#include <algorithm>

#include "engine/scheduler.h"

namespace weir {
namespace {

Status CheckOption(const char* name, int64_t value, int64_t min, int64_t max) {
  if (value >= min && value <= max) return {};
  return BadInput("{}: expected {} to {}, found {}", name, min, max, value);
}

EnginePlan Measure(const ModelConfig& config, const ModelFootprint& footprint, Dtype dtype,
                   const EngineOptions& options) {
  EnginePlan plan;
  plan.options = options;
  plan.weights_bytes = footprint.packed_bytes;
  const KvType kv_type = options.kv_type.value_or(DefaultKvType(dtype));
  plan.kv_bytes = KvPages(options) * kPageTokens * KvBytesPerToken(config, kv_type);
  plan.state_bytes = Slots(options) * StateBytesPerSequence(config);
  plan.workspace_bytes =
      Model::WorkspaceBytes(config, dtype, MaxRows(options), MaxLogits(options)) +
      options.n_threads * SamplerScratch::Bytes(config.n_vocab);
  const int64_t most = options.n_checkpoints * StateBytesPerSequence(config) + plan.kv_bytes;
  int64_t& cache_bytes = plan.options.cache_bytes;
  cache_bytes = options.n_checkpoints == 0 ? 0 : cache_bytes > 0 ? std::min(cache_bytes, most) : most;
  return plan;
}

/// The largest n in [0, max] for which fits(n) holds; it holds for 0 and for everything below such
/// an n.
template <class Fits>
int64_t Largest(int64_t max, Fits fits) {
  int64_t low = 0;
  while (low < max) {
    const int64_t middle = low + (max - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      max = middle - 1;
    }
  }
  return low;
}

std::string Users(int64_t n, int64_t tokens) {
  return n == 1 ? fmt::format("one user with {} tokens", tokens)
                : fmt::format("{} users with {} tokens each", n, tokens);
}

/// In words: the same context for `fewer` users, a `shorter` one for all, or one for a user
/// `alone`, where not 0.
std::string WhatFits(int64_t users, int64_t context, int64_t fewer, int64_t shorter,
                     int64_t alone) {
  const auto fit = [](int64_t n) { return n == 1 ? "fits" : "fit"; };
  if (fewer > 0 && shorter > 0) {
    return fmt::format("{} {}, or {}", Users(fewer, context), fit(fewer), Users(users, shorter));
  }
  if (fewer > 0) return fmt::format("{} {}", Users(fewer, context), fit(fewer));
  if (shorter > 0) return fmt::format("{} {}", Users(users, shorter), fit(users));
  if (alone > 0) return Users(1, alone) + " fits";
  return "choose a smaller quantisation or a smaller model";
}

double Gigabytes(int64_t bytes) { return static_cast<double>(bytes) * 1e-9; }

Error DoesNotFit(const EnginePlan& plan, int64_t available_bytes) {
  return Refused(
      "{} {} {:.2f} GB of memory: weights {:.2f}, KV cache {:.2f}, recurrent state {:.2f}, "
      "workspace {:.2f}; {:.2f} GB are available",
      Users(plan.options.max_sequences, plan.options.context_tokens),
      plan.options.max_sequences == 1 ? "needs" : "need", Gigabytes(plan.total_bytes()),
      Gigabytes(plan.weights_bytes), Gigabytes(plan.kv_bytes), Gigabytes(plan.state_bytes),
      Gigabytes(plan.workspace_bytes), Gigabytes(available_bytes));
}

}  // namespace

Result<EngineOptions> ResolveOptions(const ModelConfig& config, EngineOptions options) {
  WEIR_RETURN_IF_ERROR(CheckOption("users", options.max_sequences, 1, 4096));
  WEIR_RETURN_IF_ERROR(CheckOption("threads", options.n_threads, 1, 1024));
  WEIR_RETURN_IF_ERROR(CheckOption("prefill tokens per step", options.prefill_tokens, 1, 1 << 16));
  if (options.context_tokens == 0) {
    options.context_tokens = std::min(config.context_length, kMaxContext / options.max_sequences);
  }
  WEIR_RETURN_IF_ERROR(CheckOption("context", options.context_tokens, 1, config.context_length));
  const int64_t all_tokens = options.max_sequences * options.context_tokens;
  if (options.kv_tokens == 0) options.kv_tokens = all_tokens;
  WEIR_RETURN_IF_ERROR(
      CheckOption("tokens of all users together", options.kv_tokens, 1,
                  options.n_checkpoints > 0 ? kMaxContext : std::min(all_tokens, kMaxContext)));
  WEIR_RETURN_IF_ERROR(CheckOption("nanoseconds between tokens", options.itl_target_ns, 0, INT64_MAX));
  WEIR_RETURN_IF_ERROR(CheckOption("bytes of checkpoints", options.cache_bytes, 0, INT64_MAX));
  WEIR_RETURN_IF_ERROR(CheckOption("checkpoints", options.n_checkpoints, 0, 1 << 16));
  WEIR_RETURN_IF_ERROR(
      CheckOption("tokens between checkpoints", options.checkpoint_interval, 0, 1 << 30));
  options.prefill_tokens = std::min(options.prefill_tokens, all_tokens);
  return options;
}

int64_t KvPages(const EngineOptions& options) {
  // Each sequence has pages of its own, so the last of each may be partly empty.
  const int64_t shared = Scheduler::PagesFor(options.kv_tokens) + options.max_sequences - 1;
  if (options.n_checkpoints > 0) return shared;
  return std::min(options.max_sequences * Scheduler::PagesFor(options.context_tokens), shared);
}

int64_t Slots(const EngineOptions& options) {
  return options.max_sequences + options.n_checkpoints;
}

int64_t MaxRows(const EngineOptions& options) {
  return options.prefill_tokens + options.max_sequences;
}

int64_t MaxLogits(const EngineOptions& options) { return options.max_sequences; }

int Engine::CheckpointsFor(const ModelConfig& config, KvType kv_type, int64_t cache_bytes) {
  constexpr int64_t kTokens = 2048, kMost = 4096;
  const int64_t each = StateBytesPerSequence(config) + kTokens * KvBytesPerToken(config, kv_type);
  // A budget that is too small for as many tokens may still do for one state and fewer.
  const bool one = cache_bytes >= StateBytesPerSequence(config) + kPageTokens * KvBytesPerToken(config, kv_type);
  return static_cast<int>(std::clamp<int64_t>(cache_bytes / each, one ? 1 : 0, kMost));
}

Result<EnginePlan> Engine::Plan(const ModelConfig& config, const ModelFootprint& footprint,
                                Dtype dtype, const EngineOptions& options,
                                int64_t available_bytes) {
  WEIR_TRY(const EngineOptions resolved, ResolveOptions(config, options));
  const EnginePlan plan = Measure(config, footprint, dtype, resolved);
  if (plan.total_bytes() <= available_bytes) return plan;

  const auto fits = [&](int64_t users, int64_t context) {
    EngineOptions smaller = resolved;
    smaller.max_sequences = static_cast<int>(users);
    smaller.context_tokens = context;
    smaller.kv_tokens = std::min(resolved.kv_tokens, users * context);
    return Measure(config, footprint, dtype, smaller).total_bytes() <= available_bytes;
  };
  const int64_t users = resolved.max_sequences, context = resolved.context_tokens;
  const auto longest = [&](int64_t n_users) {
    const auto fits_pages = [&](int64_t n) { return fits(n_users, n * kPageTokens); };
    return kPageTokens * Largest(context / kPageTokens, fits_pages);
  };
  const int64_t shorter = longest(users);
  if (options.context_tokens == 0 && shorter > 0) {
    EngineOptions smaller = options;
    smaller.context_tokens = shorter;
    smaller.kv_tokens = std::min(resolved.kv_tokens, users * shorter);
    return Engine::Plan(config, footprint, dtype, smaller, available_bytes);
  }
  const int64_t fewer = Largest(users, [&](int64_t n) { return fits(n, context); });
  return WithHint(DoesNotFit(plan, available_bytes),
                  WhatFits(users, context, fewer, shorter, longest(1)));
}

}  // namespace weir
