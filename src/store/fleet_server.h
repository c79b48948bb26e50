// What sending and fetching have in common: the tables on the server, and by what a run is recognised there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "store/fleet_schema.h"
#include "store/postgres.h"

namespace weir {

/// That the server has weir's tables in this version; kBadInput if not.
Status CheckFleetSchema(Postgres& server, const std::vector<TableShape>& shapes);

/// The same, and makes the tables in a database that has none of them. In a transaction for writing.
Status PrepareFleetSchema(Postgres& server, const std::vector<TableShape>& shapes);

/// Senders go one after the other, transaction by transaction: two that met the same machines and models in another
/// order would wait for each other. Held until the end of the transaction.
Status LockFleet(Postgres& server);

/// Of a run, by which it is the same in every database: its machine, build and clock.
struct KnownRun {
  int64_t id = 0;
  bool ended = false;
};
using RunKeys = std::map<std::string, KnownRun>;

/// SQL of both dialects: id, ended, and all that makes the key. `condition` is on run r, machine m and build b.
std::string RunKeySql(const std::string& condition);
Result<RunKeys> RunKeysOf(Database& database, const std::string& condition);
Result<RunKeys> RunKeysOf(Postgres& server, const std::string& condition);

}  // namespace weir
