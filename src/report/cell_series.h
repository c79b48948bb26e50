// Cells that differ in their number of users only belong to one line of a chart.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/report_data.h"

namespace weir {

struct CellSeries {
  std::string name;   // what tells this series from the others: mixture, and what else is not the same everywhere
  std::string model;  // the model without its mixture
  std::string conditions;  // load, target, kind of cache, threads, machine: what must be the same for two cells to be compared
  std::vector<const CellResult*> cells;  // by users; of several measurements the newest
  int style = 0;                         // colour, dash and marker, the mixture's where there are many series
  int shape = 0;                         // the marker where all series share one chart: the model's where there are many
};

/// Without the mixture that files have in their names: "Qwen3.5-2B" of "Qwen3.5-2B-Q8_0.gguf".
std::string ModelFamily(const ModelRow& model);
/// With its mixture, and of what another tool measured, that tool.
std::string CellTitle(const CellResult& cell);

/// In the order of their first cells, without those that a search tried: once or twice, to see whether they hold.
/// `superseded`: cells that were measured again later.
std::vector<CellSeries> GroupCells(std::span<const CellResult> cells, std::vector<const CellResult*>* superseded = nullptr);

/// Series whose points do not all fit one chart in a readable way, split by model.
std::vector<std::vector<const CellSeries*>> ChartsOf(const std::vector<CellSeries>& series);

}  // namespace weir
