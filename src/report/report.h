// The article about a machine that its rows can bear, and its three forms.
#pragma once

#include <string>

#include "report/article.h"
#include "report/report_data.h"

namespace weir {

Report MakeReport(const ReportData& data);

struct HtmlOptions {
  int refresh_s = 0;         // the page loads itself again; 0: never
  std::string banner = {};   // a line above everything
};
/// One file that needs nothing else: no network, no script. It is well-formed XML too.
std::string HtmlOf(const Report& article, const HtmlOptions& options = {});
/// Charts are the tables of their points.
std::string MarkdownOf(const Report& article);
/// One document: sentences and tables with their evidence; numbers with all digits.
std::string JsonOf(const Report& article);

}  // namespace weir
