// From a row of logits to a token.
//
// Order of operations, on the ids' logits x:
//   1. repetition penalty r, for ids of the prompt and the answer so far, once each (as in CTRL):
//      x / r if x > 0, else x * r
//   2. frequency and presence penalty, for ids of the answer only (as OpenAI defines them):
//      x - frequency * (times generated) - presence
//   3. logit bias: x + bias
//   4. ids outside allowed_tokens, and NaN, become -infinity: never drawn
//   5. temperature 0: the largest, the lowest id among equals. Otherwise p ~ exp(x / temperature),
//      cut to the top_k likeliest, then to those with at least min_p times the probability of the
//      likeliest, then to the fewest whose share of what is left reaches top_p; among equal logits
//      lower ids come first
//   6. one draw from what is left, ids ascending
//
// The token depends on the logits, the parameters, the tokens so far and how many of them were
// drawn, and on nothing else: probabilities are integers (multiples of 2^-40 of the largest), so
// that sums have no order, and exp and the random numbers are our own, so that all platforms agree.
//
// A row is 1 MB for 248,320 tokens, so little of it is read: whoever makes logits leaves the
// maximum of each block behind, and only blocks that can hold what is looked for are opened. The k
// likeliest are all at least the k-th largest maximum; what a penalty changes is corrected in its
// block.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "kernels/kernel_table.h"
#include "model/candidates.h"
#include "util/error.h"

namespace weir {

struct SamplingParams {
  float temperature = 0;  // 0: greedy
  int top_k = 0;          // 0: off
  float top_p = 1;        // 1: off
  float min_p = 0;        // 0: off
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  uint64_t seed = 0;
  std::vector<std::pair<int32_t, float>> logit_bias;
  /// If set: one bit per token id, 0 forbids it (64 ids a word, absent words forbid). For
  /// constrained decoding.
  std::shared_ptr<const std::vector<uint64_t>> allowed_tokens;
};

/// kBadInput, naming the parameter, if one is out of its range.
Status CheckSampling(const SamplingParams& params, int64_t n_vocab);

/// A row of logits and the largest of each block of kLogitBlock of them; NaN counts as -infinity.
struct LogitRow {
  std::span<float> logits;  // [n_vocab]
  std::span<float> maxima;  // [LogitBlocks(n_vocab)]
};

/// What the model said of a token and of the likeliest ones in its place: natural logarithms of probabilities
/// under softmax of the logits as they came, before anything above was done to them.
struct TokenLogprobs {
  static constexpr int kMaxTop = 20;
  struct Entry {
    int32_t id;
    float logprob;
  };
  float chosen = 0;
  int n_top = 0;
  std::array<Entry, kMaxTop> top;  // [n_top], the likeliest first
};

/// Working memory of Sampler::Draw, one per thread that draws.
class SamplerScratch {
 public:
  SamplerScratch(int64_t n_vocab, const KernelTable& kernels);
  static int64_t Bytes(int64_t n_vocab);

 private:
  friend class Sampler;
  const KernelTable& kernels_;
  std::vector<float> maxima_;       // [LogitBlocks(n_vocab)], where the caller has none
  std::vector<double> block_sums_;  // [LogitBlocks(n_vocab)], weights
  Candidates candidates_;
  std::vector<float> as_they_came_;  // [n_vocab], logits, for logprobs
};

/// The sampler of one request.
class Sampler {
 public:
  /// `params` have passed CheckSampling; at most max_tokens tokens will be drawn.
  Sampler(SamplingParams params, int64_t n_vocab, std::span<const int32_t> prompt,
          int64_t max_tokens);

  /// The next token of the answer; nothing if no id can be drawn (all are forbidden or NaN).
  /// Changes the row. Allocates nothing.
  std::optional<int32_t> Draw(const LogitRow& row, SamplerScratch& scratch);
  /// The same, with the logarithms of its probability and those of the n_top (at most kMaxTop) likeliest ids.
  std::optional<int32_t> Draw(const LogitRow& row, SamplerScratch& scratch, int n_top,
                              TokenLogprobs& logprobs);
  /// The same, for logits [n_vocab] without maxima: reads all of them once more.
  std::optional<int32_t> Draw(std::span<float> logits, SamplerScratch& scratch);

  /// From now on only ids whose bit is set may be drawn, as with allowed_tokens; the words are the caller's.
  void Restrict(std::span<const uint64_t> allowed) { allowed_ = allowed; }

 private:
  struct Seen {
    int32_t id;
    int32_t n_generated;
  };

  void Remember(int32_t id);
  void Adjust(const LogitRow& row, const KernelTable& kernels) const;
  int32_t DrawAtTemperature(const LogitRow& row, float max, SamplerScratch& scratch) const;
  void CollectNucleus(const LogitRow& row, const WeightScale& scale, uint64_t target,
                      Candidates& candidates) const;
  uint64_t NextRandom() const;

  SamplingParams params_;
  bool penalised_;
  std::optional<std::span<const uint64_t>> allowed_;  // nothing: all
  std::vector<Seen> seen_;  // sorted by id, kept only if a penalty is on
  uint64_t n_drawn_ = 0;
};

}  // namespace weir
