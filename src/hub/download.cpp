#include "hub/download.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <list>
#include <optional>

#include "hub/curl_handle.h"
#include "hub/part_file.h"
#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

constexpr int kMaxRedirects = 8;
constexpr int kPollMs = 100;
constexpr int64_t kMaxErrorPage = int64_t{1} << 20;

struct ContentRange {
  int64_t begin, end, total;  // bytes [begin, end); total -1 if the server does not say
};

bool ReadNumber(std::string_view* text, char stop, int64_t* value) {
  const auto [next, error] = std::from_chars(text->data(), text->data() + text->size(), *value);
  if (error != std::errc() || *value < 0) return false;
  text->remove_prefix(static_cast<size_t>(next - text->data()));
  if (stop == '\0') return text->empty();
  if (text->empty() || text->front() != stop) return false;
  text->remove_prefix(1);
  return true;
}

/// "bytes 0-99/1234" or "bytes 0-99/*" (RFC 9110, 14.4).
std::optional<ContentRange> ParseContentRange(std::string_view text) {
  ContentRange range{};
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  if (!ReadNumber(&text, '-', &range.begin) || !ReadNumber(&text, '/', &range.end))
    return std::nullopt;
  range.total = -1;
  if (text != "*" && !ReadNumber(&text, '\0', &range.total)) return std::nullopt;
  if (range.end < range.begin || range.end == std::numeric_limits<int64_t>::max())
    return std::nullopt;
  ++range.end;
  return range;
}

struct CurlMultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

class Download;

/// A request under way for bytes [at, end) of the file.
struct Transfer {
  Transfer(Download& owner, const HubSettings& settings, const NetworkOptions& options,
           const std::string& url)
      : download(owner), curl(settings, options, url) {}

  Download& download;
  CurlRequest curl;
  int64_t chunk = 0;  // of its first byte
  int64_t begin = 0, at = 0, end = 0;
  bool accepted = false;         // the headers of the answer were looked at, and are right
  bool redirected = false;       // asked where a redirect had pointed to
  std::optional<Error> refusal;  // what made us stop it: a lie, or our disk
  bool disk_failed = false, no_ranges = false, changed = false;
  int64_t n_discarded = 0;    // bytes of an error's page
  int64_t last_ns = NowNs();  // when something arrived
};

class Download {
 public:
  Download(const HubSettings& settings, const NetworkOptions& options, const std::string& url,
           const HubFile& file, PartFile& part, const DownloadEvents& events)
      : settings_(settings),
        options_(options),
        url_(url),
        file_(file),
        part_(part),
        events_(events),
        backoff_(options),
        multi_(curl_multi_init()) {
    WEIR_CHECK(multi_);
  }
  ~Download() {
    while (!transfers_.empty()) End(transfers_.begin());
  }

  Status Run();
  int64_t bytes_fetched() const { return bytes_fetched_; }

  /// Bytes of an answer; false ends the transfer.
  bool OnBytes(Transfer& transfer, const uint8_t* data, int64_t n);

 private:
  using TransferList = std::list<Transfer>;

  const std::string& CurrentUrl() const { return direct_url_.empty() ? url_ : direct_url_; }
  int64_t NextChunk() const;
  void StartWhatMay();
  void Start(int64_t chunk);
  void End(TransferList::iterator transfer);
  Status CollectFinished();
  Status GiveUpStalled();
  Status OnFinished(TransferList::iterator transfer, CURLcode code);
  Status OnStatus(TransferList::iterator transfer);
  Status OnRefused(TransferList::iterator transfer);
  Status OnRedirect(TransferList::iterator transfer);
  Status Retry(TransferList::iterator transfer, const Error& why);
  Status GoWithoutRanges();
  bool AcceptHeaders(Transfer& transfer);
  bool CheckRange(Transfer& transfer);
  bool CheckEtag(Transfer& transfer);

  const HubSettings& settings_;
  const NetworkOptions& options_;
  const std::string& url_;
  const HubFile& file_;
  PartFile& part_;
  const DownloadEvents& events_;
  Backoff backoff_;
  std::unique_ptr<CURLM, CurlMultiCleanup> multi_;
  TransferList transfers_;
  std::string direct_url_;    // where redirects led to; empty: not known, ask url_
  std::string answer_etag_;   // of the server that delivers; not the hub's
  int n_redirects_ = 0;       // in a row
  bool established_ = false;  // a range has been answered as one: more may be asked for at once
  bool whole_ = false;        // the server knows no ranges
  int64_t not_before_ns_ = 0;
  int64_t bytes_fetched_ = 0;
};

size_t OnBody(char* data, size_t size, size_t n, void* transfer_pointer) {
  auto& transfer = *static_cast<Transfer*>(transfer_pointer);
  const size_t n_bytes = size * n;
  const bool go_on = transfer.download.OnBytes(transfer, reinterpret_cast<const uint8_t*>(data),
                                               static_cast<int64_t>(n_bytes));
  return go_on ? n_bytes : (n_bytes == 0 ? 1 : 0);
}

/// The first chunk that is neither whole nor under way; -1 if there is none.
int64_t Download::NextChunk() const {
  for (int64_t chunk = 0; chunk < part_.n_chunks(); ++chunk) {
    const auto busy = [&](const Transfer& transfer) { return transfer.chunk == chunk; };
    if (!part_.whole(chunk) && std::none_of(transfers_.begin(), transfers_.end(), busy))
      return chunk;
  }
  return -1;
}

void Download::StartWhatMay() {
  if (NowNs() < not_before_ns_) return;
  const size_t limit = established_ && !whole_ ? static_cast<size_t>(options_.n_parallel) : 1;
  while (transfers_.size() < limit) {
    const int64_t chunk = NextChunk();
    if (chunk < 0) return;
    Start(chunk);
  }
}

void Download::Start(int64_t chunk) {
  Transfer& transfer = transfers_.emplace_back(*this, settings_, options_, CurrentUrl());
  transfer.chunk = chunk;
  transfer.redirected = !direct_url_.empty();
  transfer.begin = transfer.at = part_.begin(chunk) + part_.arrived(chunk);
  transfer.end = whole_ ? part_.n_bytes() : part_.end(chunk);
  CURL* const curl = transfer.curl.easy();
  if (!whole_) transfer.curl.SetRange(transfer.begin, transfer.end);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  WEIR_CHECK(curl_multi_add_handle(multi_.get(), curl) == CURLM_OK);
}

void Download::End(TransferList::iterator transfer) {
  curl_multi_remove_handle(multi_.get(), transfer->curl.easy());
  transfers_.erase(transfer);
}

bool Download::CheckRange(Transfer& transfer) {
  const std::string_view text = HeaderOf(transfer.curl.headers(), "content-range");
  const std::optional<ContentRange> range = ParseContentRange(text);
  if (range && range->begin == transfer.begin && range->end == transfer.end &&
      (range->total < 0 || range->total == file_.n_bytes)) {
    return true;
  }
  transfer.refusal = Failed("{}: asked for bytes {}-{} of {}, the server answers with \"{}\"",
                            file_.path, transfer.begin, transfer.end - 1, file_.n_bytes, text);
  return false;
}

/// Parts of two different files must not be mixed.
bool Download::CheckEtag(Transfer& transfer) {
  const FetchHeaders& headers = transfer.curl.headers();
  const std::string linked = BareEtag(HeaderOf(headers, "x-linked-etag"));
  const std::string etag = BareEtag(HeaderOf(headers, "etag"));
  if (answer_etag_.empty()) answer_etag_ = etag;
  const bool other_file = !linked.empty() && linked != file_.etag;
  if (!other_file && etag == answer_etag_) return true;
  transfer.changed = true;
  transfer.refusal = Failed(
      "{}: the file changed on the server while it was being downloaded: expected etag {}, found "
      "{}",
      file_.path, other_file ? file_.etag : answer_etag_, other_file ? linked : etag);
  return false;
}

/// Looks at an answer of status 200 or 206 before its first byte is written.
bool Download::AcceptHeaders(Transfer& transfer) {
  const bool is_range = transfer.curl.status() == 206;
  if (!is_range && !whole_) {
    transfer.no_ranges = true;
    return false;
  }
  if (is_range && (whole_ || !CheckRange(transfer))) return false;
  const std::string_view length = HeaderOf(transfer.curl.headers(), "content-length");
  if (!length.empty() && length != std::to_string(transfer.end - transfer.begin)) {
    transfer.refusal = Failed("{}: expected an answer of {} bytes, found one of {}", file_.path,
                              transfer.end - transfer.begin, length);
    return false;
  }
  if (!CheckEtag(transfer)) return false;
  transfer.accepted = true;
  // An answer from an address that has expired since then says nothing about the next one.
  if (transfer.curl.url() == CurrentUrl()) established_ = true;
  n_redirects_ = 0;
  return true;
}

bool Download::OnBytes(Transfer& transfer, const uint8_t* data, int64_t n) {
  transfer.last_ns = NowNs();
  if (transfer.curl.status() != 200 && transfer.curl.status() != 206) {
    // The page of an error or a redirect, which is over only when it has been read.
    transfer.n_discarded += n;
    return transfer.n_discarded <= kMaxErrorPage;
  }
  if (!transfer.accepted && !AcceptHeaders(transfer)) return false;
  if (n > transfer.end - transfer.at) {
    transfer.refusal = Failed("{}: expected {} bytes of an answer, found more", file_.path,
                              transfer.end - transfer.begin);
    return false;
  }
  const Status written = part_.Add(transfer.at, data, n);
  if (!written) {
    transfer.refusal = written.error();
    transfer.disk_failed = true;
    return false;
  }
  transfer.at += n;
  bytes_fetched_ += n;
  return true;
}

/// A failure that may pass: what has arrived stays, and the same chunk is asked for again after a
/// while.
Status Download::Retry(TransferList::iterator transfer, const Error& why) {
  const bool moved = transfer->at > transfer->begin;
  const int64_t retry_after = transfer->curl.retry_after();
  End(transfer);
  if (whole_) WEIR_RETURN_IF_ERROR(part_.Clear());
  if (moved && !whole_) backoff_.Succeeded();
  // Transfers that fail together, as when the line is cut, count as one failure.
  if (NowNs() < not_before_ns_) return {};
  WEIR_TRY(const int64_t wait_ms, backoff_.WaitMs(why, retry_after));
  not_before_ns_ = NowNs() + wait_ms * 1'000'000;
  if (events_.on_wait) events_.on_wait(why.message, wait_ms);
  return {};
}

Status Download::GoWithoutRanges() {
  while (!transfers_.empty()) End(transfers_.begin());
  whole_ = true;
  return part_.Clear();
}

Status Download::OnRedirect(TransferList::iterator transfer) {
  const std::string from = transfer->curl.url(), to = transfer->curl.redirect();
  End(transfer);
  if (++n_redirects_ > kMaxRedirects)
    return Failed("{}: more than {} redirects", url_, kMaxRedirects);
  WEIR_TRY(direct_url_, RedirectTarget(from, to));
  answer_etag_.clear();
  return {};
}

/// An answer that is no part of the file.
Status Download::OnStatus(TransferList::iterator transfer) {
  const CurlRequest& curl = transfer->curl;
  const int status = curl.status();
  if (status >= 300 && status < 400 && !curl.redirect().empty()) return OnRedirect(transfer);
  const Error error =
      Failed("{}: {} answers with status {}", file_.path, OriginOf(curl.url()), status);
  if (transfer->redirected && status >= 400 && status < 500) {
    // A signed address that has expired, perhaps: the hub gives another one.
    if (curl.url() == direct_url_) direct_url_.clear();
    established_ = false;
    return Retry(transfer, error);
  }
  if (IsPassing(status)) return Retry(transfer, error);
  return HubAnswerError(settings_, {status, curl.headers(), {}}, file_.path, "");
}

/// An answer that was not what was asked for.
Status Download::OnRefused(TransferList::iterator transfer) {
  // Nothing of it is kept: its lie may have begun earlier.
  const int64_t chunk = transfer->chunk;
  WEIR_RETURN_IF_ERROR(part_.Forget(chunk, transfer->begin - part_.begin(chunk)));
  transfer->at = transfer->begin;
  const bool changed = transfer->changed;
  const Error why = *transfer->refusal;
  Status retried = Retry(transfer, why);
  if (!retried && changed) WEIR_RETURN_IF_ERROR(part_.Clear());
  return retried;
}

Status Download::OnFinished(TransferList::iterator transfer, CURLcode code) {
  if (transfer->disk_failed) return *transfer->refusal;
  if (transfer->no_ranges) return GoWithoutRanges();
  if (transfer->refusal) return OnRefused(transfer);
  if (code == CURLE_OK && transfer->at == transfer->end) {
    backoff_.Succeeded();
    End(transfer);
    return {};
  }
  const int status = transfer->curl.status();
  if (code == CURLE_OK && status != 200 && status != 206) return OnStatus(transfer);
  const Error cut =
      Failed("{}: {}: {}", file_.path, OriginOf(transfer->curl.url()),
             code == CURLE_OK ? "the answer ends early" : transfer->curl.Problem(code));
  if (code != CURLE_OK && !IsPassing(code)) return cut;
  return Retry(transfer, cut);
}

Status Download::CollectFinished() {
  int n_left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &n_left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto transfer =
        std::find_if(transfers_.begin(), transfers_.end(),
                     [&](const Transfer& t) { return t.curl.easy() == message->easy_handle; });
    if (transfer != transfers_.end())
      WEIR_RETURN_IF_ERROR(OnFinished(transfer, message->data.result));
  }
  return {};
}

/// libcurl's own limit is on an average speed, and takes six seconds to notice that nothing comes
/// any more.
Status Download::GiveUpStalled() {
  const int64_t limit_ns = int64_t{options_.stall_seconds} * 1'000'000'000;
  for (auto transfer = transfers_.begin(); transfer != transfers_.end();) {
    const auto next = std::next(transfer);
    if (NowNs() - transfer->last_ns > limit_ns) {
      WEIR_RETURN_IF_ERROR(
          Retry(transfer, Failed("{}: {}: nothing arrived for {} s", file_.path,
                                 OriginOf(transfer->curl.url()), options_.stall_seconds)));
    }
    transfer = next;
  }
  return {};
}

Status Download::Run() {
  while (!part_.whole()) {
    if (Interrupted())
      return Error{ErrorCode::kInterrupted, fmt::format("{}: stopped", file_.path), {}};
    StartWhatMay();
    if (transfers_.empty()) {
      SleepMs(std::clamp<int64_t>((not_before_ns_ - NowNs()) / 1'000'000, 1, kPollMs));
      continue;
    }
    curl_multi_poll(multi_.get(), nullptr, 0, kPollMs, nullptr);
    int n_running = 0;
    curl_multi_perform(multi_.get(), &n_running);
    WEIR_RETURN_IF_ERROR(CollectFinished());
    WEIR_RETURN_IF_ERROR(GiveUpStalled());
    if (events_.progress) events_.progress(part_.total_arrived());
  }
  return {};
}

}  // namespace

Result<DownloadResult> DownloadBlob(const HubSettings& settings, const NetworkOptions& options,
                                    const std::string& url, const HubFile& file,
                                    const std::string& blob_path, const DownloadEvents& events) {
  WEIR_TRY(PartFile part, PartFile::Open(blob_path, file.etag, file.n_bytes, options.chunk_bytes));
  DownloadResult result;
  result.bytes_kept = part.total_arrived();
  Download download(settings, options, url, file, part, events);
  WEIR_RETURN_IF_ERROR(download.Run());
  result.bytes_fetched = download.bytes_fetched();
  if (events.verifying) events.verifying();
  const Status finished = part.Finish([&](int64_t done) {
    if (events.progress) events.progress(done);
    return !Interrupted();
  });
  if (!finished) {
    return WithHint(In(file.path, finished.error()),
                    finished.error().code == ErrorCode::kInterrupted
                        ? ""
                        : "what had arrived is gone; start the download again");
  }
  return result;
}

}  // namespace weir
