// Requests and answers of HTTP/1.1, and the way from one to the other. No sockets here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct HttpHeader {
  std::string name, value;
};

struct HttpRequest {
  std::string method;                // "GET"
  std::string path, query;           // of the target: before and after its '?'
  std::vector<HttpHeader> headers;   // names in lower case, in the order of arrival
  std::string body;
  std::string peer;                  // address and port
  std::string forwarded_for;         // the client's address, where a proxy on this machine says so

  /// The value of the first header of that (lower case) name; empty without one.
  std::string_view Header(std::string_view name) const;
  int CountHeader(std::string_view name) const;
};

struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers = {};
};

class Exchange;

/// Answers one request, from any one thread at a time. Dropped without an answer it sends status 500; dropped in
/// the midst of a stream it cuts the connection, so that nobody takes the beginning for the whole.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Exchange> exchange);
  ~Responder();
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;

  /// The whole answer.
  void Send(const HttpAnswer& answer);

  /// An answer in parts: `answer.body` is the first. Then Write, then End.
  void Begin(const HttpAnswer& answer);
  /// Never waits. False if nobody reads any more: the client has gone, or is so slow that what it has
  /// not read exceeds HttpOptions::max_unsent_bytes, in which case its connection is cut.
  bool Write(std::string_view part);
  void End();

  bool gone() const;
  /// `call` is run once when the client goes before the answer's end, on another thread and while
  /// no lock is held; at once if it has gone.
  void OnGone(std::function<void()> call);

 private:
  const std::shared_ptr<Exchange> exchange_;
};

using HttpHandler = std::function<void(HttpRequest, std::shared_ptr<Responder>)>;

}  // namespace weir
