// An OpenAI-compatible server that computes nothing.
#pragma once

#include <memory>
#include <string>

#include "util/error.h"

namespace weir {

/// Listens on a free port of 127.0.0.1 until it is destroyed. Answers every request for a completion or a chat
/// with max_tokens events of one token each, at once, from a thread of its own; GET /v1/models names it.
class NullServer {
 public:
  static Result<std::unique_ptr<NullServer>> Start();
  ~NullServer();
  std::string url() const;

 private:
  struct Impl;
  explicit NullServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weir
