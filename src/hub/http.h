// Small requests to the hub: a page of its API, the facts about a file, a range of one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "hub/settings.h"
#include "util/error.h"

namespace weir {

struct FetchResponse {
  int status = 0;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  std::string body;

  std::string_view header(std::string_view name) const;
};

struct FetchRequest {
  std::string url;
  bool head = false;
  bool stay_home = false;  // a redirect that names an etag, or another host, is an answer
  int64_t range_begin = 0, range_end = 0;  // [begin, end) if end > 0
  size_t max_body = size_t{32} << 20;
};

/// Told while waiting to try again: why, and for how long.
using OnWait = std::function<void(const std::string& why, int64_t wait_ms)>;

/// Sends the request, again after failures that pass (429, 503, cuts) and on redirects. Any final
/// status is an answer: a caller that expects 200 says so (HubAnswerError). kInterrupted when the
/// user asks to stop.
Result<FetchResponse> Fetch(const HubSettings& settings, const NetworkOptions& options,
                            const FetchRequest& request, const OnWait& on_wait);

/// What a status other than success means, for `subject` (hf:ORG/REPO..): 401 and 403 ask for a
/// token or for a click, 404 says what is missing.
Error HubAnswerError(const HubSettings& settings, const FetchResponse& response,
                     std::string_view subject, std::string_view repo_id);

/// Waits, unless the user asks to stop: false then.
bool SleepMs(int64_t ms);

/// Percent-encodes what a URL's path cannot hold; a slash too if `slash`.
std::string EncodePath(std::string_view path, bool slash = false);

}  // namespace weir
