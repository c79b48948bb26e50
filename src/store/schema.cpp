#include "store/schema.h"

#include <initializer_list>
#include <iterator>

#include "store/schema_v1.h"
#include "store/schema_v2.h"
#include "store/schema_v3.h"
#include "store/schema_v4.h"
#include "store/schema_v5.h"
#include "store/schema_v6.h"
#include "store/schema_v7.h"

namespace weir {
namespace {

/// What each version adds to the one before it. A new database goes through all of them, so that it is the same
/// as one that was migrated.
constexpr std::initializer_list<const char*> kVersions[] = {
    {kTablesV1, kViewsV1}, {kChangesV2}, {kTablesV3, kViewsV3}, {kTablesV4, kViewsV4}, {kTablesV5},
    {kTablesV6, kViewsV6}, {kTablesV7, kViewsV7}};
static_assert(std::size(kVersions) == kSchemaVersion);

constexpr int kApplicationId = 0x77656972;  // "weir"

Status RecordVersion(Database& database) {
  WEIR_RETURN_IF_ERROR(
      database.Execute("INSERT INTO schema_version VALUES (?, datetime('now'))", kSchemaVersion));
  return database.Run(fmt::format("PRAGMA user_version = {}", kSchemaVersion));
}

/// Brings the schema from `version` (0: nothing) to this one.
Status Upgrade(Database& database, int64_t version) {
  for (; version < kSchemaVersion; ++version) {
    for (const char* sql : kVersions[version]) WEIR_RETURN_IF_ERROR(database.Run(sql));
  }
  return RecordVersion(database);
}

Status Create(Database& database) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database));
  // Another weir may have created it between the check and the lock.
  WEIR_TRY(const int64_t n_tables, database.QueryInt("SELECT count(*) FROM sqlite_schema"));
  if (n_tables > 0) return CheckSchema(database);
  WEIR_RETURN_IF_ERROR(database.Run(fmt::format("PRAGMA application_id = {}", kApplicationId)));
  WEIR_RETURN_IF_ERROR(Upgrade(database, 0));
  return transaction.Commit();
}

Status Migrate(Database& database) {
  WEIR_TRY(Transaction transaction, Transaction::Begin(database));
  // Another weir may have done it between the check and the lock.
  WEIR_TRY(const int64_t version, database.QueryInt("PRAGMA user_version"));
  if (version >= kSchemaVersion) return {};
  WEIR_RETURN_IF_ERROR(Upgrade(database, version));
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
  if (n_tables == 0) return Create(database);
  WEIR_RETURN_IF_ERROR(CheckSchema(database));
  WEIR_TRY(const int64_t version, database.QueryInt("PRAGMA user_version"));
  return version < kSchemaVersion ? Migrate(database) : Status();
}

}  // namespace weir
