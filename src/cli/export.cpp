// weir export and weir import: rows for other programs, and rows of other programs.
#include <filesystem>
#include <memory>

#include "bench/flat_rows.h"
#include "bench/foreign_rows.h"
#include "cli/fleet.h"
#include "cli/row_commands.h"
#include "cli/load.h"
#include "cli/result_database.h"

namespace weir {
namespace {

struct ExportFlags {
  RowFlags rows;
  std::string format, to, submitter;
};

Result<int> Export(const ExportFlags& flags) {
  WEIR_TRY(Store store, OpenResults(flags.rows.db, SelectionOf(flags.rows, INT64_MAX)));
  WEIR_TRY(const std::vector<CellResult> cells, SelectCells(store, flags.rows, INT64_MAX));
  std::string text;
  int n_left_out = 0;
  if (flags.format == "llama-bench") {
    text = LlamaBenchSql(cells, n_left_out);
  } else if (flags.format == "ppb") {
    text = PoorPaulsCsv(cells, flags.submitter, n_left_out);
  } else {
    std::vector<Json> flat;
    for (const CellResult& cell : cells) flat.push_back(FlatRow(cell));
    text = flags.format == "csv" ? CsvOf(flat) : JsonLinesOf(flat);
  }
  WEIR_RETURN_IF_ERROR(WriteOutput(text, flags.to));
  if (n_left_out > 0) {
    PrintMessage(fmt::format("{} of {} cells have no place in this form and were left out\n", n_left_out, cells.size()));
  }
  return kExitOk;
}

struct ImportFlags {
  std::string db, file;
  bool json = false;
};

Result<int> Import(const ImportFlags& flags) {
  WEIR_TRY(const std::string text, ReadInput(flags.file));
  WEIR_TRY(Store store, OpenForWriting(flags.db));
  const std::string& path = store.path();
  WEIR_TRY(const ImportOutcome outcome, ImportForeignRows(text, flags.file, store));
  const SentRows sent = SendRows(flags.db, store);
  if (flags.json) {
    PrintJson({{"db", path}, {"tool", outcome.tool}, {"rows", outcome.n_rows},
               {"rows_without_figure", outcome.n_without_figure}, {"fleet", SentJson(sent)}});
    WEIR_RETURN_IF_ERROR(sent.status);
    return kExitOk;
  }
  fmt::print("{} rows of {} are in {}, marked as foreign\n", outcome.n_rows, outcome.tool, path);
  if (outcome.n_without_figure > 0) {
    fmt::print("{} of them say nothing that can be compared: they are kept as they came\n", outcome.n_without_figure);
  }
  WEIR_RETURN_IF_ERROR(sent.status);
  return kExitOk;
}

}  // namespace

Command AddExport(CLI::App& app) {
  auto flags = std::make_shared<ExportFlags>();
  app.add_option("FORMAT", flags->format, "csv, jsonl, llama-bench (its SQL) or ppb (Poor Paul's Benchmark's CSV)")
      ->required()
      ->check(CLI::IsMember({"csv", "jsonl", "llama-bench", "ppb"}));
  AddRowFlags(app, flags->rows);
  app.add_option("--to", flags->to, "A file (default: stdout)");
  app.add_option("--submitter", flags->submitter, "Your name in the form of Poor Paul's Benchmark");
  app.footer(
      "Writes all cells unless told which.\n\nExamples:\n"
      "  weir export csv --to rows.csv\n"
      "  weir export llama-bench | sqlite3 llama-bench.sqlite\n"
      "  weir export ppb --campaign article --submitter me --to rows.csv\n\n"
      "Exit code: 0; 1 if the file cannot be written; 2 for wrong usage or where there is no database.");
  return [flags] { return Export(*flags); };
}

Command AddImport(CLI::App& app) {
  auto flags = std::make_shared<ImportFlags>();
  app.add_option("FILE", flags->file, "A CSV of Poor Paul's Benchmark, or what llama-bench -o jsonl printed; - for stdin")
      ->required();
  AddDatabaseFlag(app, flags->db);
  app.add_flag("--json", flags->json, "One JSON document on stdout");
  app.footer(
      "Examples:\n"
      "  llama-bench -m model.gguf -o jsonl | weir import -\n"
      "  weir import ppb-results.csv && weir rows\n\n"
      "Exit code: 0; 2 for a file that is neither, of which nothing is imported then.");
  return [flags] { return Import(*flags); };
}

}  // namespace weir
