// What each use of libcurl here shares. Only for sources of this folder: the header is heavy.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "hub/settings.h"

namespace weir {

struct CurlEasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using CurlEasy = std::unique_ptr<CURL, CurlEasyCleanup>;

/// Headers of the last response of a transfer, names in lower case.
using FetchHeaders = std::map<std::string, std::string, std::less<>>;

inline std::string_view HeaderOf(const FetchHeaders& headers, std::string_view name) {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

/// One request, not started. Redirects are not followed: the caller decides about each. Owns what
/// libcurl keeps pointers to, so it does not move.
class CurlRequest {
 public:
  /// The token goes along only to the endpoint's own scheme, host and port: no redirect can carry
  /// it away.
  CurlRequest(const HubSettings& settings, const NetworkOptions& options, const std::string& url);
  ~CurlRequest();
  CurlRequest(const CurlRequest&) = delete;
  CurlRequest& operator=(const CurlRequest&) = delete;

  /// Asks for bytes [begin, end).
  void SetRange(int64_t begin, int64_t end);

  CURL* easy() const { return easy_.get(); }
  const std::string& url() const { return url_; }
  const FetchHeaders& headers() const { return headers_; }
  int status() const;
  /// Where a 3xx answer points to, absolute; empty if nowhere.
  std::string redirect() const;
  /// Seconds that Retry-After asks for; 0 without it.
  int64_t retry_after() const;
  /// What went wrong, in libcurl's words.
  std::string Problem(CURLcode code) const;

 private:
  static size_t OnHeader(char* data, size_t size, size_t n, void* self);

  CurlEasy easy_;
  curl_slist* header_lines_ = nullptr;
  std::string url_;
  FetchHeaders headers_;
  size_t header_bytes_ = 0;
  char error_[CURL_ERROR_SIZE] = {};
};

/// "https://host:port" of a URL; empty for what is no URL with the scheme http or https.
std::string OriginOf(const std::string& url);

/// The place a redirect names, checked: http(s), and never from https to http.
Result<std::string> RedirectTarget(const std::string& from, const std::string& to);

/// Whether another attempt may help.
bool IsPassing(CURLcode code);
bool IsPassing(int status);

/// How long to wait between attempts.
class Backoff {
 public:
  explicit Backoff(const NetworkOptions& options) : options_(options) {}
  void Succeeded() { n_failures_ = 0; }
  /// Milliseconds to wait before the next attempt, or `why` once there were enough of them.
  Result<int64_t> WaitMs(const Error& why, int64_t retry_after_seconds);

 private:
  NetworkOptions options_;
  int n_failures_ = 0;
};

}  // namespace weir
