// weir sql: a question to the results database, which it cannot change.
#include "cli/sql.h"

#include <algorithm>
#include <memory>

#include "bench/flat_rows.h"
#include "cli/row_commands.h"
#include "cli/format.h"
#include "cli/result_database.h"
#include "model/text/utf8.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr int kNarrowest = 3;

struct Flags {
  std::string db, query;
  bool json = false, csv = false;
};

std::string CellText(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  return value.is_string() ? Escaped(value.get<std::string>()) : value.dump();
}

/// One per code point; Escaped leaves nothing that moves the cursor.
int TextWidth(const std::string& text) { return static_cast<int>(CountCharacters(text)); }

/// Columns as wide as their content, the widest ones cut until the terminal holds all of them.
std::string Table(const std::vector<Json>& rows, const std::vector<std::string>& names, int width) {
  std::vector<std::vector<std::string>> lines{{}};
  for (const std::string& name : names) lines[0].push_back(Escaped(name));
  for (const Json& row : rows) {
    lines.emplace_back();
    for (const Json& value : row) lines.back().push_back(CellText(value));
  }
  std::vector<int> widths(names.size(), 0);
  int total = -2;
  for (size_t i = 0; i < names.size(); ++i) {
    for (const auto& line : lines) widths[i] = std::max(widths[i], TextWidth(line[i]));
    total += widths[i] + 2;
  }
  while (total > width) {
    int& widest = *std::max_element(widths.begin(), widths.end());
    if (widest <= kNarrowest) break;
    --widest;
    --total;
  }
  std::string text;
  for (const auto& line : lines) {
    std::string shown;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string field = Shorten(line[i], widths[i]);
      shown += field;
      if (i + 1 < line.size()) shown.append(static_cast<size_t>(std::max(0, widths[i] - TextWidth(field)) + 2), ' ');
    }
    text += shown + "\n";
  }
  return text;
}

Result<int> RunCommand(const Flags& flags) {
  WEIR_TRY(Store store, OpenResults(flags.db));
  Database& database = store.database();
  WEIR_RETURN_IF_ERROR(database.Run("PRAGMA query_only = ON"));
  Result<Statement> query = database.Prepare(flags.query);
  if (!query) return WithHint(BadInput("{}", query.error().message), "tables and views: docs/metrics.md");
  if (!query->read_only()) return BadInput("weir sql only reads: the database stays as it is");
  std::vector<std::string> names;
  for (int i = 0; i < query->n_columns(); ++i) names.push_back(query->ColumnName(i));
  std::vector<Json> arrays, objects;
  WEIR_RETURN_IF_ERROR(query->ForEach([&](const Statement& row) {
    Json array = Json::array(), object = Json::object();
    for (int i = 0; i < row.n_columns(); ++i) {
      array.push_back(SqlValue(row, i));
      object[names[static_cast<size_t>(i)]] = array.back();
    }
    arrays.push_back(std::move(array));
    objects.push_back(std::move(object));
  }));
  if (flags.json) {
    PrintJson({{"columns", names}, {"rows", arrays}});
  } else {
    WEIR_RETURN_IF_ERROR(WriteOutput(flags.csv ? CsvOf(objects) : Table(arrays, names, TerminalWidth()), ""));
  }
  return kExitOk;
}

}  // namespace

Json SqlValue(const Statement& row, int column) {
  switch (row.TypeOf(column)) {
    case Statement::Type::kNull:
      return nullptr;
    case Statement::Type::kInt:
      return row.Int(column);
    case Statement::Type::kReal:
      return row.Real(column);
    case Statement::Type::kText:
      break;
  }
  return row.Text(column);
}

Command AddSql(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("QUERY", flags->query, "One SQL statement")->required();
  AddDatabaseFlag(app, flags->db);
  auto* json = app.add_flag("--json", flags->json, "{\"columns\": [...], \"rows\": [[...], ...]}");
  app.add_flag("--csv", flags->csv, "Comma-separated, with a heading")->excludes(json);
  app.footer(
      "Tables and views are described in docs/metrics.md. Nothing can be changed here.\n\nExamples:\n"
      "  weir sql \"SELECT * FROM summary WHERE cell = 1\"\n"
      "  weir sql \"SELECT name, users, status, reason FROM cell JOIN model ON model.id = cell.model\"\n"
      "  weir sql --csv \"SELECT * FROM request_latency\" > latencies.csv\n\n"
      "Exit code: 0; 2 for a statement that is wrong or would change something, or where there is no database.");
  return [flags] { return RunCommand(*flags); };
}

}  // namespace weir
