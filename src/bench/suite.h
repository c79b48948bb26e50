// A campaign as a file: TOML, described in docs/suites.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bench.h"

namespace weir {

struct Suite {
  std::string name, description;
  std::string text;      // of the file
  BenchOptions options;  // what all cells share
  std::vector<CellSpec> cells;
};

/// Of a search that does not say how many users are the most.
inline constexpr int kMostSearchedUsers = 256;

/// What a cell is unless the suite says otherwise.
struct SuiteDefaults {
  std::string kv = "f16";
  int threads = 1;
};

/// kBadInput with `file`, line, what is wrong, and what may have been meant. A cell that is described twice is
/// there once.
Result<Suite> ParseSuite(const std::string& text, const std::string& file, const SuiteDefaults& defaults);

/// The suites inside the program.
struct ShippedSuite {
  std::string_view name, text;
};
std::vector<ShippedSuite> ShippedSuites();

/// The text of a suite: of the file with that path, or the shipped one with that name. kBadInput if there is
/// neither, with the names that there are.
struct SuiteText {
  std::string file, text;
};
Result<SuiteText> FindSuite(const std::string& name);

}  // namespace weir
