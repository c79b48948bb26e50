// Counters and histograms in Prometheus' text format.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engine/engine.h"

namespace weir {

/// Seconds, in fixed buckets.
class Histogram {
 public:
  void Add(double seconds);
  /// As the metric `name`, with its help and type lines.
  std::string Text(std::string_view name, std::string_view help) const;

 private:
  static constexpr std::array<double, 16> kBounds = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5,
                                                     1,     2,    5,    10,   20,  50,  100, 300};
  std::array<int64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

/// What the server counts; the engine counts the rest itself. Any thread may call.
class Metrics {
 public:
  void CountRequest(std::string_view endpoint, int status);
  void AddTtft(double seconds);
  void AddItl(double seconds);
  /// An answer has taken so long, what it waited for its place included.
  void AddAnswer(double seconds);
  /// Of the last answers; nothing before the first.
  std::optional<double> MeanAnswerSeconds() const;

  struct Gauges {
    int64_t n_in_flight = 0, n_connections = 0;
    int64_t weights_bytes = 0, kv_bytes = 0, state_bytes = 0, workspace_bytes = 0;
    int64_t cache_limit_bytes = 0;
    bool ready = false;
    EngineStatus engine;  // zeros until ready
  };
  std::string Text(const Gauges& gauges) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;  // by endpoint and status
  Histogram ttft_, itl_;
  std::optional<double> answer_seconds_;
};

/// Seconds after which a request that was turned away can hope to be served: until those that wait have their
/// places. Of `n_in_flight`, who stay for `mean_answer_s` each, so many leave in a second (Little's law). From 1 to
/// 60, since nobody knows how long answers will be.
int64_t RetryAfterSeconds(int64_t n_in_flight, int64_t n_users, std::optional<double> mean_answer_s);

}  // namespace weir
