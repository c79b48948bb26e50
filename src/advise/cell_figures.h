// The figures of measured cells that advice rests on.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"
#include "store/read_progress.h"
#include "store/store.h"

namespace weir {

/// Over the repeats of one cell; nothing where nothing was measured.
struct CellFigures {
  std::optional<Figure> decode_tok_s, limit_tok_s, step_macs, prefill_tok_s, ttft_ms;
  std::optional<StepCost> step;  // the mean of its decode steps
  std::vector<std::pair<std::string, double>> joules_per_token;  // by boundary, gross, median
};

/// Reads them, and keeps what it read: cells that have ended do not change, and each costs a look at all of its steps.
class FigureReader {
 public:
  explicit FigureReader(ReadProgress progress = {}) : progress_(std::move(progress)) {}

  /// Of all good cells that weir's own engine gave on the machine with that fingerprint, with the build's kind of
  /// kernels (isa) and so many threads; not of those that only a search tried.
  Status Read(Database& database, const std::string& machine, const std::string& isa, int threads);
  /// Of those; null for any other cell.
  const CellFigures* Find(int64_t cell) const;

 private:
  struct Known {
    std::string stamp;  // another cell of the same id, in another file of the same name, has another one
    CellFigures figures;
  };

  ReadProgress progress_;
  std::map<int64_t, Known> known_;
};

}  // namespace weir
