// The results database for commands that read it, and where their output goes.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "store/store.h"

namespace weir {

/// Which cells a command is about; the last ones unless it says otherwise.
struct RowFlags {
  std::string db;
  int64_t run = 0;       // 0: all
  std::string campaign;  // name of a suite
  std::string model;     // part of the name
  std::string status;
  int64_t last = 0;  // 0: as many as the command likes
};

void AddDatabaseFlag(CLI::App& app, std::string& db);
void AddRowFlags(CLI::App& app, RowFlags& flags);

Result<std::string> DatabasePath(const std::string& db);
/// For reading; kBadInput if there is none yet. Of a fleet's server, what `selection` is about.
Result<Store> OpenResults(const std::string& db, const FleetSelection& selection = {});
/// What SelectCells will want of a fleet.
FleetSelection SelectionOf(const RowFlags& flags, int64_t most);
/// The ids of those cells.
Result<std::vector<int64_t>> SelectCellIds(Store& store, const RowFlags& flags, int64_t most);
/// At most `most` without --last, oldest first.
Result<std::vector<CellResult>> SelectCells(Store& store, const RowFlags& flags, int64_t most);

/// To stdout, or to the file --to names, which appears whole or not at all.
Status WriteOutput(const std::string& text, const std::string& to);

}  // namespace weir
