#include "store/fleet_schema.h"

#include <algorithm>
#include <cctype>

namespace weir {

const char* const kSummaryDdl = R"sql(
CREATE TABLE summary (
  cell     BIGINT NOT NULL REFERENCES cell ON DELETE CASCADE,
  figure   TEXT NOT NULL,
  n        BIGINT NOT NULL,
  median   DOUBLE PRECISION,
  p95      DOUBLE PRECISION,
  p99      DOUBLE PRECISION,
  least    DOUBLE PRECISION,
  greatest DOUBLE PRECISION,
  PRIMARY KEY (cell, figure)
))sql";

namespace {

/// Next token of SQL from `at` on; empty at the end. Comments and white space are no tokens.
std::string_view NextToken(std::string_view sql, size_t* at) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  while (*at < sql.size()) {
    if (std::isspace(static_cast<unsigned char>(sql[*at]))) {
      ++*at;
    } else if (sql.substr(*at, 2) == "--") {
      *at = std::min(sql.find('\n', *at), sql.size());
    } else {
      break;
    }
  }
  const size_t begin = *at;
  if (begin == sql.size()) return {};
  size_t end = begin + 1;
  if (is_word(sql[begin])) {
    while (end < sql.size() && is_word(sql[end])) ++end;
  } else if (sql[begin] == '\'' || sql[begin] == '"') {
    end = std::min(sql.find(sql[begin], end), sql.size() - 1) + 1;
  }
  *at = end;
  return sql.substr(begin, end - begin);
}

Status ReadColumns(Database& database, TableShape* table) {
  WEIR_TRY(Statement query, database.Prepare("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid"));
  query.Bind(table->name);
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    using Type = ColumnShape::Type;
    const std::string type = row.Text(1);
    table->columns.push_back({row.Text(0), type == "INTEGER" ? Type::kInt : type == "REAL" ? Type::kReal : Type::kText, ""});
    table->has_id |= row.Text(0) == "id" && row.Int(2) == 1;
  }));
  WEIR_TRY(Statement keys, database.Prepare("SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list(?)"));
  keys.Bind(table->name);
  return keys.ForEach([&](const Statement& row) {
    for (size_t i = 0; i < table->columns.size(); ++i) {
      if (table->columns[i].name != row.Text(0)) continue;
      table->columns[i].references = row.Text(1);
      if (row.Text(2) == "CASCADE") table->owner = i;
    }
  });
}

Status ReadUnique(Database& database, TableShape* table) {
  WEIR_TRY(Statement query,
           database.Prepare("SELECT c.name FROM pragma_index_list(?) l JOIN pragma_index_info(l.name) c "
                            "WHERE l.\"unique\" AND l.origin = 'u' ORDER BY c.seqno"));
  query.Bind(table->name);
  return query.ForEach([&](const Statement& row) { table->unique.push_back(row.Text(0)); });
}

Status ReadDdl(Database& database, TableShape* table) {
  WEIR_TRY(Statement query, database.Prepare("SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL AND "
                                             "type IN ('table', 'index') ORDER BY type DESC, name"));
  query.Bind(table->name);
  return query.ForEach([&](const Statement& row) { table->ddl.push_back(PostgresDdl(row.Text(0), table->columns)); });
}

/// Moves tables that refer to others behind them.
std::vector<TableShape> Sorted(std::vector<TableShape> tables) {
  std::vector<TableShape> sorted;
  const auto is_there = [&](const ColumnShape& column) {
    return column.references.empty() ||
           std::any_of(sorted.begin(), sorted.end(), [&](const TableShape& table) { return table.name == column.references; });
  };
  while (!tables.empty()) {
    const auto next = std::find_if(tables.begin(), tables.end(), [&](const TableShape& table) {
      return std::all_of(table.columns.begin(), table.columns.end(), is_there);
    });
    WEIR_CHECK(next != tables.end());  // a property of the schema
    sorted.push_back(std::move(*next));
    tables.erase(next);
  }
  return sorted;
}

}  // namespace

std::string Quoted(const std::string& name) { return '"' + name + '"'; }

Result<std::vector<TableShape>> ReadShapes(Database& database) {
  std::vector<TableShape> tables;
  WEIR_TRY(Statement query, database.Prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                                             "'sqlite_%' ORDER BY rowid"));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) { tables.emplace_back().name = row.Text(0); }));
  for (TableShape& table : tables) {
    WEIR_RETURN_IF_ERROR(ReadColumns(database, &table));
    WEIR_RETURN_IF_ERROR(ReadUnique(database, &table));
    WEIR_RETURN_IF_ERROR(ReadDdl(database, &table));
  }
  return Sorted(std::move(tables));
}

std::string BelongsTo(const std::vector<TableShape>& shapes, const TableShape& table, const std::string& runs) {
  if (table.name == "run") return fmt::format(fmt::runtime(runs), "id");
  if (!table.owner) return "true";
  const ColumnShape& column = table.OwnerColumn();
  if (column.references == "run") return fmt::format(fmt::runtime(runs), column.name);
  const auto owner = std::find_if(shapes.begin(), shapes.end(), [&](const TableShape& other) { return other.name == column.references; });
  return fmt::format("{} IN (SELECT id FROM {} WHERE {})", column.name, owner->name, BelongsTo(shapes, *owner, runs));
}

std::string PostgresDdl(const std::string& sqlite_ddl, const std::vector<ColumnShape>& columns) {
  const auto is_column = [&](std::string_view token) {
    return std::any_of(columns.begin(), columns.end(), [&](const ColumnShape& column) { return column.name == token; });
  };
  std::string ddl;
  std::string_view before, before_that;
  int depth = 0;
  for (size_t at = 0;;) {
    const std::string_view token = NextToken(sqlite_ddl, &at);
    if (token.empty()) break;
    depth += token == "(" ? 1 : token == ")" ? -1 : 0;
    const bool first_of_column = depth == 1 && (before_that == "(" || before_that == ",");
    if (depth > 0 && is_column(token)) {
      ddl += Quoted(std::string(token));
    } else if (token == "INTEGER") {
      ddl += before == "id" && first_of_column ? "BIGINT GENERATED BY DEFAULT AS IDENTITY" : "BIGINT";
    } else if (token == "REAL") {
      ddl += "DOUBLE PRECISION";
    } else {
      ddl += token;
    }
    if (depth == 0 && token == ")") break;  // what follows is SQLite's: STRICT, WITHOUT ROWID
    ddl += ' ';
    before_that = before;
    before = token;
  }
  return ddl;
}

}  // namespace weir
