// A hub on 127.0.0.1 that speaks the API as far as weir does, and misbehaves where a test tells it
// to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace weir {

struct FakeRequest {
  std::string method, path;                    // path with its query
  std::map<std::string, std::string> headers;  // names in lower case

  std::string header(const std::string& name) const;
  bool has(const std::string& part) const { return path.find(part) != path.npos; }
};

struct FakeReply {
  int status = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  std::optional<size_t> cut_after;  // bytes of the body, then the connection closes
  bool claim_length = true;         // Content-Length; else the end of the connection ends the body
  int stall_ms = 0;                 // before the last byte
};

/// Changes the answer that an honest hub would give.
using Mischief = std::function<void(const FakeRequest& request, FakeReply& reply)>;

class FakeHub {
 public:
  FakeHub();
  ~FakeHub();
  FakeHub(const FakeHub&) = delete;
  FakeHub& operator=(const FakeHub&) = delete;

  /// "http://127.0.0.1:PORT".
  std::string url() const;
  /// Adds a file of org/model at the one commit there is; in LFS, or plainly in git.
  void Add(const std::string& path, std::string bytes, bool lfs = true);
  /// LFS files come by a redirect to this server, which shares our files and knows no tokens.
  void RedirectTo(FakeHub* cdn);
  void SetMischief(Mischief mischief);
  void SetToken(std::string token);  // asked for from now on
  void SetPageSize(size_t n_files);  // of the list

  std::vector<FakeRequest> requests() const;
  size_t CountRequests(const std::string& part) const;
  static std::string commit() { return "0123456789abcdef0123456789abcdef01234567"; }
  /// What the hub calls a file's content.
  static std::string Etag(const std::string& bytes, bool lfs = true);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir
