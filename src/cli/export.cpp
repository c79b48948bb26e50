// weir export and weir import: rows for other programs, and rows of other programs.
#include <cstdio>
#include <memory>

#include "bench/flat_rows.h"
#include "bench/foreign_rows.h"
#include "bench/parquet_rows.h"
#include "cli/fleet.h"
#include "cli/row_commands.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "cli/result_database.h"
#include "cli/version.h"
#include "util/atomic_file.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

struct ExportFlags {
  RowFlags rows;
  std::string format, to, submitter;
};

/// Cell by cell: only a group of rows is in memory at a time.
Status WriteParquet(Store& store, const RowFlags& rows, const ParquetWriter::Sink& sink) {
  WEIR_TRY(const std::vector<int64_t> ids, SelectCellIds(store, rows, INT64_MAX));
  WEIR_TRY(std::vector<ParquetColumn> columns, FlatColumns(store));
  ParquetWriter table(std::move(columns), "weir version " + VersionNumber(), sink);
  Progress progress("exporting");
  for (size_t i = 0; i < ids.size(); ++i) {
    if (Interrupted()) return Error{ErrorCode::kInterrupted, "interrupted", {}};
    WEIR_TRY(const CellResult cell, store.ResultOfCell(ids[i]));
    WEIR_RETURN_IF_ERROR(AppendCell(cell, table));
    progress.Update(static_cast<int64_t>(i) + 1, static_cast<int64_t>(ids.size()));
  }
  return table.Finish();
}

Status ExportParquet(Store& store, const ExportFlags& flags) {
  CatchInterrupts();
  if (flags.to.empty()) {
    return WriteParquet(store, flags.rows, [](std::string_view bytes) {
      const bool written = std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size();
      return written ? Status() : Failed("standard output cannot be written");
    });
  }
  WEIR_TRY(AtomicFile file, AtomicFile::Create(flags.to));
  WEIR_RETURN_IF_ERROR(WriteParquet(store, flags.rows, [&](std::string_view bytes) {
    return file.Write(bytes.data(), bytes.size());
  }));
  return file.Commit();
}

Result<int> Export(const ExportFlags& flags) {
  const bool parquet = flags.format == "parquet";
  if (parquet && flags.to.empty() && StdoutIsTerminal()) {
    return WithHint(BadInput("export parquet: a terminal cannot show this format"), "name a file with --to");
  }
  WEIR_TRY(Store store, OpenResults(flags.rows.db, SelectionOf(flags.rows, INT64_MAX)));
  if (parquet) {
    WEIR_RETURN_IF_ERROR(ExportParquet(store, flags));
    return kExitOk;
  }
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
               {"rows_without_figure", outcome.n_without_figure}, {"rows_known", outcome.n_known},
               {"fleet", SentJson(sent)}});
    WEIR_RETURN_IF_ERROR(sent.status);
    return kExitOk;
  }
  fmt::print("{} rows of {} are in {}, marked as foreign\n", outcome.n_rows, outcome.tool, path);
  if (outcome.n_known > 0) fmt::print("{} more were there already\n", outcome.n_known);
  if (outcome.n_without_figure > 0) {
    fmt::print("{} of them say nothing that can be compared: they are kept as they came\n", outcome.n_without_figure);
  }
  WEIR_RETURN_IF_ERROR(sent.status);
  return kExitOk;
}

}  // namespace

Command AddExport(CLI::App& app) {
  auto flags = std::make_shared<ExportFlags>();
  app.add_option("FORMAT", flags->format, "csv, jsonl, parquet, llama-bench (its SQL) or ppb (Poor Paul's Benchmark's CSV)")
      ->required()
      ->check(CLI::IsMember({"csv", "jsonl", "parquet", "llama-bench", "ppb"}));
  AddRowFlags(app, flags->rows);
  app.add_option("--to", flags->to, "A file (default: stdout)");
  app.add_option("--submitter", flags->submitter, "Your name in the form of Poor Paul's Benchmark");
  app.footer(
      "Writes all cells unless told which.\n\nExamples:\n"
      "  weir export csv --to rows.csv\n"
      "  weir export parquet --to rows.parquet\n"
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
      "Rows that an earlier import brought are left out.\n"
      "Exit code: 0; 2 for a file that is neither, of which nothing is imported then.");
  return [flags] { return Import(*flags); };
}

}  // namespace weir
