#include <set>

#include "report/sections.h"
#include "report/text.h"

namespace weir {

ReportValue NumberValue(std::optional<double> number) {
  return number ? ReportValue{ThreeDigits(*number), number} : ReportValue{};
}
ReportValue TextValue(std::string text) { return text.empty() ? ReportValue{} : ReportValue{std::move(text), {}}; }
ReportValue IntValue(int64_t number) { return {fmt::to_string(number), static_cast<double>(number)}; }

std::optional<double> MedianOf(const CellResult& cell, std::string_view figure) {
  const Figure* found = cell.Find(figure);
  return found ? std::optional(found->median) : std::nullopt;
}

std::optional<double> PeakOf(const CellResult& cell, std::string_view figure) {
  const Figure* found = cell.Find(figure);
  // Of a median that another tool made there is nothing else.
  return found && cell.foreign_tool.empty() ? std::optional(found->greatest) : std::nullopt;
}

std::string CellUsersText(const CellResult& cell) { return Count(cell.row.users, "user"); }

std::vector<const CellResult*> CellsOf(const ReportView& view) {
  std::vector<const CellResult*> cells;
  for (const CellSeries& series : view.series) cells.insert(cells.end(), series.cells.begin(), series.cells.end());
  return cells;
}

std::vector<int64_t> IdsOf(const std::vector<const CellResult*>& cells) {
  std::vector<int64_t> ids;
  for (const CellResult* cell : cells) ids.push_back(cell->id);
  return ids;
}

Axis UsersAxis(const ReportView& view) {
  std::set<double> users;
  for (const CellResult* cell : CellsOf(view)) users.insert(cell->row.users);
  Axis axis{"users at the same time"};
  axis.ticks.assign(users.begin(), users.end());
  axis.log = !users.empty() && *users.rbegin() >= 4 * *users.begin();
  return axis;
}

}  // namespace weir
