#include "hub/http.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "hub/curl_handle.h"
#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr int kMaxRedirects = 8;

struct Body {
  std::string bytes;
  size_t max;
};

size_t OnBody(char* data, size_t size, size_t n, void* body_pointer) {
  auto& body = *static_cast<Body*>(body_pointer);
  if (size * n > body.max - body.bytes.size()) return 0;
  body.bytes.append(data, size * n);
  return size * n;
}

int OnProgress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return Interrupted() ? 1 : 0;
}

Error Stopped() { return {ErrorCode::kInterrupted, "stopped", {}}; }

/// What one attempt came to: an answer, or a failure that may pass.
struct Attempt {
  FetchResponse response;
  std::string redirect;
  Error failure;
  bool failed = false, passing = false;
  int64_t retry_after = 0;
};

Attempt Send(const HubSettings& settings, const NetworkOptions& options,
             const FetchRequest& request, const std::string& url) {
  CurlRequest curl(settings, options, url);
  Body body{{}, request.max_body};
  curl_easy_setopt(curl.easy(), CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(curl.easy(), CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(curl.easy(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.easy(), CURLOPT_XFERINFOFUNCTION, &OnProgress);
  if (request.head) curl_easy_setopt(curl.easy(), CURLOPT_NOBODY, 1L);
  if (request.range_end > 0) curl.SetRange(request.range_begin, request.range_end);
  const CURLcode code = curl_easy_perform(curl.easy());
  Attempt attempt;
  attempt.retry_after = curl.retry_after();
  attempt.response = {curl.status(), curl.headers(), std::move(body.bytes)};
  if (code != CURLE_OK) {
    attempt.failed = true;
    // Without a network people want to know it at once.
    attempt.passing = IsPassing(code) && code != CURLE_COULDNT_RESOLVE_HOST;
    attempt.failure =
        code == CURLE_ABORTED_BY_CALLBACK ? Stopped()
        : code == CURLE_WRITE_ERROR
            ? Failed("{}: expected at most {} bytes, found more", url, request.max_body)
            : Failed("{}: {}", url, curl.Problem(code));
  } else if (IsPassing(curl.status())) {
    attempt.failed = attempt.passing = true;
    attempt.failure = Failed("{} answers with status {}", url, curl.status());
  } else if (curl.status() >= 300 && curl.status() < 400) {
    attempt.redirect = curl.redirect();
  }
  return attempt;
}

/// Whether a redirect already says what is to be known about a file.
bool IsAnswer(const Attempt& attempt, const std::string& url) {
  return attempt.response.headers.contains("x-linked-etag") ||
         OriginOf(attempt.redirect) != OriginOf(url);
}

/// The words that the hub puts into a header, as far as they are fit for a message.
std::string HubWords(const FetchResponse& response) {
  std::string words(response.header("x-error-message").substr(0, 300));
  return words.empty() ? words : " (" + words + ")";
}

}  // namespace

std::string_view FetchResponse::header(std::string_view name) const {
  return HeaderOf(headers, name);
}

bool SleepMs(int64_t ms) {
  const int64_t end = NowNs() + ms * 1'000'000;
  while (!Interrupted() && NowNs() < end) {
    std::this_thread::sleep_for(
        std::chrono::nanoseconds(std::min<int64_t>(end - NowNs(), 50'000'000)));
  }
  return !Interrupted();
}

std::string EncodePath(std::string_view path, bool slash) {
  std::string encoded;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (c == '/' && !slash);
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

Result<FetchResponse> Fetch(const HubSettings& settings, const NetworkOptions& options,
                            const FetchRequest& request, const OnWait& on_wait) {
  std::string url = request.url;
  Backoff backoff(options);
  for (int n_redirects = 0; n_redirects <= kMaxRedirects;) {
    if (Interrupted()) return Stopped();
    Attempt attempt = Send(settings, options, request, url);
    if (attempt.failed) {
      if (!attempt.passing) return attempt.failure;
      WEIR_TRY(const int64_t wait_ms, backoff.WaitMs(attempt.failure, attempt.retry_after));
      if (on_wait) on_wait(attempt.failure.message, wait_ms);
      if (!SleepMs(wait_ms)) return Stopped();
      continue;
    }
    if (attempt.redirect.empty()) return std::move(attempt.response);
    if (request.stay_home && IsAnswer(attempt, url)) return std::move(attempt.response);
    WEIR_TRY(url, RedirectTarget(url, attempt.redirect));
    ++n_redirects;
  }
  return Failed("{}: more than {} redirects", request.url, kMaxRedirects);
}

Error HubAnswerError(const HubSettings& settings, const FetchResponse& response,
                     std::string_view subject, std::string_view repo_id) {
  const std::string_view code = response.header("x-error-code");
  const std::string words = HubWords(response);
  if (code == "GatedRepo") {
    return WithHint(
        BadInput("{}: the repository is gated{}", subject, words),
        fmt::format("accept its conditions at {}/{}, and set HF_TOKEN to a token of that account",
                    settings.endpoint, repo_id));
  }
  if (code == "RevisionNotFound") return BadInput("{}: no such revision{}", subject, words);
  if (code == "EntryNotFound") return BadInput("{}: no such file{}", subject, words);
  if (response.status == 401 || response.status == 403) {
    return WithHint(BadInput("{}: the hub answers {}: no such repository, or a private one{}",
                             subject, response.status, words),
                    settings.token.empty()
                        ? "check the name; for a private repository set HF_TOKEN"
                        : "check the name, and whether the token in use may read it");
  }
  if (response.status == 404)
    return BadInput("{}: the hub answers 404: there is no such thing{}", subject, words);
  return Failed("{}: {} answers with status {}{}", subject, settings.endpoint, response.status,
                words);
}

}  // namespace weir
