#include "model/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

namespace weir {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// 2^40 steps leave out at most 1e-7 of the probability of 250,000 ids, and leave room to add up
// 2^23.
constexpr int64_t kMaxVocab = int64_t{1} << 23;

/// SplitMix64's finaliser.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::span<float> Block(const LogitRow& row, int64_t block) {
  const size_t begin = block * kLogitBlock;
  return row.logits.subspan(begin, std::min<size_t>(kLogitBlock, row.logits.size() - begin));
}

float Largest(std::span<const float> logits, const KernelTable& kernels) {
  return kernels.rows.max(logits.data(), static_cast<int64_t>(logits.size()));
}

/// Changes a logit and corrects the maximum of its block.
void Change(const LogitRow& row, int32_t id, float value, const KernelTable& kernels) {
  const float old = std::exchange(row.logits[id], value);
  float& maximum = row.maxima[id / kLogitBlock];
  if (value > maximum) {
    maximum = value;
  } else if (old >= maximum) {
    maximum = Largest(Block(row, id / kLogitBlock), kernels);
  }
}

/// Makes ids whose bit is 0 or absent -infinity, but of blocks without any other id only the
/// maximum, so that nobody reads them.
void Forbid(const LogitRow& row, std::span<const uint64_t> allowed, const KernelTable& kernels) {
  constexpr size_t kWords = kLogitBlock / 64;
  for (size_t b = 0; b < row.maxima.size(); ++b) {
    const std::span<float> block = Block(row, b);
    uint64_t words[kWords];
    bool some = false, all = true;
    for (size_t i = 0; i < kWords; ++i) {
      words[i] = b * kWords + i < allowed.size() ? allowed[b * kWords + i] : 0;
      some = some || words[i] != 0;
      all = all && words[i] == ~uint64_t{0};
    }
    if (!some) {
      row.maxima[b] = -kInfinity;
    } else if (!all) {
      row.maxima[b] = kernels.sampling.forbid(block.data(), block.size(), words);
    }
  }
}

/// The lowest id whose logit is `max`, the largest.
int32_t FirstOf(const LogitRow& row, float max) {
  const int64_t b = std::find(row.maxima.begin(), row.maxima.end(), max) - row.maxima.begin();
  const std::span<float> block = Block(row, b);
  return b * kLogitBlock + (std::find(block.begin(), block.end(), max) - block.begin());
}

WeightScale Scale(float max, float temperature, float min_p) {
  const double least = std::max(1., std::ceil(std::ldexp(double{min_p}, kWeightBits)));
  // Infinity is above 2^128 and every other float is more than 2^103 below it.
  if (max == kInfinity) return {0x1p128, 1, least};
  return {max, 0x1.71547652b82fep0 / temperature, least};  // log2 e per unit of logit
}

/// The weights of each block and of all. Blocks with small maxima are not read.
uint64_t WeighBlocks(const LogitRow& row, const WeightScale& scale, const KernelTable& kernels,
                     std::span<double> sums) {
  // Half a unit below `least` a weight is rounded up to it; the rest is for the roundings of exp.
  const double lowest = std::log2(scale.least - 0.5) - kWeightBits - 1e-3;
  uint64_t total = 0;
  for (size_t b = 0; b < sums.size(); ++b) {
    sums[b] = 0;
    if ((row.maxima[b] - scale.max) * scale.octaves < lowest) continue;
    const std::span<float> block = Block(row, b);
    sums[b] = kernels.sampling.weigh(block.data(), block.size(), scale, nullptr);
    total += static_cast<uint64_t>(sums[b]);
  }
  return total;
}

/// The id at `point` when every id of the row takes as much room as it weighs.
int32_t PickFromRow(const LogitRow& row, const WeightScale& scale, const KernelTable& kernels,
                    std::span<const double> sums, uint64_t point) {
  size_t b = 0;
  for (; point >= static_cast<uint64_t>(sums[b]); ++b) point -= static_cast<uint64_t>(sums[b]);
  const std::span<float> block = Block(row, b);
  double weights[kLogitBlock];
  kernels.sampling.weigh(block.data(), block.size(), scale, weights);
  return b * kLogitBlock + PickWeighted(weights, point);
}

/// A bound that at least k logits reach: as many maxima do. All that are not -infinity reach it if
/// there are fewer maxima.
float BoundOfLikeliest(const LogitRow& row, int64_t k) {
  if (k >= static_cast<int64_t>(row.maxima.size())) return std::numeric_limits<float>::lowest();
  const float bound = FindRankingEnd(row.maxima, {}, k).logit;
  return std::max(bound, std::numeric_limits<float>::lowest());
}

Status CheckRange(std::string_view name, float value, float min, float max) {
  if (value >= min && value <= max) return {};
  return BadInput("{}: expected a number from {} to {}, found {}", name, min, max, value);
}

}  // namespace

Status CheckSampling(const SamplingParams& params, int64_t n_vocab) {
  constexpr float kMax = std::numeric_limits<float>::max();
  if (n_vocab > kMaxVocab) {
    return BadInput("vocabulary: expected at most {} tokens, found {}", kMaxVocab, n_vocab);
  }
  WEIR_RETURN_IF_ERROR(CheckRange("temperature", params.temperature, 0, kMax));
  if (params.top_k < 0) return BadInput("top_k: expected 0 or more, found {}", params.top_k);
  WEIR_RETURN_IF_ERROR(CheckRange("top_p", params.top_p, 0, 1));
  WEIR_RETURN_IF_ERROR(CheckRange("min_p", params.min_p, 0, 1));
  WEIR_RETURN_IF_ERROR(CheckRange("repetition_penalty", params.repetition_penalty, 1e-3f, 1e3f));
  WEIR_RETURN_IF_ERROR(CheckRange("presence_penalty", params.presence_penalty, -1e3f, 1e3f));
  WEIR_RETURN_IF_ERROR(CheckRange("frequency_penalty", params.frequency_penalty, -1e3f, 1e3f));
  for (const auto& [id, bias] : params.logit_bias) {
    if (id < 0 || id >= n_vocab) {
      return BadInput("logit_bias: expected token ids below {}, found {}", n_vocab, id);
    }
    WEIR_RETURN_IF_ERROR(CheckRange("logit_bias", bias, -kMax, kMax));
  }
  return {};
}

SamplerScratch::SamplerScratch(int64_t n_vocab, const KernelTable& kernels)
    : kernels_(kernels),
      maxima_(LogitBlocks(n_vocab)),
      block_sums_(LogitBlocks(n_vocab)),
      candidates_(n_vocab, kernels),
      as_they_came_(n_vocab) {}

int64_t SamplerScratch::Bytes(int64_t n_vocab) {
  const int64_t per_block = sizeof(float) + sizeof(double);
  return LogitBlocks(n_vocab) * per_block + Candidates::Bytes(n_vocab) +
         n_vocab * static_cast<int64_t>(sizeof(float));
}

Sampler::Sampler(SamplingParams params, int64_t n_vocab, std::span<const int32_t> prompt,
                 int64_t max_tokens)
    : params_(std::move(params)),
      penalised_(params_.repetition_penalty != 1 || params_.presence_penalty != 0 ||
                 params_.frequency_penalty != 0) {
  if (params_.allowed_tokens) allowed_ = *params_.allowed_tokens;
  if (!penalised_) return;
  std::vector<int32_t> ids(prompt.begin(), prompt.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  seen_.reserve(std::min(n_vocab, static_cast<int64_t>(ids.size()) + max_tokens));
  for (int32_t id : ids) seen_.push_back({id, 0});
}

std::optional<int32_t> Sampler::Draw(std::span<float> logits, SamplerScratch& scratch) {
  const LogitRow row{logits, scratch.maxima_};
  for (size_t b = 0; b < row.maxima.size(); ++b) {
    row.maxima[b] = Largest(Block(row, b), scratch.kernels_);
  }
  return Draw(row, scratch);
}

std::optional<int32_t> Sampler::Draw(const LogitRow& row, SamplerScratch& scratch) {
  Adjust(row, scratch.kernels_);
  const float max = Largest(row.maxima, scratch.kernels_);
  if (max == -kInfinity) return std::nullopt;
  const int32_t id =
      params_.temperature == 0 ? FirstOf(row, max) : DrawAtTemperature(row, max, scratch);
  ++n_drawn_;
  if (penalised_) Remember(id);
  return id;
}

std::optional<int32_t> Sampler::Draw(const LogitRow& row, SamplerScratch& scratch, int n_top,
                                     TokenLogprobs& logprobs) {
  const float max = Largest(row.maxima, scratch.kernels_);
  if (max == -kInfinity) return std::nullopt;
  const WeightScale scale = Scale(max, 1, 0);
  const uint64_t total = WeighBlocks(row, scale, scratch.kernels_, scratch.block_sums_);
  const double denominator = std::log(static_cast<double>(total)) - kWeightBits * std::log(2.);
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - static_cast<double>(max) - denominator);
  };
  logprobs.n_top = n_top;
  if (n_top > 0) {
    Candidates& candidates = scratch.candidates_;
    candidates.Collect(row.logits, row.maxima, BoundOfLikeliest(row, n_top));
    candidates.KeepLikeliest(n_top);
    logprobs.n_top = static_cast<int>(candidates.ids().size());
    for (int i = 0; i < logprobs.n_top; ++i) {
      logprobs.top[i] = {candidates.ids()[i], logprob(candidates.logits()[i])};
    }
    std::sort(logprobs.top.begin(), logprobs.top.begin() + logprobs.n_top,
              [](const auto& a, const auto& b) {
                return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id;
              });
  }
  std::copy(row.logits.begin(), row.logits.end(), scratch.as_they_came_.begin());
  const std::optional<int32_t> id = Draw(row, scratch);
  if (id) logprobs.chosen = logprob(scratch.as_they_came_[*id]);
  return id;
}

void Sampler::Remember(int32_t id) {
  auto at = std::lower_bound(seen_.begin(), seen_.end(), id,
                             [](const Seen& seen, int32_t wanted) { return seen.id < wanted; });
  if (at == seen_.end() || at->id != id) at = seen_.insert(at, {id, 0});
  ++at->n_generated;
}

void Sampler::Adjust(const LogitRow& row, const KernelTable& kernels) const {
  for (const Seen& seen : seen_) {
    float x = row.logits[seen.id];
    // Not a branch: the sign of a logit cannot be predicted, and a long prompt has many.
    const float repeated[] = {x * params_.repetition_penalty, x / params_.repetition_penalty};
    x = repeated[x > 0];
    if (seen.n_generated > 0) {
      x -= params_.frequency_penalty * static_cast<float>(seen.n_generated);
      x -= params_.presence_penalty;
    }
    Change(row, seen.id, x, kernels);
  }
  for (const auto& [id, bias] : params_.logit_bias) {
    Change(row, id, row.logits[id] + bias, kernels);
  }
  if (allowed_) Forbid(row, *allowed_, kernels);
}


int32_t Sampler::DrawAtTemperature(const LogitRow& row, float max, SamplerScratch& scratch) const {
  const WeightScale scale = Scale(max, params_.temperature, params_.min_p);
  Candidates& candidates = scratch.candidates_;
  const bool limited = params_.top_k > 0 && static_cast<size_t>(params_.top_k) < row.logits.size();
  uint64_t total;
  if (limited) {
    candidates.Collect(row.logits, row.maxima, BoundOfLikeliest(row, params_.top_k));
    candidates.KeepLikeliest(params_.top_k);
    total = candidates.Weigh(scale);
  } else {
    total = WeighBlocks(row, scale, scratch.kernels_, scratch.block_sums_);
  }
  if (params_.top_p < 1) {
    const double share = std::ceil(double{params_.top_p} * static_cast<double>(total));
    const uint64_t target = std::clamp<uint64_t>(static_cast<uint64_t>(share), 1, total);
    if (!limited) CollectNucleus(row, scale, target, candidates);
    total = candidates.KeepNucleus(target);
  }
  // The high half of the product: uniform in [0, total) but for one part in 2^64 / total.
  const uint64_t point = static_cast<unsigned __int128>(NextRandom()) * total >> 64;
  if (limited || params_.top_p < 1) return candidates.Pick(point);
  return PickFromRow(row, scale, scratch.kernels_, scratch.block_sums_, point);
}

/// Candidates that weigh `target` or more, the likeliest among them. Most nuclei are small, so few
/// blocks are opened at first.
void Sampler::CollectNucleus(const LogitRow& row, const WeightScale& scale, uint64_t target,
                             Candidates& candidates) const {
  for (int64_t k = 64;; k *= 8) {
    candidates.Collect(row.logits, row.maxima, BoundOfLikeliest(row, k));
    if (candidates.Weigh(scale) >= target) return;
  }
}

uint64_t Sampler::NextRandom() const {
  return Mix(Mix(params_.seed) + (n_drawn_ + 1) * 0x9e3779b97f4a7c15);
}

}  // namespace weir
