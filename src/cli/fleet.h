// Rows on their way to a fleet's server, for commands that write some.
#pragma once

#include <string>

#include "cli/command.h"
#include "store/store.h"

namespace weir {

/// The database that --db names, for writing. For a fleet's server the file from which rows go there; an Error now if
/// the server would not take them.
Result<Store> OpenForWriting(const std::string& db);

struct SentRows {
  std::string server;  // without secrets; empty: --db names a file, and nothing was to be sent
  int64_t n_runs = 0;
  Status status;
};

/// Sends what the server that --db names does not have of `store`, and says so on stderr; not after Ctrl-C, when nobody
/// wants to wait. What is left to send is named by the error's hint.
SentRows SendRows(const std::string& db, const Store& store);
/// null if nothing was to be sent.
Json SentJson(const SentRows& sent);

Command AddPush(CLI::App& app);

}  // namespace weir
