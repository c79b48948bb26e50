// The tables and views of a results database. docs/metrics.md explains what the views compute.
#pragma once

#include "store/database.h"

namespace weir {

/// Kept in PRAGMA user_version and in the table schema_version. Tables and views of a published
/// version never change: a change is a new version with a migration.
inline constexpr int kSchemaVersion = 7;

/// A cell's window with fewer decode steps than this has no figure.
inline constexpr int kMinDecodeSteps = 16;

/// Creates the schema in an empty database, or brings that of an older weir to this version; what it
/// holds stays. A file of another program or of a newer weir is kBadInput and stays untouched.
Status PrepareSchema(Database& database);
/// The check alone: an older version passes.
Status CheckSchema(Database& database);

}  // namespace weir
