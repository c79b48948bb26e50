// PostgreSQL as the store of a fleet: one server that keeps the rows of many machines, in the same tables and columns as
// a results database (docs/postgresql.md). Nothing is measured into it: a server is a network away, and a machine that
// waits for one is not being measured. Rows are written to a local file and sent from there, whole runs at a time; and
// they are read by fetching runs into a database in memory, so that every view and every query is in one dialect.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "store/database.h"
#include "store/fleet_address.h"

namespace weir {

/// Says now, not after hours of measuring, what would keep rows from being sent. Makes the tables where there are none.
Status CheckFleet(const std::string& url);

struct FleetPush {
  std::string server;  // without secrets
  int64_t n_runs = 0, n_cells = 0;  // that were sent
  int64_t n_there = 0;              // runs that the server had already
};

/// Called after each piece of a run; false stops, and nothing of that run is kept.
using OnPiece = std::function<bool(int64_t runs_done, int64_t runs)>;

/// Sends the runs of a results database that the server does not have, or of which it has less: each in one transaction.
/// Ids are the server's own. What is there already is recognised by what it is: a machine by its fingerprint, a build by
/// its version, a model by its name and tensors, a run by its machine, build and clock.
Result<FleetPush> PushToFleet(const std::string& file, const std::string& url, const OnPiece& on_piece);

/// Which runs of a fleet are wanted; all without a condition.
struct FleetSelection {
  int64_t run = 0;            // this one
  std::string campaign = {};  // those of the last campaign of this name
  std::string machine = {};   // of the machine with this fingerprint; foreign rows and qualities too, which are of none
  int64_t last_cells = 0;     // those with the last so many cells
  bool newest = false;        // the last one with cells, and all of its campaign
};

inline constexpr int64_t kMostFleetBytes = int64_t{1} << 30;

/// The chosen runs, with the server's ids, as a results database in memory that cannot be changed. kBadInput if they
/// have more than `most_bytes`.
Result<Database> FetchFleet(const std::string& url, const FleetSelection& selection = {}, int64_t most_bytes = kMostFleetBytes);

}  // namespace weir
