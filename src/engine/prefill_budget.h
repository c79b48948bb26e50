// How many prompt tokens a step may compute, so that those who decode beside them get their next token in time.
// Learned from the steps themselves: no clock in here.
#pragma once

#include <cstdint>
#include <vector>

namespace weir {

class PrefillBudget {
 public:
  /// target_ns: what a step may take while somebody decodes, 0 for no matter how long. max_tokens: the largest
  /// answer, and the answer where nobody decodes.
  PrefillBudget(int64_t target_ns, int64_t max_tokens, int max_sequences);

  /// Prompt tokens beside n_decoding rows. At least 16, and at least as many as take a fifth of the step,
  /// also where the decoding rows alone take longer than the target: prompts wait, but not for ever.
  int64_t Tokens(int64_t n_decoding) const;

  /// A step of these rows took so long.
  void Observe(int n_decode_rows, int n_prefill_rows, int64_t step_ns);

 private:
  double DecodeNs(int64_t n_rows) const;

  const int64_t target_ns_, max_tokens_;
  std::vector<double> decode_ns_;  // [max_sequences + 1]: of steps with so many decoding rows alone; 0: not seen
  double prefill_row_ns_ = 0;      // what a prompt token adds to a step; 0: not seen
};

}  // namespace weir
