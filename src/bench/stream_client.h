// Hundreds of HTTP requests at once on one thread, which does nothing but stamp bytes as they
// arrive: who reads them does so later, elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir {

struct StreamClientOptions {
  int connect_seconds = 10;
  int silence_seconds = 600;  // without a byte, also before the first: a long prompt takes its time
  std::vector<std::string> headers;  // "Name: value", for every request
};

struct HttpCall {
  std::string url;
  std::optional<std::string> body;  // JSON to POST; nothing: GET
};

/// Something that arrived for a request.
struct StreamPiece {
  enum class Kind { kHeaders, kBytes, kEnd };
  Kind kind = Kind::kBytes;
  int64_t stream = 0;  // as Send numbered it
  int64_t time_ns = 0;
  int status = 0;            // kHeaders
  std::string content_type;  // kHeaders
  std::string text;          // kBytes: the bytes; kEnd: what went wrong, empty if nothing did
  std::optional<int64_t> sent_ns;  // kEnd: when the connection was ready to take the request
};

class StreamClient {
 public:
  explicit StreamClient(const StreamClientOptions& options);
  ~StreamClient();

  int64_t Send(const HttpCall& call);
  /// The next piece of any request, waiting at most timeout_ns.
  std::optional<StreamPiece> Next(int64_t timeout_ns);
  /// Cuts all connections with an answer on its way; nothing of them comes afterwards.
  void CancelAll();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct HttpReply {
  int status = 0;
  std::string content_type;
  std::string body;
  std::string problem;  // empty: the answer is whole
};

/// Sends one request and waits for all of its answer.
HttpReply Ask(StreamClient& client, const HttpCall& call);

}  // namespace weir
