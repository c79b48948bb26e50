#include "store/schema.h"

#include "store/schema_v1.h"

namespace weir {
namespace {

constexpr int kApplicationId = 0x77656972;  // "weir"

Status Create(Database& database) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database));
  // Another weir may have created it between the check and the lock.
  WEIR_TRY(const int64_t n_tables, database.QueryInt("SELECT count(*) FROM sqlite_schema"));
  if (n_tables > 0) return CheckSchema(database);
  WEIR_RETURN_IF_ERROR(database.Run(kTablesV1));
  WEIR_RETURN_IF_ERROR(database.Run(kViewsV1));
  WEIR_RETURN_IF_ERROR(
      database.Execute("INSERT INTO schema_version VALUES (?, datetime('now'))", kSchemaVersion));
  WEIR_RETURN_IF_ERROR(database.Run(fmt::format(
      "PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSchemaVersion)));
  return transaction.Commit();
}

}  // namespace

Status CheckSchema(Database& database) {
  WEIR_TRY(const int64_t application, database.QueryInt("PRAGMA application_id"));
  WEIR_TRY(const int64_t version, database.QueryInt("PRAGMA user_version"));
  if (application != kApplicationId) {
    return WithHint(
        BadInput("database {} belongs to another program; it was left as it is", database.path()),
        "name another file with --db");
  }
  if (version > kSchemaVersion) {
    return WithHint(
        BadInput("database {} was written by a newer weir: its schema is version {}, this weir "
                 "knows versions up to {}",
                 database.path(), version, kSchemaVersion),
        "update weir, or name another file with --db");
  }
  if (version < 1)
    return Failed("database {}: schema version {} never existed", database.path(), version);
  return {};
}

Status PrepareSchema(Database& database) {
  WEIR_TRY(const int64_t n_tables, database.QueryInt("SELECT count(*) FROM sqlite_schema"));
  return n_tables == 0 ? Create(database) : CheckSchema(database);
}

}  // namespace weir
