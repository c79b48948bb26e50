// Published numbers, as somebody wrote them down for weir audit: TOML, or CSV with rows only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "advise/fit.h"
#include "util/error.h"

namespace weir {

/// Tokens per second that somebody published.
struct PublishedRow {
  std::string machine;  // of the catalogue
  std::string model, quant;
  int users = 1;
  double tok_s = 0;    // of all users together
  std::string figure;  // "peak", "median", or empty where it was not said
  std::optional<double> ttft_ms;
};

/// A bandwidth that the publication names for its machine.
struct ClaimedBandwidth {
  std::string name;
  double gb_s = 0;
};

/// "`of` is low to high times `to`", of speeds.
struct RatioClaim {
  std::string text, of, to;
  double low = 0, high = 0;
};

/// "This model fits like that."
struct FitClaim {
  std::string text, model, quant, machine;
  Comfort comfort = Comfort::kNo;
};

/// Watts, and of what.
struct PowerClaim {
  std::string text, machine, boundary;  // "chip", "card", "system", "wall"
  double low_w = 0, high_w = 0;
};

struct Article {
  std::string title, machine;
  std::vector<ClaimedBandwidth> bandwidths;
  std::vector<PublishedRow> rows;
  std::vector<RatioClaim> ratios;
  std::vector<FitClaim> fits;
  std::vector<PowerClaim> powers;
};

/// kBadInput with the line, for what is no such document.
Result<Article> ParseArticle(std::string_view toml, const std::string& path);
/// The first line names the columns: machine, model, quant, users, tok_s, and maybe figure and ttft_ms.
Result<Article> ParseArticleCsv(std::string_view csv, const std::string& path);

}  // namespace weir
