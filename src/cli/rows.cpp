// weir rows: what was measured so far.
#include <memory>

#include "bench/document.h"
#include "bench/flat_rows.h"
#include "cli/compare_text.h"
#include "cli/row_commands.h"
#include "cli/format.h"
#include "cli/result_database.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr int64_t kMost = 40;

struct Flags {
  RowFlags rows;
  bool json = false, csv = false;
};

std::string Table(std::vector<CellResult> cells) {
  for (CellResult& cell : cells) {
    for (std::string* text : {&cell.model.name, &cell.model.quant, &cell.reason, &cell.row.target}) *text = Escaped(*text);
    for (Flag& flag : cell.flags) flag.detail = Escaped(flag.detail);
  }
  const TableStyle style{StdoutStyle("\x1b[1m"), StdoutStyle("\x1b[2m"), StdoutStyle("\x1b[33m"), StdoutStyle("\x1b[0m")};
  return RenderTable(cells, TerminalWidth(), style);
}

Result<int> RunCommand(const Flags& flags) {
  WEIR_TRY(Store store, OpenResults(flags.rows.db, SelectionOf(flags.rows, kMost)));
  WEIR_TRY(const std::vector<CellResult> cells, SelectCells(store, flags.rows, kMost));
  std::vector<ComparedAnswers> answers;
  const bool of_one_campaign = flags.rows.run > 0 || !flags.rows.campaign.empty();
  if (of_one_campaign && !cells.empty()) {
    WEIR_TRY(const std::vector<AskedRow> asked, store.AskedWith(cells.back().run));
    answers = CompareAnswers(asked);
  }
  std::vector<Json> flat;
  for (const CellResult& cell : cells) flat.push_back(FlatRow(cell));
  if (flags.json) {
    PrintJson({{"db", store.path()}, {"cells", CellsJson(cells)}, {"answers", AnswersJson(answers)}});
  } else {
    WEIR_RETURN_IF_ERROR(WriteOutput(flags.csv ? CsvOf(flat) : Table(cells), ""));
    if (!flags.csv) {
      for (const std::string& line : AnswerLines(answers)) fmt::print("{}\n", Wrap(line, TerminalWidth(), 2));
    }
  }
  return kExitOk;
}

}  // namespace

Command AddRows(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  AddRowFlags(app, flags->rows);
  auto* json = app.add_flag("--json", flags->json, "One JSON document on stdout");
  app.add_flag("--csv", flags->csv, "Comma-separated, one line for each cell")->excludes(json);
  app.footer(
      "Shows the last 40 cells unless told which.\n\nExamples:\n"
      "  weir rows\n"
      "  weir rows --campaign article\n"
      "  weir rows --model Q4_K_M --status ok --csv > rows.csv\n\n"
      "Exit code: 0, also for no rows; 2 where there is no database.");
  return [flags] { return RunCommand(*flags); };
}

}  // namespace weir
