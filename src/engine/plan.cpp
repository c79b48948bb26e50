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
  plan.kv_bytes = KvPages(options) * kPageTokens * KvBytesPerToken(config, KvTypeOf(dtype));
  plan.state_bytes = options.max_sequences * StateBytesPerSequence(config);
  plan.workspace_bytes =
      Model::WorkspaceBytes(config, dtype, MaxRows(options), MaxLogits(options)) +
      options.n_threads * SamplerScratch::Bytes(config.n_vocab);
  return plan;
}

/// The largest n in [0, max] for which fits(n) holds; it holds for 0 and for everything below such an n.
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

std::string Gigabytes(int64_t bytes) { return fmt::format("{:.2f} GB", static_cast<double>(bytes) * 1e-9); }

}  // namespace

Result<EngineOptions> ResolveOptions(const ModelConfig& config, EngineOptions options) {
  WEIR_RETURN_IF_ERROR(CheckOption("users", options.max_sequences, 1, 4096));
  WEIR_RETURN_IF_ERROR(CheckOption("threads", options.n_threads, 1, 1024));
  WEIR_RETURN_IF_ERROR(CheckOption("prefill tokens per step", options.prefill_tokens, 1, 1 << 16));
  if (options.context_tokens == 0) options.context_tokens = config.context_length;
  WEIR_RETURN_IF_ERROR(CheckOption("context", options.context_tokens, 1, config.context_length));
  const int64_t all_tokens = options.max_sequences * options.context_tokens;
  if (options.kv_tokens == 0) options.kv_tokens = all_tokens;
  WEIR_RETURN_IF_ERROR(CheckOption("shared context", options.kv_tokens, 1, all_tokens));
  options.prefill_tokens = std::min(options.prefill_tokens, all_tokens);
  return options;
}

int64_t KvPages(const EngineOptions& options) {
  // Each sequence has pages of its own, so the last of each may be partly empty.
  return std::min(options.max_sequences * Scheduler::PagesFor(options.context_tokens),
                  Scheduler::PagesFor(options.kv_tokens) + options.max_sequences - 1);
}

int64_t MaxRows(const EngineOptions& options) {
  return options.prefill_tokens + options.max_sequences;
}

int64_t MaxLogits(const EngineOptions& options) { return options.max_sequences; }

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
  const int64_t fewer_users = Largest(users, [&](int64_t n) { return fits(n, context); });
  const int64_t shorter_context =
      kPageTokens * Largest(context / kPageTokens, [&](int64_t n) { return fits(users, n * kPageTokens); });
  if (options.context_tokens == 0 && options.kv_tokens == 0 && shorter_context > 0) {
    EngineOptions shorter = options;
    shorter.context_tokens = shorter_context;
    return Engine::Plan(config, footprint, dtype, shorter, available_bytes);
  }

  Error error = Refused(
      "{} users with {} tokens each need {}: weights {}, KV cache {}, recurrent state {}, workspace {}; "
      "available are {}",
      users, context, Gigabytes(plan.total_bytes()), Gigabytes(plan.weights_bytes),
      Gigabytes(plan.kv_bytes), Gigabytes(plan.state_bytes), Gigabytes(plan.workspace_bytes),
      Gigabytes(available_bytes));
  std::string what_fits;
  if (fewer_users > 0) what_fits = fmt::format("{} users with {} tokens each fit", fewer_users, context);
  if (shorter_context > 0) {
    what_fits += fmt::format("{}{} users with {} tokens each fit", what_fits.empty() ? "" : "; ", users,
                             shorter_context);
  }
  if (what_fits.empty()) what_fits = "choose a smaller quantisation or a smaller model";
  return WithHint(std::move(error), std::move(what_fits));
}

}  // namespace weir
