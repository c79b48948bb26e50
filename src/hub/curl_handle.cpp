#include "hub/curl_handle.h"

#include <algorithm>

namespace weir {
namespace {

constexpr size_t kMaxHeaderBytes = 256 << 10;

struct CurlUrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string UrlPart(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

std::string Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin));
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return lower;
}

}  // namespace

CurlRequest::CurlRequest(const HubSettings& settings, const NetworkOptions& options,
                         const std::string& url)
    : url_(url) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  easy_.reset(curl_easy_init());
  WEIR_CHECK(global == CURLE_OK && easy_);
  CURL* const curl = easy();
  curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, long{options.connect_seconds});
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, long{options.stall_seconds});
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  // Ranges over one HTTP/2 connection share one congestion window; eight connections have eight.
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  // Else a ~/.netrc could speak for the user to whatever host a redirect names.
  curl_easy_setopt(curl, CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  if (!settings.token.empty() && OriginOf(url) == OriginOf(settings.endpoint)) {
    header_lines_ =
        curl_slist_append(header_lines_, ("Authorization: Bearer " + settings.token).c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, header_lines_);
  }
}

CurlRequest::~CurlRequest() {
  easy_.reset();
  curl_slist_free_all(header_lines_);
}

void CurlRequest::SetRange(int64_t begin, int64_t end) {
  curl_easy_setopt(easy(), CURLOPT_RANGE, fmt::format("{}-{}", begin, end - 1).c_str());
}

size_t CurlRequest::OnHeader(char* data, size_t size, size_t n, void* self) {
  auto& request = *static_cast<CurlRequest*>(self);
  const std::string_view line(data, size * n);
  request.header_bytes_ += line.size();
  if (request.header_bytes_ > kMaxHeaderBytes) return 0;
  if (line.starts_with("HTTP/")) {
    request.headers_.clear();
  } else if (const size_t colon = line.find(':'); colon != line.npos) {
    request.headers_[Lower(line.substr(0, colon))] = Trimmed(line.substr(colon + 1));
  }
  return line.size();
}

int CurlRequest::status() const {
  long status = 0;
  curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

std::string CurlRequest::redirect() const {
  const char* url = nullptr;
  curl_easy_getinfo(easy(), CURLINFO_REDIRECT_URL, &url);
  return url ? url : "";
}

int64_t CurlRequest::retry_after() const {
  curl_off_t seconds = 0;
  curl_easy_getinfo(easy(), CURLINFO_RETRY_AFTER, &seconds);
  return seconds;
}

std::string CurlRequest::Problem(CURLcode code) const {
  return error_[0] ? error_ : curl_easy_strerror(code);
}

std::string OriginOf(const std::string& url) {
  const std::unique_ptr<CURLU, CurlUrlCleanup> parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  const std::string scheme = Lower(UrlPart(parsed.get(), CURLUPART_SCHEME));
  if (scheme != "http" && scheme != "https") return {};
  return fmt::format("{}://{}:{}", scheme, Lower(UrlPart(parsed.get(), CURLUPART_HOST)),
                     UrlPart(parsed.get(), CURLUPART_PORT));
}

Result<std::string> RedirectTarget(const std::string& from, const std::string& to) {
  const std::string origin = OriginOf(to);
  if (origin.empty()) return Failed("{} redirects to no web address", from);
  if (from.starts_with("https:") && !origin.starts_with("https:")) {
    return Failed("{} redirects to {}: expected https", from, origin);
  }
  return to;
}

bool IsPassing(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return true;
    default:
      return false;
  }
}

bool IsPassing(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

Result<int64_t> Backoff::WaitMs(const Error& why, int64_t retry_after_seconds) {
  if (++n_failures_ >= options_.max_failures) return why;
  if (retry_after_seconds > options_.max_wait_seconds) {
    return WithHint(why, fmt::format("the server asks to come back in {} s", retry_after_seconds));
  }
  const int64_t own = int64_t{options_.first_wait_ms} << std::min(n_failures_ - 1, 6);
  return std::max(own, retry_after_seconds * 1000);
}

}  // namespace weir
