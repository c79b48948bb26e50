// The tables of the results database as PostgreSQL has them. There is one source: the tables that SQLite has made.
// What belongs to what is read from their foreign keys, so that a new version of the schema needs no second list.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "store/database.h"

namespace weir {

struct ColumnShape {
  enum class Type { kInt, kReal, kText };
  std::string name;
  Type type = Type::kText;
  std::string references;  // the table whose id it holds; empty: none
};

struct TableShape {
  std::string name;
  std::vector<ColumnShape> columns;
  bool has_id = false;              // its first column is an `id` of its own
  std::optional<size_t> owner;      // the column that says to which row it belongs, and with which it goes
  std::vector<std::string> unique;  // columns by which the same thing is recognised in all databases
  std::vector<std::string> ddl;     // as PostgreSQL has it: the table and its indices

  const ColumnShape& OwnerColumn() const { return columns[*owner]; }
};

/// All tables of a database of this schema version; none before one that it refers to.
Result<std::vector<TableShape>> ReadShapes(Database& database);

/// SQL that chooses the rows of a table that belong to the runs that `runs` chooses, a condition on the run's id in which
/// {} stands for it. For a table that belongs to no run it chooses all rows. Means the same in both dialects.
std::string BelongsTo(const std::vector<TableShape>& shapes, const TableShape& table, const std::string& runs);

/// CREATE TABLE or CREATE INDEX as SQLite keeps it, in the dialect of PostgreSQL. Names that are those of `columns` are
/// quoted, because SQL reserves some of them.
std::string PostgresDdl(const std::string& sqlite_ddl, const std::vector<ColumnShape>& columns);

/// Name of a table or column, quoted.
std::string Quoted(const std::string& name);

/// What the server has beside the tables: of each cell the figures that the view `summary` computes, as a table.
extern const char* const kSummaryDdl;

}  // namespace weir
