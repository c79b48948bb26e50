// Rows that other tools measured, taken into the store beside one's own, and marked.
#pragma once

#include <string>

#include "store/store.h"

namespace weir {

struct ImportOutcome {
  int64_t run = 0;
  std::string tool;
  int n_rows = 0;
  int n_without_figure = 0;  // kept, but nothing in them can be compared
  int n_known = 0;           // left out: the store had them before
};

/// Poor Paul's Benchmark's CSV, or llama-bench's JSON lines (`-o jsonl`): told apart by their content. kBadInput with the
/// line of what cannot be read; then nothing is imported. Rows that an earlier import brought are left out. `file` is for
/// messages and the record.
Result<ImportOutcome> ImportForeignRows(const std::string& text, const std::string& file, Store& store);

}  // namespace weir
