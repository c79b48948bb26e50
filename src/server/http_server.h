// The sockets: accepts connections, reads requests within limits, writes answers. One thread does all
// of it and never waits for a handler.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http.h"
#include "util/error.h"

namespace weir {

struct HttpOptions {
  std::string host = "127.0.0.1";  // an IP address
  int port = 0;                    // 0: one that is free
  int max_connections = 1024;
  size_t max_header_bytes = 16 << 10;
  size_t max_body_bytes = 8 << 20;
  size_t max_bodies_bytes = 128 << 20;  // of all requests that are not yet answered, but for those with
  size_t small_body_bytes = 64 << 10;   // at most so many, which are always read
  size_t max_unsent_bytes = 1 << 20;    // of one stream, before its client counts as too slow
  // What the system holds beside that of what a client has not taken in. Left alone it grows to megabytes, the
  // whole of most answers: a client that does not read would then never count as slow.
  int send_buffer_bytes = 64 << 10;
  // A connection that takes longer is closed: for the next request to begin, for all of its head, for all of
  // its body, for the client to take in what was written.
  std::chrono::milliseconds idle_timeout{75'000};
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::milliseconds write_timeout{30'000};
};

/// Looks at the head of a request before its body is read: nothing, or an answer in its place, after
/// which the connection closes. Called on the server's thread.
using HttpGuard = std::function<std::optional<HttpAnswer>(const HttpRequest& head)>;

/// Told of each request that is refused by the server itself, with neither guard nor handler having the word: of its
/// head as much as was read, the status, and a word for programs. Called on the server's thread.
using HttpRefusalLog = std::function<void(const HttpRequest& head, int status, const std::string& code)>;

class HttpServer {
 public:
  /// Listens and serves from now on. `handler` is called on the server's thread and must not wait: what takes
  /// time goes elsewhere, with the responder. Responders must be gone before the server is destroyed (after Stop
  /// they lead nowhere, but may live on). kBadInput for a host that is no address of this machine, kFailed for a
  /// port that is taken.
  static Result<std::unique_ptr<HttpServer>> Listen(const HttpOptions& options, HttpGuard guard,
                                                    HttpHandler handler, HttpRefusalLog log = {});
  /// Stops.
  ~HttpServer();

  int port() const;
  int n_connections() const;

  /// From now on nobody new is let in, and connections close after the answer they wait for. True as
  /// soon as none is left, false when `timeout` is over.
  bool Drain(std::chrono::milliseconds timeout);
  /// Cuts all connections. No handler is called afterwards.
  void Stop();

  struct Impl;

 private:
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Whether an address like "127.0.0.1" or "::1" can be reached from this machine only; nothing for
/// what is no address.
std::optional<bool> IsLoopback(const std::string& address);

}  // namespace weir
