// What the thread that answers a request and the connection share: bytes on their way out.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "server/http.h"

namespace weir {

class Exchange {
 public:
  struct Terms {
    bool keep_alive = true;   // the client's wish
    bool head_only = false;   // HEAD: the answer's body is not sent
    bool chunked = true;      // HTTP/1.1; else the end of a stream is that of the connection
    size_t max_unsent_bytes = 1 << 20;
  };
  /// `wake` tells the connection that there is something to take; any thread may be in it.
  Exchange(Terms terms, std::function<void()> wake);

  // For the responder.
  void Send(const HttpAnswer& answer);
  void Begin(const HttpAnswer& answer);
  bool Write(std::string_view part);
  void End();
  void Abandon();
  bool gone() const;
  void OnGone(std::function<void()> call);

  // For the connection.
  enum class State { kOpen, kEnded, kCut };  // kCut: the connection must be closed at once
  /// Moves what is to be written into `bytes` (replaced). What was taken before has been written.
  State Take(std::string* bytes);
  void SetGone();
  /// The connection closes after this answer.
  void ForbidKeepAlive();
  bool keep_alive() const;

 private:
  std::string Head(const HttpAnswer& answer, bool stream) const;
  void Append(std::string_view part);
  void Wake(std::unique_lock<std::mutex> lock);

  Terms terms_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::string pending_;
  size_t n_writing_ = 0;  // bytes the connection has taken and not written
  bool begun_ = false, ended_ = false, cut_ = false, gone_ = false, woken_ = false;
  std::function<void()> on_gone_;
};

/// "Not Found" for 404.
std::string_view ReasonPhrase(int status);

}  // namespace weir
