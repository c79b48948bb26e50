#include "bench/slo.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weir {
namespace {

constexpr SloTerm::Metric kMetrics[] = {SloTerm::Metric::kTtft, SloTerm::Metric::kItl,
                                        SloTerm::Metric::kTpot, SloTerm::Metric::kE2e};
constexpr const char* kExample = "for example ttft_p95<1s,itl_p95<100ms";

double Ms(int64_t ns) { return static_cast<double>(ns) / 1e6; }

std::optional<double> ReadLimitMs(std::string_view text) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(read.ptr, text.data() + text.size() - read.ptr);
  if (read.ec != std::errc() || !(value > 0 && value < 1e9)) return std::nullopt;
  if (unit == "ms") return value;
  if (unit == "s") return value * 1000;
  return std::nullopt;
}

std::optional<double> ReadQuantile(std::string_view text) {
  if (text == "median") return 0.5;
  int percent = 0;
  if (!text.starts_with('p')) return std::nullopt;
  const auto read = std::from_chars(text.data() + 1, text.data() + text.size(), percent);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return percent >= 1 && percent <= 99 ? std::optional(percent / 100.0) : std::nullopt;
}

std::optional<SloTerm> ReadTerm(std::string_view text) {
  const size_t less = text.find('<'), bar = text.find('_');
  if (less == text.npos || bar == text.npos || bar > less) return std::nullopt;
  const auto quantile = ReadQuantile(text.substr(bar + 1, less - bar - 1));
  const auto limit_ms = ReadLimitMs(text.substr(less + 1));
  if (!quantile || !limit_ms) return std::nullopt;
  for (SloTerm::Metric metric : kMetrics) {
    if (text.substr(0, bar) == Name(metric)) return SloTerm{metric, *quantile, *limit_ms};
  }
  return std::nullopt;
}

/// Nearest rank.
std::optional<double> Quantile(std::vector<double> values, double quantile) {
  if (values.empty()) return std::nullopt;
  const double rank = std::ceil(quantile * static_cast<double>(values.size()) - 1e-9);
  const auto at = values.begin() + static_cast<int64_t>(std::max(rank, 1.0)) - 1;
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

/// What one request has of a metric: one value, or one for each gap.
std::vector<double> Values(SloTerm::Metric metric, const RequestRecord& record) {
  if (!record.first_token_ns || !record.ended_ns) return {};
  const std::vector<int64_t> times = TokenTimes(record);
  switch (metric) {
    case SloTerm::Metric::kTtft:
      return {Ms(*record.first_token_ns - record.scheduled_ns)};
    case SloTerm::Metric::kE2e:
      return {Ms(*record.ended_ns - record.scheduled_ns)};
    case SloTerm::Metric::kTpot:
      if (times.size() < 2) return {};
      return {Ms(times.back() - times.front()) / static_cast<double>(times.size() - 1)};
    case SloTerm::Metric::kItl:
      break;
  }
  std::vector<double> gaps;
  for (size_t i = 1; i < times.size(); ++i) gaps.push_back(Ms(times[i] - times[i - 1]));
  return gaps;
}

bool IsGood(const Slo& slo, const RequestRecord& record) {
  return record.first_token_ns && std::all_of(slo.terms.begin(), slo.terms.end(), [&](const SloTerm& term) {
    return Quantile(Values(term.metric, record), term.quantile).value_or(0) < term.limit_ms;
  });
}

}  // namespace

std::string_view Name(SloTerm::Metric metric) {
  constexpr std::string_view kNames[] = {"ttft", "itl", "tpot", "e2e"};
  return kNames[static_cast<int>(metric)];
}

std::string Name(const SloTerm& term) {
  if (term.quantile == 0.5) return fmt::format("{}_median", Name(term.metric));
  return fmt::format("{}_p{:.0f}", Name(term.metric), term.quantile * 100);
}

Result<Slo> ParseSlo(std::string_view text) {
  Slo slo;
  while (true) {
    const size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    const std::optional<SloTerm> term = ReadTerm(part);
    if (!term) {
      return WithHint(BadInput("objective {}: expected METRIC_QUANTILE<LIMIT, with ttft, itl, tpot or e2e, p1 to p99 "
                               "or median, and ms or s", part), kExample);
    }
    slo.terms.push_back(*term);
    if (comma == text.npos) return slo;
    text.remove_prefix(comma + 1);
  }
}

SloResult Evaluate(const Slo& slo, std::span<const RequestRecord> records) {
  SloResult result;
  std::vector<std::vector<double>> values(slo.terms.size());
  int64_t begin_ns = INT64_MAX, end_ns = INT64_MIN, good_tokens = 0;
  for (const RequestRecord& record : records) {
    if (record.warm_up) continue;
    ++result.n_requests;
    begin_ns = std::min(begin_ns, record.scheduled_ns);
    end_ns = std::max(end_ns, record.ended_ns.value_or(record.scheduled_ns));
    if (record.finish == FinishReason::kError || !record.ended_ns) {
      ++result.n_failed;
      continue;
    }
    for (size_t i = 0; i < slo.terms.size(); ++i) {
      const std::vector<double> own = Values(slo.terms[i].metric, record);
      values[i].insert(values[i].end(), own.begin(), own.end());
    }
    if (!IsGood(slo, record)) continue;
    ++result.n_good;
    good_tokens += record.generated_tokens;
  }
  result.holds = result.n_requests > 0 && result.n_failed == 0;
  for (size_t i = 0; i < slo.terms.size(); ++i) {
    result.values_ms.push_back(Quantile(values[i], slo.terms[i].quantile));
    result.holds = result.holds && result.values_ms[i].value_or(0) < slo.terms[i].limit_ms;
  }
  if (result.n_good > 0 && end_ns > begin_ns) {
    const double seconds = static_cast<double>(end_ns - begin_ns) / 1e9;
    result.goodput_per_s = static_cast<double>(result.n_good) / seconds;
    result.goodput_tok_s = static_cast<double>(good_tokens) / seconds;
  }
  return result;
}

int CapacitySearch::best() const {
  const auto above = broken_ ? held_.lower_bound(*broken_) : held_.end();
  return above == held_.begin() ? 0 : *std::prev(above);
}

std::optional<int> CapacitySearch::Next() const {
  const int held = best();
  const int end = broken_.value_or(most_ + 1);
  if (held + 1 >= end) return std::nullopt;
  if (broken_) return held + (end - held) / 2;
  return std::min(std::max(1, held * 2), most_);
}

void CapacitySearch::Report(int load, bool holds) {
  if (holds) {
    held_.insert(load);
  } else if (++n_broken_[load] == 2) {
    broken_ = std::min(load, broken_.value_or(load));
  }
}

double RateOfStep(double least, int step) { return least * std::exp2((step - 1) / 4.0); }

}  // namespace weir
