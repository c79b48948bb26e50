// The report as a page that follows a campaign.
#pragma once

#include "cli/result_database.h"
#include "report/report.h"

namespace weir {

/// The cells that the flags choose; the newest run's, or its campaign's, if they choose none. Of a database that is being
/// written it is one moment. Without a catalogue there is no verdict.
Result<ReportData> ReadReport(const RowFlags& flags, const MachineCatalogue* catalogue, ReportReader& reader);

struct ServeReport {
  RowFlags rows;
  int port = 8090, refresh_s = 10;
};
/// Until the user stops it, on loopback only.
Result<int> ServeReportPage(const ServeReport& options);

}  // namespace weir
