// The address of a PostgreSQL server that keeps the rows of several machines.
#pragma once

#include <string>
#include <string_view>

#include "util/error.h"

namespace weir {

/// Whether `db`, as a user gave it, names a server and not a file.
bool IsFleetUrl(std::string_view db);

struct FleetAddress {
  std::string conninfo;      // for libpq: all that the URL says, time limits where it says none, and the password
  std::string shown;         // the URL without any secret
  std::string password;      // to be kept out of messages; may be empty
  std::string key_password;  // of a TLS key, the same
  std::string spool_name;    // of the file that rows for this server are measured into

  /// `text` without the secrets.
  std::string Redacted(std::string text) const;
};

/// kBadInput for what libpq does not take, without quoting it: a password may be in any part of a wrong URL.
Result<FleetAddress> ParseFleetUrl(const std::string& url);

/// Where rows for the server at `url` are measured into: a file in the user's data folder, which is created.
Result<std::string> SpoolPath(const std::string& url);

}  // namespace weir
