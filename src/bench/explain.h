// Where the time of one step goes, beside each part's own limit.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/bench.h"
#include "bench/document.h"
#include "machine/rates.h"

namespace weir {

/// For each cell with a profile, a table of a mean decode step and one of a mean prefill step, 80 columns
/// wide; empty without profiles. Without `rates` (may be null) there are no limits. A part's limit is T* of
/// its own bytes and operations; the step's is T* of their sums, which is less where some parts wait for
/// memory and others for multiplications.
std::string RenderExplanations(const std::vector<CellProfile>& profiles, const MachineRates* rates,
                               const std::vector<CellResult>& cells, const TableStyle& style);

/// Adds "explain" to the cells that have a profile; `json` is CellsJson(cells).
void AddExplanations(const std::vector<CellProfile>& profiles, const MachineRates* rates,
                     const std::vector<CellResult>& cells, nlohmann::ordered_json& json);

}  // namespace weir
