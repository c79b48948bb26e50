// Rows for other programs: every cell as one flat object, and those as files of several kinds.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace weir {

/// Who computed a cell: weir's engine, or who a server said that it is.
struct ComputedBy {
  std::string engine, version;  // empty: it is not known
  int64_t threads = 0;          // 0: it is not known
};
ComputedBy WhoComputed(const CellResult& cell);

/// A cell as names and plain values: the keys of CellsJson joined with '_', and where it comes from.
nlohmann::ordered_json FlatRow(const CellResult& cell);

/// RFC 4180: a heading, then a line each; null is nothing between commas.
std::string CsvOf(const std::vector<nlohmann::ordered_json>& rows);
std::string JsonLinesOf(const std::vector<nlohmann::ordered_json>& rows);

/// The fields of a CSV text, line by line; quoted fields may hold commas, quotes and line ends. kBadInput with the
/// line of a quote that is not closed.
Result<std::vector<std::vector<std::string>>> ParseCsv(std::string_view text, const std::string& name);

/// The table llama-bench's `-o sql` makes, with rows for prompt (pp) and generation (tg) of each cell with one user.
/// llama-bench knows no more users: `n_left_out` counts what has no place there, null targets among it.
std::string LlamaBenchSql(const std::vector<CellResult>& cells, int& n_left_out);

/// The 88 columns in which Poor Paul's Benchmark publishes, version 0.1.0, of each cell with an aggregate rate that
/// something was computed for, but the probes of searches.
/// `submitter` may be empty.
std::string PoorPaulsCsv(const std::vector<CellResult>& cells, const std::string& submitter, int& n_left_out);
const std::vector<std::string_view>& PoorPaulsColumns();

}  // namespace weir
