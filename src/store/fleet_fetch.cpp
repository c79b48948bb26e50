#include <charconv>
#include <vector>

#include "store/fleet.h"
#include "store/fleet_server.h"
#include "store/schema.h"

namespace weir {
namespace {

constexpr int kRowsAtOnce = 2000;

/// The ids of the chosen runs as SQL of the server.
std::string ChosenRuns(const FleetSelection& selection) {
  if (selection.run > 0) return fmt::format("SELECT id FROM run WHERE id = {}", selection.run);
  if (!selection.campaign.empty()) {
    return fmt::format("SELECT id FROM run WHERE campaign = (SELECT max(id) FROM campaign WHERE name = {})",
                       Postgres::Literal(selection.campaign));
  }
  if (!selection.machine.empty()) {
    return fmt::format("SELECT r.id FROM run r JOIN machine m ON m.id = r.machine WHERE m.fingerprint = {} OR "
                       "r.foreign_tool IS NOT NULL OR EXISTS (SELECT 1 FROM quality q WHERE q.run = r.id)",
                       Postgres::Literal(selection.machine));
  }
  if (selection.last_cells > 0) {
    return fmt::format("SELECT run FROM (SELECT run FROM cell ORDER BY id DESC LIMIT {}) AS last_cells GROUP BY run", selection.last_cells);
  }
  if (selection.newest) {
    return "SELECT r.id FROM run r JOIN (SELECT id, campaign FROM run WHERE id = (SELECT run FROM cell ORDER BY id DESC "
           "LIMIT 1)) AS last_run ON r.id = last_run.id OR r.campaign = last_run.campaign";
  }
  return "SELECT id FROM run";
}

/// About as many as the rows take in memory.
Result<int64_t> CountBytes(Postgres& server, const std::vector<TableShape>& shapes, const std::string& runs) {
  int64_t total = 0;
  for (const TableShape& table : shapes) {
    if (!table.owner) continue;
    WEIR_TRY(const std::optional<int64_t> bytes,
             server.QueryInt(fmt::format("SELECT sum(octet_length(t::text) + 16)::bigint FROM {} AS t WHERE {}", table.name,
                                         BelongsTo(shapes, table, runs))));
    total += bytes.value_or(0);
  }
  return total;
}

Result<DbValue> ValueOf(const ColumnShape& column, const std::optional<std::string_view>& field) {
  if (!field) return DbValue();
  const char *begin = field->data(), *end = begin + field->size();
  int64_t number = 0;
  double real = 0;
  switch (column.type) {
    case ColumnShape::Type::kInt:
      if (std::from_chars(begin, end, number).ptr == end) return DbValue(number);
      break;
    case ColumnShape::Type::kReal:
      if (std::from_chars(begin, end, real).ptr == end) return DbValue(real);
      break;
    case ColumnShape::Type::kText:
      return DbValue(std::string(*field));
  }
  return Failed("'{}' is no number", *field);
}

/// Through a cursor: never more than some rows are in memory twice.
Status FetchTable(Postgres& server, const TableShape& table, const std::string& condition, Database& into) {
  std::string columns, parameters;
  for (const ColumnShape& column : table.columns) {
    columns += (columns.empty() ? "" : ", ") + Quoted(column.name);
    parameters += parameters.empty() ? "?" : ", ?";
  }
  WEIR_TRY(Statement insert, into.Prepare(fmt::format("INSERT INTO {} ({}) VALUES ({})", table.name, columns, parameters)));
  WEIR_RETURN_IF_ERROR(server.Run(fmt::format("DECLARE weir_rows NO SCROLL CURSOR FOR SELECT {} FROM {} WHERE {}{}", columns,
                                              table.name, condition, table.has_id ? " ORDER BY id" : "")));
  std::vector<DbValue> values(table.columns.size());
  for (int n_rows = kRowsAtOnce; n_rows == kRowsAtOnce;) {
    n_rows = 0;
    WEIR_RETURN_IF_ERROR(server.Query(fmt::format("FETCH {} FROM weir_rows", kRowsAtOnce), [&](Postgres::Row row) -> Status {
      ++n_rows;
      for (size_t i = 0; i < values.size(); ++i) {
        Result<DbValue> value = ValueOf(table.columns[i], row[i]);
        if (!value) return In(fmt::format("{}, table {}, column {}", server.shown(), table.name, table.columns[i].name), value.error());
        values[i] = std::move(value).value();
      }
      insert.BindValues(values);
      const Result<bool> done = insert.Step();
      return done ? Status() : done.error();
    }));
  }
  return server.Run("CLOSE weir_rows");
}

Result<std::string> ConditionOn(Postgres& server, const FleetSelection& selection) {
  WEIR_TRY(std::vector<int64_t> ids, server.QueryInts(ChosenRuns(selection)));
  ids.push_back(0);  // of no run, so that there is one
  return fmt::format("{{}} IN ({})", fmt::join(ids, ", "));
}

}  // namespace

Result<Database> FetchFleet(const std::string& url, const FleetSelection& selection, int64_t most_bytes) {
  WEIR_TRY(const FleetAddress address, ParseFleetUrl(url));
  WEIR_TRY(Postgres server, Postgres::Connect(address));
  WEIR_TRY(Database database, Database::InMemory(address.shown));
  WEIR_RETURN_IF_ERROR(PrepareSchema(database));
  WEIR_TRY(const std::vector<TableShape> shapes, ReadShapes(database));
  WEIR_RETURN_IF_ERROR(server.Begin(Postgres::Access::kRead));
  WEIR_RETURN_IF_ERROR(CheckFleetSchema(server, shapes));
  WEIR_TRY(const std::string runs, ConditionOn(server, selection));
  WEIR_TRY(const int64_t n_bytes, CountBytes(server, shapes, runs));
  if (n_bytes > most_bytes) {
    return WithHint(BadInput("{}: these rows are {} MB, more than the {} MB that are fetched at once", address.shown, n_bytes >> 20, most_bytes >> 20),
                    "choose with --run or --campaign where the command has them, or ask the server itself: psql, table summary");
  }
  WEIR_RETURN_IF_ERROR(database.Run("BEGIN; DELETE FROM schema_version"));
  for (const TableShape& table : shapes) {
    WEIR_RETURN_IF_ERROR(FetchTable(server, table, BelongsTo(shapes, table, runs), database));
  }
  WEIR_RETURN_IF_ERROR(database.Run("COMMIT; PRAGMA temp_store = MEMORY; PRAGMA query_only = ON"));
  return database;
}

}  // namespace weir
