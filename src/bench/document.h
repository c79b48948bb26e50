// Results as people and programs read them. Nothing is printed here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace weir {

/// The array "cells" of `weir bench --json`. Keys keep their names, what is absent is null.
nlohmann::ordered_json CellsJson(const std::vector<CellResult>& cells);

/// "rankings": cells with equal loads by their decode rate, fastest first, as groups of indices of `cells`; those of a
/// group are tied.
nlohmann::ordered_json RankingsJson(const std::vector<CellResult>& cells);

/// The same in words, a line for each load: "1 user, 64+32 tokens: a > b = c". Texts in `cells` must be printable.
std::vector<std::string> RankingLines(const std::vector<CellResult>& cells);

/// "capacities": the answers of searches. `cells` are those of the same run or campaign.
nlohmann::ordered_json CapacitiesJson(const std::vector<CapacityRow>& capacities, const std::vector<CellResult>& cells);

/// The same in words, a line for each.
std::vector<std::string> CapacityLines(const std::vector<CapacityRow>& capacities,
                                       const std::vector<CellResult>& cells);

/// Terminal escapes; all empty where there is no terminal.
struct TableStyle {
  std::string_view head, dim, warn, reset;
};

/// The table of a run, no line wider than `width` columns (at least 48), then what has to be said
/// about single cells: the reason of a status, and a line for each flag. Where the table does not
/// fit, it is first made compact, then the models move to lines of their own, then columns are left
/// out from the least telling one, and a line says so. Texts in `cells` must be printable.
std::string RenderTable(const std::vector<CellResult>& cells, int width, const TableStyle& style);

/// "qwen3.5-2b*" of "synth:qwen3.5-2b:Q8_0", the file's name without ".gguf" of a path.
std::string ModelTitle(const ModelRow& model);

/// `text` broken between words into lines of at most `width` columns, all but the first indented.
std::string Wrap(std::string_view text, int width, int indent);

}  // namespace weir
