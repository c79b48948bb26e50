// The sections of a report. Each says in sentences what its tables and charts show; one that has nothing to show says
// why.
#pragma once

#include <vector>

#include "report/article.h"
#include "report/cell_series.h"
#include "report/report_data.h"

namespace weir {

/// What all sections look at.
struct ReportView {
  const ReportData& data;
  std::vector<CellSeries> series;              // cells with figures, of several measurements the newest
  std::vector<const CellResult*> superseded;   // measured again later
};

Section ThroughputSection(const ReportView& view);
Section LatencySection(const ReportView& view);
Section RooflineSection(const ReportView& view);
Section MemorySection(const ReportView& view);
Section EnergySection(const ReportView& view);
Section FrontierSection(const ReportView& view);
Section CliffSection(const ReportView& view);
Section VerdictSection(const ReportView& view);
Section ExclusionSection(const ReportView& view);
Section MethodSection(const ReportView& view);

// For their tables.
ReportValue NumberValue(std::optional<double> number);
ReportValue TextValue(std::string text);
ReportValue IntValue(int64_t number);
/// The median, or the greatest, of a figure of a cell.
std::optional<double> MedianOf(const CellResult& cell, std::string_view figure);
std::optional<double> PeakOf(const CellResult& cell, std::string_view figure);
/// "3 users" or "1 user".
std::string CellUsersText(const CellResult& cell);
/// All cells of all series.
std::vector<const CellResult*> CellsOf(const ReportView& view);
std::vector<int64_t> IdsOf(const std::vector<const CellResult*>& cells);
/// An axis of numbers of users.
Axis UsersAxis(const ReportView& view);

}  // namespace weir
