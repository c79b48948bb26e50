#include "advise/need.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "advise/fit.h"

namespace weir {
namespace {

constexpr int64_t kMostTokens = int64_t{1} << 24;

/// A positive number followed by a unit, in lower case; nothing if it is anything else.
struct Quantity {
  double number = 0;
  std::string unit;
};
std::optional<Quantity> ParseQuantity(const std::string& text) {
  Quantity quantity;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (error != std::errc() || !std::isfinite(quantity.number) || quantity.number <= 0)
    return std::nullopt;
  quantity.unit.assign(end, text.data() + text.size());
  for (char& c : quantity.unit) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return quantity;
}

/// The value if it is given and outside [least, most].
Status CheckRange(std::string_view flag, std::optional<double> value, double least, double most) {
  if (!value || (*value >= least && *value <= most)) return {};
  return BadInput("--{} {}: expected {} to {}", flag, *value, least, most);
}

}  // namespace

Status CheckNeed(const Need& need) {
  WEIR_RETURN_IF_ERROR(CheckRange("users", need.users, 1, kMostUsers));
  WEIR_RETURN_IF_ERROR(CheckRange("prompt", static_cast<double>(need.prompt_tokens), 0,
                                  static_cast<double>(kMostTokens)));
  WEIR_RETURN_IF_ERROR(CheckRange("ctx", static_cast<double>(need.context_tokens), 1,
                                  static_cast<double>(kMostTokens)));
  WEIR_RETURN_IF_ERROR(CheckRange("min-tps", need.min_tok_s, 1e-3, 1e6));
  WEIR_RETURN_IF_ERROR(CheckRange("max-ttft", need.max_ttft_ms, 1e-3, 1e9));
  WEIR_RETURN_IF_ERROR(CheckRange("model-at-least", need.least_params, 0, 1e15));
  WEIR_RETURN_IF_ERROR(CheckRange("max-kl", need.max_kl, 0, 1e3));
  WEIR_RETURN_IF_ERROR(CheckRange("budget", need.budget_usd, 0, 1e9));
  WEIR_RETURN_IF_ERROR(CheckRange("kwh", need.usd_per_kwh, 0, 1e3));
  WEIR_RETURN_IF_ERROR(CheckRange("years", need.years, 0.1, 30));
  WEIR_RETURN_IF_ERROR(CheckRange("hours-per-day", need.hours_per_day, 0.01, 24));
  WEIR_RETURN_IF_ERROR(CheckRange("host-usd", need.host_usd, 0, 1e6));
  WEIR_RETURN_IF_ERROR(CheckRange("host-watts", need.host_w, 0, 1e5));
  if (need.prompt_tokens > need.context_tokens) {
    return BadInput("--prompt {}: expected no more than --ctx {}", need.prompt_tokens,
                    need.context_tokens);
  }
  return {};
}

Result<double> ParseParameters(std::string_view flag, const std::string& text) {
  const std::optional<Quantity> quantity = ParseQuantity(text);
  if (quantity && quantity->unit == "b") return quantity->number * 1e9;
  if (quantity && quantity->unit == "m") return quantity->number * 1e6;
  return BadInput("{} '{}': expected parameters, such as 9b or 135m", flag, text);
}

Result<double> ParseMilliseconds(std::string_view flag, const std::string& text) {
  const std::optional<Quantity> quantity = ParseQuantity(text);
  if (quantity && quantity->unit == "s") return quantity->number * 1e3;
  if (quantity && quantity->unit == "ms") return quantity->number;
  return BadInput("{} '{}': expected a time, such as 2s or 500ms", flag, text);
}

}  // namespace weir
