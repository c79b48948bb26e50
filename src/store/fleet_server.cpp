#include "store/fleet_server.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "store/schema.h"

namespace weir {
namespace {

constexpr int kLock = 0x77656972;  // "weir"
constexpr int kFirstKeyColumn = 2;
constexpr int kFirstFleetVersion = 5;  // before it there were no servers
constexpr char kSeparator = '\x1f';

/// How many of weir's tables are there.
Result<int64_t> CountTables(Postgres& server, const std::vector<TableShape>& shapes) {
  std::string names = Postgres::Literal("summary");
  for (const TableShape& table : shapes) names += ", " + Postgres::Literal(table.name);
  // Not information_schema: that shows a role only what it has a right to.
  WEIR_TRY(const std::optional<int64_t> count,
           server.QueryInt(fmt::format("SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') AND "
                                       "pg_catalog.pg_table_is_visible(c.oid) AND c.relname IN ({})",
                                       names)));
  return count.value_or(0);
}

Error NotWeirs(const Postgres& server) {
  return WithHint(BadInput("{}: its tables belong to another program; they were left as they are", server.shown()),
                  "name another database, or a schema of weir's own with ?options=-csearch_path%3Dweir");
}

const char* TypeOf(const ColumnShape& column) {
  using Type = ColumnShape::Type;
  return column.type == Type::kInt ? "BIGINT" : column.type == Type::kReal ? "DOUBLE PRECISION" : "TEXT";
}

Status RecordVersion(Postgres& server) {
  return server.Run(fmt::format("INSERT INTO schema_version VALUES ({}, to_char(now() AT TIME ZONE 'UTC', "
                                "'YYYY-MM-DD HH24:MI:SS'))",
                                kSchemaVersion));
}

/// Adds the tables and columns that a version since kFirstFleetVersion added: columns that may be NULL and refer to
/// nothing, all of them. Rows that are there keep NULL in them, as in a file that was migrated.
Status Upgrade(Postgres& server, const std::vector<TableShape>& shapes) {
  for (const TableShape& table : shapes) {
    std::set<std::string> columns;
    WEIR_RETURN_IF_ERROR(server.Query(
        fmt::format("SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass({}) AND attnum > 0 AND NOT attisdropped",
                    Postgres::Literal(table.name)),
        [&](Postgres::Row row) {
          columns.emplace(row[0].value_or(""));
          return Status();
        }));
    if (columns.empty()) {
      for (const std::string& ddl : table.ddl) WEIR_RETURN_IF_ERROR(server.Run(ddl));
      continue;
    }
    for (const ColumnShape& column : table.columns) {
      if (columns.contains(column.name)) continue;
      WEIR_RETURN_IF_ERROR(server.Run(fmt::format("ALTER TABLE {} ADD COLUMN {} {}", table.name, Quoted(column.name), TypeOf(column))));
    }
  }
  return RecordVersion(server);
}

}  // namespace

Status CheckFleetSchema(Postgres& server, const std::vector<TableShape>& shapes) {
  WEIR_TRY(const int64_t n_tables, CountTables(server, shapes));
  if (n_tables == 0) {
    return WithHint(BadInput("{}: there are no rows of weir yet", server.shown()), "weir bench --db or weir push sends some there");
  }
  WEIR_TRY(const std::optional<int64_t> is_there, server.QueryInt("SELECT to_regclass('schema_version')::oid::bigint"));
  if (!is_there) return NotWeirs(server);
  WEIR_TRY(const std::optional<int64_t> version, server.QueryInt("SELECT max(version) FROM schema_version"));
  if (version.value_or(0) > kSchemaVersion) {
    return WithHint(BadInput("{} was made by a newer weir: its schema is version {}, this weir knows version {}", server.shown(),
                             *version, kSchemaVersion),
                    "update weir; until then --db FILE keeps rows here, and weir push sends them later");
  }
  if (!version) return NotWeirs(server);
  if (*version < kSchemaVersion) {
    return WithHint(BadInput("{} was made by an older weir: its schema is version {}, this weir sends version {}",
                             server.shown(), *version, kSchemaVersion),
                    *version >= kFirstFleetVersion
                        ? "whoever owns its tables brings them up to date by weir push, or weir bench --db, to it"
                        : "make another database and weir push the machines' files to it: they hold all rows");
  }
  return n_tables == static_cast<int64_t>(shapes.size()) + 1 ? Status() : NotWeirs(server);
}

Status PrepareFleetSchema(Postgres& server, const std::vector<TableShape>& shapes) {
  WEIR_RETURN_IF_ERROR(LockFleet(server));
  WEIR_TRY(const int64_t n_tables, CountTables(server, shapes));
  if (n_tables > 0) {
    WEIR_TRY(const std::optional<int64_t> is_there, server.QueryInt("SELECT to_regclass('schema_version')::oid::bigint"));
    if (!is_there) return NotWeirs(server);
    WEIR_TRY(const std::optional<int64_t> version, server.QueryInt("SELECT max(version) FROM schema_version"));
    if (version.value_or(0) >= kFirstFleetVersion && *version < kSchemaVersion) WEIR_RETURN_IF_ERROR(Upgrade(server, shapes));
    return CheckFleetSchema(server, shapes);
  }
  for (const TableShape& table : shapes) {
    for (const std::string& ddl : table.ddl) WEIR_RETURN_IF_ERROR(server.Run(ddl));
  }
  WEIR_RETURN_IF_ERROR(server.Run(kSummaryDdl));
  return RecordVersion(server);
}

Status LockFleet(Postgres& server) { return server.Run(fmt::format("SELECT pg_advisory_xact_lock({})", kLock)); }

std::string RunKeySql(const std::string& condition) {
  return "SELECT r.id, r.ended_at IS NOT NULL, m.fingerprint, b.version, r.started_at, r.started_ns, r.started_unix_ns, r.isa, "
         "r.threads, r.seed FROM run r JOIN machine m ON m.id = r.machine JOIN build b ON b.id = r.build WHERE " +
         condition;
}

Result<RunKeys> RunKeysOf(Database& database, const std::string& condition) {
  RunKeys keys;
  WEIR_TRY(Statement query, database.Prepare(RunKeySql(condition)));
  WEIR_RETURN_IF_ERROR(query.ForEach([&](const Statement& row) {
    std::string key;
    for (int i = kFirstKeyColumn; i < row.n_columns(); ++i) key += Postgres::Kept(row.Text(i)) + kSeparator;
    keys[key] = {row.Int(0), row.Int(1) != 0};
  }));
  return keys;
}

Result<RunKeys> RunKeysOf(Postgres& server, const std::string& condition) {
  RunKeys keys;
  WEIR_RETURN_IF_ERROR(server.Query(RunKeySql(condition), [&](Postgres::Row row) {
    std::string key;
    for (const auto& field : row.subspan(kFirstKeyColumn)) key.append(field.value_or("")).push_back(kSeparator);
    KnownRun& known = keys[key];
    const std::string_view id = row[0].value_or("");
    std::from_chars(id.data(), id.data() + id.size(), known.id);
    known.ended = row[1] == "t";
    return Status();
  }));
  return keys;
}

}  // namespace weir
