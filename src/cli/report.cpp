// weir report: what was measured, as an article.
#include <filesystem>
#include <memory>

#include "cli/row_commands.h"
#include "cli/format.h"
#include "cli/machines_folder.h"
#include "cli/progress.h"
#include "cli/report_serve.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr const char* kDefaultFile = "weir-report.html";

struct Flags {
  ServeReport report;
  std::string html, markdown, charts;
  bool json = false, serve = false;
};

bool ChoosesRows(const RowFlags& rows) {
  return rows.run > 0 || rows.last > 0 || !rows.campaign.empty() || !rows.model.empty() || !rows.status.empty();
}

Status WriteCharts(const Report& article, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return BadInput("--svg {}: cannot make that folder: {}", folder, error.message());
  for (const Section& section : article.sections) {
    for (size_t i = 0; i < section.pictures.size(); ++i) {
      WEIR_RETURN_IF_ERROR(WriteOutput(RenderSvgFile(section.pictures[i].chart), fmt::format("{}/{}-{}.svg", folder, section.id, i + 1)));
    }
  }
  return {};
}

/// Reading ends when the user asks to stop; what is written after it appears whole.
Result<ReportData> ReadWithProgress(const RowFlags& rows, const MachineCatalogue& catalogue) {
  Progress progress("reading rows");
  ReportReader reader(progress.UntilInterrupted());
  WEIR_TRY(ReportData data, ReadReport(rows, &catalogue, reader));
  if (Interrupted()) return Error{ErrorCode::kInterrupted, "interrupted", {}};
  return data;
}

Status WriteForm(const std::string& text, const std::string& file, const ReportData& data) {
  if (file == "-") return WriteOutput(text, "");
  WEIR_RETURN_IF_ERROR(WriteOutput(text, file));
  PrintMessage(fmt::format("{}: {} {} of {}\n", EscapedControls(file), data.cells.size(), data.cells.size() == 1 ? "cell" : "cells", EscapedControls(data.db)));
  return {};
}

Result<int> RunReport(const Flags& flags) {
  if (flags.serve) return ServeReportPage(flags.report);
  WEIR_TRY(const MachineCatalogue catalogue, LoadMachines(DefaultMachinesFolder()));
  CatchInterrupts();
  WEIR_TRY(const ReportData data, ReadWithProgress(flags.report.rows, catalogue));
  const Report article = MakeReport(data);
  const bool any = flags.json || !flags.html.empty() || !flags.markdown.empty() || !flags.charts.empty();
  const std::string html = any ? flags.html : kDefaultFile;
  if (!html.empty()) WEIR_RETURN_IF_ERROR(WriteForm(HtmlOf(article), html, data));
  if (!flags.markdown.empty()) WEIR_RETURN_IF_ERROR(WriteForm(MarkdownOf(article), flags.markdown, data));
  if (!flags.charts.empty()) WEIR_RETURN_IF_ERROR(WriteCharts(article, flags.charts));
  if (flags.json) WEIR_RETURN_IF_ERROR(WriteOutput(JsonOf(article) + "\n", ""));
  return kExitOk;
}

}  // namespace

Result<ReportData> ReadReport(const RowFlags& flags, const MachineCatalogue* catalogue, ReportReader& reader) {
  const FleetSelection wanted = ChoosesRows(flags) ? SelectionOf(flags, INT64_MAX) : FleetSelection{.newest = true};
  WEIR_TRY(Store store, OpenResults(flags.db, wanted));
  // All questions are answered by the same moment.
  WEIR_RETURN_IF_ERROR(store.database().Run("BEGIN"));
  WEIR_TRY(std::vector<int64_t> cells, ChoosesRows(flags) ? SelectCellIds(store, flags, INT64_MAX) : NewestCells(store));
  WEIR_TRY(ReportData data, reader.Read(store, std::move(cells)));
  if (catalogue) {
    WEIR_TRY(data.advice, reader.ReadAdvice(store, data, *catalogue));
  }
  return data;
}

Command AddReport(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddRowFlags(app, flags->report.rows);
  app.add_option("--html", flags->html, fmt::format("This file, or - for stdout (default: {})", kDefaultFile));
  app.add_option("--md", flags->markdown, "The same as Markdown, into this file, or - for stdout");
  app.add_option("--svg", flags->charts, "Each chart as a file of its own, into this folder");
  CLI::Option* json = app.add_flag("--json", flags->json, "Its sentences and tables as one JSON document on stdout");
  CLI::Option* serve = app.add_flag("--serve", flags->serve, "The page on http://127.0.0.1, live while a campaign runs")->excludes(json);
  app.add_option("--port", flags->report.port, "With --serve; 0: one that is free, which is printed")->check(CLI::Range(0, 65535))->capture_default_str()->needs(serve);
  app.add_option("--refresh", flags->report.refresh_s, "With --serve: seconds after which the page loads itself again")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str()
      ->needs(serve);
  app.footer(
      "Without a choice: the newest run, or all of the campaign that it belongs to. The file needs no network and no\n"
      "script; each figure carries its SQL and row ids.\n\nExamples:\n"
      "  weir bench --suite article; weir report     # the article about this machine\n"
      "  weir report --campaign article --html article.html --md article.md\n"
      "  weir report --run 12 --md -\n"
      "  weir report --model Q4_K_M --svg charts\n"
      "  weir report --serve                         # beside a running weir bench\n\n"
      "Exit code: 0, also for no rows; 2 where there is no database.");
  return [flags] { return RunReport(*flags); };
}

}  // namespace weir
