// A server of somebody else's that the bench starts and stops.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bench/http_target.h"
#include "bench/target.h"

namespace weir {

struct PeerOptions {
  std::string command;      // for the shell; "{port}" in it becomes a port of 127.0.0.1 that is free
  std::string log_path;     // of what it prints
  int start_seconds = 300;  // until it must answer
  HttpServerOptions http;   // but the url
};

/// The server runs from Load to Unload. Its facts name its version (what it says over HTTP, or else what its program
/// prints for --version) and its thread count (the command's, or else how many threads are seen in it: then a flag
/// says so). kBadInput for a command without {port}.
Result<std::unique_ptr<Subject>> OpenPeer(const PeerOptions& options);

/// The number behind -t, --threads or OMP_NUM_THREADS in a command line.
std::optional<int> ThreadsIn(std::string_view command);

}  // namespace weir
