// Answers of searches as people and programs read them.
#include <algorithm>

#include "bench/document.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

const Figure* FigureOf(const CapacityRow& row, const std::vector<CellResult>& cells, std::string_view figure) {
  const auto cell = std::find_if(cells.begin(), cells.end(), [&](const CellResult& c) { return c.id == row.cell; });
  return row.cell && cell != cells.end() ? cell->Find(figure) : nullptr;
}

Json MedianOrNull(const Figure* figure) { return figure ? Json(figure->median) : Json(nullptr); }

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string Load(double value, std::string_view unit) {
  if (unit == "requests_per_s") return fmt::format("{:.3g} requests a second", value);
  if (unit == "context_tokens") return fmt::format("{:.0f} tokens of context", value);
  return fmt::format("{:.0f} user{}", value, value == 1 ? "" : "s");
}

}  // namespace

Json CapacitiesJson(const std::vector<CapacityRow>& capacities, const std::vector<CellResult>& cells) {
  Json json = Json::array();
  for (const CapacityRow& row : capacities) {
    json.push_back({{"model", row.model_name},
                    {"quant", row.quant.empty() ? Json(nullptr) : Json(row.quant)},
                    {"target", row.target},
                    {"objective", row.objective},
                    {"unit", row.unit},
                    {"best", row.best},
                    {"broken", OrNull(row.broken)},
                    {"why", row.why.empty() ? Json(nullptr) : Json(row.why)},
                    {"predicted", OrNull(row.predicted)},
                    {"goodput_per_s", MedianOrNull(FigureOf(row, cells, "goodput_per_s"))},
                    {"goodput_tok_s", MedianOrNull(FigureOf(row, cells, "goodput_tok_s"))},
                    {"cell", OrNull(row.cell)}});
  }
  return json;
}

std::vector<std::string> CapacityLines(const std::vector<CapacityRow>& capacities,
                                       const std::vector<CellResult>& cells) {
  std::vector<std::string> lines;
  for (const CapacityRow& row : capacities) {
    std::string line = fmt::format("capacity of {}{} with {}: ", row.model_name,
                                   row.target == "engine" ? "" : " at " + row.target, row.objective);
    line += row.best > 0 ? Load(row.best, row.unit) : "not even the smallest load holds";
    if (!row.broken) line += ", and that was the most that was tried";
    const Figure* per_s = FigureOf(row, cells, "goodput_per_s");
    const Figure* tok_s = FigureOf(row, cells, "goodput_tok_s");
    if (per_s && tok_s) line += fmt::format("; goodput {:.3g} requests, {:.3g} tokens a second", per_s->median, tok_s->median);
    if (row.broken) line += fmt::format("; {}: {}", Load(*row.broken, row.unit), row.why);
    lines.push_back(line);
  }
  return lines;
}

}  // namespace weir
