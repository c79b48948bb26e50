// What somebody wants of a machine: what a verdict is about.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "util/error.h"

namespace weir {

struct Need {
  int users = 1;                      // at the same time
  int64_t prompt_tokens = 0;          // of a prompt; 0: as in the newest row, or kUsualPrompt
  int64_t context_tokens = 8192;      // of each user, prompts and answers
  std::optional<double> min_tok_s;    // for each user
  std::optional<double> max_ttft_ms;  // for the last of all users, who ask at once
  double least_params = 0;            // 9e9: "9b"
  std::optional<double> max_kl;       // nats, mean, from the original
  std::optional<double> budget_usd;
  std::optional<double> usd_per_kwh;    // nothing: energy costs nothing
  double years = 3, hours_per_day = 8;  // at full load; off otherwise
  // Of the computer around a card or a processor, whose own price and power are all that the
  // catalogue has.
  std::optional<double> host_usd, host_w;
};

inline constexpr int64_t kUsualPrompt = 1024;

/// kBadInput, with the flag's name, for what nobody can need.
Status CheckNeed(const Need& need);

/// "9b", "0.8B", "135M" as 9e9, 0.8e9, 135e6; kBadInput, with the flag's name, for anything else.
Result<double> ParseParameters(std::string_view flag, const std::string& text);
/// "2s", "500ms" as milliseconds.
Result<double> ParseMilliseconds(std::string_view flag, const std::string& text);

}  // namespace weir
