#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <tuple>

#include "bench/sentinel.h"
#include "store/schema.h"

namespace weir {
namespace {

constexpr double kCliff = 0.05;
constexpr int kResamples = 10000;
constexpr int kFewestForPrecision = 5;
constexpr uint32_t kBootstrapSeed = 20261122;
constexpr double kNoisySpread = 0.10;
constexpr int kEnoughRepeats = 3;
constexpr double kRatesDrift = 0.15;

double Spread(const CellResult& cell, const char* figure) {
  const Figure* found = cell.Find(figure);
  return found && found->median > 0 ? (found->greatest - found->least) / found->median : 0;
}

/// Of the worse of the two figures; empty if both are quiet.
std::string NoiseDetail(const CellResult& cell) {
  const double decode = Spread(cell, "decode_tok_s"), aggregate = Spread(cell, "aggregate_tok_s");
  const double worst = std::max(decode, aggregate);
  if (worst <= kNoisySpread) return "";
  return fmt::format("repeats of {} spread over {:.0f} % of the median",
                     decode >= aggregate ? "decode" : "aggregate", worst * 100);
}

/// The largest change of any rate during a repeat; empty if none is too large.
std::string DriftDetail(std::span<const RatesAround> rates) {
  constexpr std::pair<const char*, std::optional<double> RatesRow::*> kRates[] = {
      {"read_gb_s", &RatesRow::read_gb_s},
      {"read_write_gb_s", &RatesRow::read_write_gb_s},
      {"int8_gmac_s", &RatesRow::int8_gmac_s},
      {"f32_gmac_s", &RatesRow::f32_gmac_s}};
  std::string detail;
  double worst = kRatesDrift;
  for (const RatesAround& around : rates) {
    for (const auto& [name, rate] : kRates) {
      const double before = (around.before.*rate).value_or(0);
      const double after = (around.after.*rate).value_or(0);
      if (before <= 0 || after <= 0) continue;
      const double change = std::abs(after - before) / std::max(after, before);
      if (change <= worst) continue;
      worst = change;
      detail = fmt::format("{} went from {:.3g} to {:.3g}", name, before, after);
    }
  }
  return detail;
}

/// With few samples, two cells differ if all samples of one are above all of the other and there are three of
/// each: of 20 ways to order six, one does that in the direction that was seen.
bool AreTied(const CellResult& faster, const CellResult& slower) {
  const std::vector<double>&a = faster.decode_samples, &b = slower.decode_samples;
  if (const auto interval = RatioInterval(a, b)) return interval->low <= 1;
  if (std::min(a.size(), b.size()) < 3) return true;
  return *std::min_element(a.begin(), a.end()) <= *std::max_element(b.begin(), b.end());
}

}  // namespace

double Median(std::span<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

std::optional<Interval> MedianInterval(std::span<const double> samples) {
  if (samples.size() < 2) return std::nullopt;
  std::mt19937 random(kBootstrapSeed);
  std::vector<double> medians, drawn(samples.size());
  medians.reserve(kResamples);
  for (int i = 0; i < kResamples; ++i) {
    for (double& value : drawn) value = samples[random() % samples.size()];
    medians.push_back(Median(drawn));
  }
  std::sort(medians.begin(), medians.end());
  return Interval{medians[kResamples * 25 / 1000], medians[kResamples * 975 / 1000 - 1]};
}

bool IsPrecise(std::span<const double> samples, double share) {
  if (static_cast<int>(samples.size()) < kFewestForPrecision) return false;
  std::vector<double> sorted(samples.begin(), samples.end());
  const double median = Median(sorted);
  const std::optional<Interval> interval = MedianInterval(samples);
  return std::max(interval->high - median, median - interval->low) <= share * median;
}

std::optional<Interval> RatioInterval(std::span<const double> a, std::span<const double> b) {
  if (static_cast<int>(std::min(a.size(), b.size())) < kFewestForPrecision) return std::nullopt;
  std::mt19937 random(kBootstrapSeed);
  std::vector<double> ratios, drawn_a(a.size()), drawn_b(b.size());
  ratios.reserve(kResamples);
  for (int i = 0; i < kResamples; ++i) {
    for (double& value : drawn_a) value = a[random() % a.size()];
    for (double& value : drawn_b) value = b[random() % b.size()];
    ratios.push_back(Median(drawn_a) / Median(drawn_b));
  }
  std::sort(ratios.begin(), ratios.end());
  return Interval{ratios[kResamples * 25 / 1000], ratios[kResamples * 975 / 1000 - 1]};
}

std::vector<Ranking> RankCells(const std::vector<CellResult>& cells) {
  std::map<std::tuple<int, int64_t, int64_t>, std::vector<size_t>> classes;
  for (size_t i = 0; i < cells.size(); ++i) {
    const CellRow& row = cells[i].row;
    if (cells[i].decode_samples.empty()) continue;
    classes[{row.users, row.prompt_tokens, row.gen_tokens}].push_back(i);
  }
  std::vector<Ranking> rankings;
  for (auto& [key, members] : classes) {
    if (members.size() < 2) continue;
    const auto rate = [&](size_t i) { return cells[i].Find("decode_tok_s")->median; };
    std::stable_sort(members.begin(), members.end(), [&](size_t a, size_t b) { return rate(a) > rate(b); });
    Ranking ranking{std::get<0>(key), std::get<1>(key), std::get<2>(key), {}};
    for (size_t i : members) {
      if (ranking.groups.empty() ||
          !AreTied(cells[ranking.groups.back().cells.front()], cells[i])) {
        ranking.groups.push_back({});
      }
      ranking.groups.back().cells.push_back(i);
    }
    rankings.push_back(std::move(ranking));
  }
  return rankings;
}

std::optional<double> RooflineShare(const CellResult& cell) {
  const Figure* decode = cell.Find("decode_tok_s");
  const Figure* limit = cell.Find("limit_tok_s");
  if (!decode || !limit || limit->median <= 0) return std::nullopt;
  return decode->median / limit->median;
}

Verdict Judge(const CellResult& cell, const AttemptsSeen& attempts) {
  if (attempts.interrupted) {
    return {CellStatus::kInterrupted,
            fmt::format("stopped after {} of {} repeats", attempts.n_ok, cell.row.repeats)};
  }
  if (attempts.n_ok == 0) {
    return {CellStatus::kFailed,
            attempts.n_failed > 0 ? attempts.first_failure : attempts.last_rejection};
  }
  if (attempts.open_loop) return {CellStatus::kOk, ""};
  for (const auto& [figure, what] :
       {std::pair("decode_tok_s", "decode"), {"aggregate_tok_s", "aggregate"}}) {
    if (cell.Find(figure)) continue;
    return {CellStatus::kTooShort,
            fmt::format("fewer than {} steps in the {} window: raise --gen-tokens", kMinDecodeSteps,
                        what)};
  }
  return {CellStatus::kOk, ""};
}

std::optional<Flag> FindCliff(const Decoded& cell, std::span<const Decoded> all) {
  const Decoded* best = nullptr;
  for (const Decoded& other : all) {
    if (other.users >= cell.users || other.tokens != cell.tokens) continue;
    if (!best || other.tok_s > best->tok_s) best = &other;
  }
  if (!best || cell.tok_s >= (1 - kCliff) * best->tok_s) return std::nullopt;
  return Flag{"cliff", fmt::format("decode is {:.0f} % slower than with {} user{}",
                                   100 * (1 - cell.tok_s / best->tok_s), best->users,
                                   best->users == 1 ? "" : "s")};
}

std::vector<Flag> FindFlags(const CellResult& cell, const AttemptsSeen& attempts,
                            std::span<const RatesAround> rates) {
  std::vector<Flag> flags;
  if (const std::string noise = NoiseDetail(cell); !noise.empty())
    flags.push_back({"noisy", noise});
  if (const std::string drift = DriftDetail(rates); !drift.empty())
    flags.push_back({"rates_drifted", drift});
  if (const auto share = RooflineShare(cell); share && *share > 1) {
    flags.push_back(
        {"share_above_one",
         fmt::format("{:.2f} of the limit: rates too low, or weights in a cache{}", *share,
                     cell.row.target == "engine" ? ""
                                                 : ", or a server that does less than its file says (speculation)")});
  }
  if (cell.logits_differ)
    flags.push_back({"logits_differ", "repeats of the same prompts gave different logits"});
  if (attempts.n_ok > 0 && attempts.n_ok < kEnoughRepeats) {
    flags.push_back(
        {"few_repeats", fmt::format("repeats: {}; three or more show a spread", attempts.n_ok)});
  }
  if (attempts.n_failed > 0 && attempts.n_ok > 0) {
    flags.push_back({"repeats_failed", fmt::format("{} of {} repeats failed: {}", attempts.n_failed,
                                                   cell.row.repeats, attempts.first_failure)});
  }
  if (attempts.n_rejected > 0) {
    flags.push_back({"repeats_rejected", fmt::format("{}: {}", attempts.n_rejected, attempts.last_rejection)});
  }
  for (Flag& flag : FlagDisturbances(attempts.disturbances)) flags.push_back(std::move(flag));
  const auto small = [](const RatesAround& around) {
    return around.before.buffer_small || around.after.buffer_small;
  };
  if (std::any_of(rates.begin(), rates.end(), small)) {
    flags.push_back({"probe_buffer_small", "measured over less than 8 times the caches"});
  }
  return flags;
}

}  // namespace weir
