// The hub's address, the user's token and the folder of the cache, from the variables that the
// hub's own client reads: HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE,
// HF_HUB_OFFLINE.
#pragma once

#include <cstdint>
#include <string>

#include "util/error.h"

namespace weir {

struct HubSettings {
  std::string endpoint;  // without a slash at its end
  std::string token;     // empty: none
  std::string cache;     // folder of models--ORG--REPO
  bool offline = false;
};

/// kBadInput for an endpoint that is no http(s) address, a token with bytes that no header may
/// hold, or without a home folder.
Result<HubSettings> ReadHubSettings();

/// How patient and how greedy a download is.
struct NetworkOptions {
  int connect_seconds = 20;
  int stall_seconds = 30;      // without a byte
  int max_failures = 6;        // in a row, without a byte in between
  int first_wait_ms = 500;     // doubled with each failure in a row
  int max_wait_seconds = 300;  // the longest Retry-After that is obeyed
  int n_parallel = 8;          // range requests of one file
  int64_t chunk_bytes = int64_t{16} << 20;
};

}  // namespace weir
