// The tables and views of a results database. docs/metrics.md explains what the views compute.
#pragma once

#include "store/database.h"

namespace weir {

/// Kept in PRAGMA user_version and in the table schema_version. Tables and views of a published
/// version never change: a change is a new version with a migration.
inline constexpr int kSchemaVersion = 1;

/// A cell's window with fewer decode steps than this has no figure.
inline constexpr int kMinDecodeSteps = 16;

/// Creates the schema in an empty database, or checks that it is there in this version. A file of
/// another program or of a newer weir is kBadInput and stays untouched.
Status PrepareSchema(Database& database);
/// The check alone, for readers.
Status CheckSchema(Database& database);

}  // namespace weir
