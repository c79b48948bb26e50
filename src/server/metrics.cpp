#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

template <class Number>
std::string Metric(std::string_view name, std::string_view type, std::string_view help, Number value) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n{0} {3}\n", name, type, help, value);
}

}  // namespace

void Histogram::Add(double seconds) {
  const auto at = std::ranges::lower_bound(kBounds, seconds);
  ++counts_[static_cast<size_t>(at - kBounds.begin())];
  sum_ += seconds;
}

std::string Histogram::Text(std::string_view name, std::string_view help) const {
  std::string text = fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
  int64_t n = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    n += counts_[i];
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, bound, n);
  }
  return text + fmt::format("{0}_sum {1}\n{0}_count {2}\n", name, sum_, n);
}

void Metrics::CountRequest(std::string_view endpoint, int status) {
  std::lock_guard lock(mutex_);
  ++requests_[{std::string(endpoint), status}];
}

void Metrics::AddTtft(double seconds) {
  std::lock_guard lock(mutex_);
  ttft_.Add(seconds);
}

void Metrics::AddItl(double seconds) {
  std::lock_guard lock(mutex_);
  itl_.Add(seconds);
}

void Metrics::AddAnswer(double seconds) {
  std::lock_guard lock(mutex_);
  const double mean = answer_seconds_.value_or(seconds);
  answer_seconds_ = mean + (seconds - mean) / 16;
}

std::optional<double> Metrics::MeanAnswerSeconds() const {
  std::lock_guard lock(mutex_);
  return answer_seconds_;
}

int64_t RetryAfterSeconds(int64_t n_in_flight, int64_t n_users, std::optional<double> mean_answer_s) {
  const double n_to_leave = static_cast<double>(std::max<int64_t>(n_in_flight - n_users, 0) + 1);
  const double seconds = n_to_leave * mean_answer_s.value_or(0) / static_cast<double>(std::max<int64_t>(n_in_flight, 1));
  return static_cast<int64_t>(std::ceil(std::clamp(seconds, 1.0, 60.0)));
}

std::string Metrics::Text(const Gauges& gauges) const {
  const EngineStatus& engine = gauges.engine;
  std::string text =
      Metric("weir_ready", "gauge", "1 once the model is loaded.", gauges.ready ? 1 : 0) +
      Metric("weir_connections", "gauge", "Open connections.", gauges.n_connections) +
      Metric("weir_requests_in_flight", "gauge", "Choices asked for and not yet answered.",
             gauges.n_in_flight) +
      Metric("weir_queued", "gauge", "Choices that wait for a place among the users.", engine.n_queued) +
      Metric("weir_active", "gauge", "Choices that are being computed.", engine.n_active) +
      Metric("weir_decoding", "gauge", "Active choices past their prompt.", engine.n_decoding) +
      Metric("weir_kv_pages", "gauge", "Pages of keys and values.", engine.n_pages) +
      Metric("weir_kv_pages_free", "gauge", "Pages that nothing is kept in.", engine.n_free_pages) +
      Metric("weir_kv_pages_kept", "gauge", "Pages that only kept prompts hold.", engine.n_kept_pages) +
      Metric("weir_cache_bytes", "gauge", "Memory that kept prompts hold: states, and pages of their own.",
             engine.cache_bytes) +
      Metric("weir_cache_limit_bytes", "gauge", "The most that they may hold.", gauges.cache_limit_bytes) +
      Metric("weir_checkpoints", "gauge", "States kept for later prompts.", engine.n_checkpoints) +
      Metric("weir_preemptions_total", "counter", "Times a choice had to make room.", engine.n_preempted) +
      Metric("weir_prefilled_tokens_total", "counter", "Prompt tokens computed.",
             engine.n_prefilled_tokens) +
      Metric("weir_cached_tokens_total", "counter", "Prompt tokens that needed no computing.",
             engine.n_cached_tokens) +
      Metric("weir_generated_tokens_total", "counter", "Tokens of answers.", engine.n_generated_tokens) +
      Metric("weir_step_seconds_total", "counter", "Time in steps of the model.",
             static_cast<double>(engine.steps_ns) * 1e-9) +
      Metric("weir_weights_bytes", "gauge", "Memory of the weights.", gauges.weights_bytes) +
      Metric("weir_kv_bytes", "gauge", "Memory of keys and values.", gauges.kv_bytes) +
      Metric("weir_state_bytes", "gauge", "Memory of recurrent states.", gauges.state_bytes) +
      Metric("weir_workspace_bytes", "gauge", "Memory that a step works in.", gauges.workspace_bytes);
  if (engine.limit_ns) {
    text += Metric("weir_step_limit_seconds_total", "counter",
                   "The least time that those steps could have taken, by the measured rates of this machine.",
                   *engine.limit_ns * 1e-9);
  }
  if (engine.recent_share) {
    text += Metric("weir_limit_share", "gauge", "That limit's share of the time of the last steps.",
                   *engine.recent_share);
  }
  std::lock_guard lock(mutex_);
  text += ttft_.Text("weir_ttft_seconds", "From a request to the first token of a choice.");
  text += itl_.Text("weir_itl_seconds", "Between two tokens of a choice.");
  text += "# HELP weir_requests_total Requests answered.\n# TYPE weir_requests_total counter\n";
  for (const auto& [key, n] : requests_) {
    text += fmt::format("weir_requests_total{{endpoint=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, n);
  }
  return text;
}

}  // namespace weir
