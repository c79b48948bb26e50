#include "bench/stream_client.h"

#include <curl/curl.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "util/clock.h"
#include "util/error.h"

namespace weir {
namespace {

constexpr long kMostIdleConnections = 1024;
constexpr int kPollMs = 250;

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

struct StreamClient::Impl {
  struct Transfer {
    Impl* client;
    int64_t id;
    std::string url, body;
    std::unique_ptr<curl_slist, ListCleanup> headers;
    std::unique_ptr<CURL, EasyCleanup> easy;
    char error[CURL_ERROR_SIZE] = {};
    int64_t begin_ns = 0;
    int64_t headers_ns = 0;  // of the answer that is being read
    int64_t heard_ns = 0;    // when something last arrived
  };

  explicit Impl(const StreamClientOptions& stream_options) : options(stream_options) {
    static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
    multi.reset(curl_multi_init());
    WEIR_CHECK(global == CURLE_OK && multi);
    curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, kMostIdleConnections);
    thread = std::thread([this] { Run(); });
  }

  ~Impl() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    curl_multi_wakeup(multi.get());
    thread.join();
    RemoveAll();
  }

  void Prepare(Transfer& transfer, bool post) {
    CURL* const easy = transfer.easy.get();
    const auto add = [&](const char* line) {
      transfer.headers.reset(curl_slist_append(transfer.headers.release(), line));
    };
    for (const std::string& line : options.headers) add(line.c_str());
    if (post) {
      add("Content-Type: application/json");
      add("Expect:");  // else a long prompt first waits for a 100
      curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer.body.c_str());
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(transfer.body.size()));
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
    curl_easy_setopt(easy, CURLOPT_URL, transfer.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");  // a proxy would be measured along
    curl_easy_setopt(easy, CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, long{options.connect_seconds});
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  }

  void Give(StreamPiece piece) {
    {
      std::lock_guard lock(mutex);
      pieces.push_back(std::move(piece));
    }
    arrived.notify_one();
  }

  static size_t OnHeader(char* data, size_t size, size_t n, void* context) {
    const int64_t now = NowNs();
    auto& transfer = *static_cast<Transfer*>(context);
    const std::string_view line(data, size * n);
    transfer.heard_ns = now;
    if (line.starts_with("HTTP/")) transfer.headers_ns = now;
    if (line != "\r\n" && line != "\n") return line.size();
    long status = 0;
    const char* type = nullptr;
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer.easy.get(), CURLINFO_CONTENT_TYPE, &type);
    if (status < 200) return line.size();  // the real answer follows
    StreamPiece piece;
    piece.kind = StreamPiece::Kind::kHeaders;
    piece.stream = transfer.id;
    piece.time_ns = transfer.headers_ns;
    piece.status = static_cast<int>(status);
    if (type) piece.content_type = type;
    transfer.client->Give(std::move(piece));
    return line.size();
  }

  static size_t OnBytes(char* data, size_t size, size_t n, void* context) {
    StreamPiece piece;
    piece.time_ns = NowNs();
    auto& transfer = *static_cast<Transfer*>(context);
    transfer.heard_ns = piece.time_ns;
    piece.stream = transfer.id;
    piece.text.assign(data, size * n);
    transfer.client->Give(std::move(piece));
    return size * n;
  }

  void Run() {
    while (true) {
      {
        std::lock_guard lock(mutex);
        if (stopping) return;
        if (cancelling) {
          RemoveAll();
          fresh.clear();
          pieces.clear();
          cancelling = false;
          cancelled.notify_all();
        }
        for (auto& transfer : fresh) Begin(std::move(transfer));
        fresh.clear();
      }
      int n_running = 0;
      curl_multi_perform(multi.get(), &n_running);
      int n_left = 0;
      while (CURLMsg* message = curl_multi_info_read(multi.get(), &n_left)) {
        if (message->msg == CURLMSG_DONE) End(message->easy_handle, message->data.result);
      }
      GiveUpSilent();
      curl_multi_poll(multi.get(), nullptr, 0, kPollMs, nullptr);
    }
  }

  void Begin(std::unique_ptr<Transfer> transfer) {
    transfer->begin_ns = transfer->heard_ns = NowNs();
    curl_multi_add_handle(multi.get(), transfer->easy.get());
    running[transfer->id] = std::move(transfer);
  }

  /// libcurl's own limit of speed is a mean of five seconds and more.
  void GiveUpSilent() {
    const int64_t before_ns = NowNs() - int64_t{options.silence_seconds} * 1'000'000'000;
    std::vector<CURL*> silent;
    for (const auto& [id, transfer] : running) {
      if (transfer->heard_ns < before_ns) silent.push_back(transfer->easy.get());
    }
    for (CURL* easy : silent) End(easy, CURLE_OPERATION_TIMEDOUT);
  }

  void End(CURL* easy, CURLcode code) {
    StreamPiece piece;
    piece.kind = StreamPiece::Kind::kEnd;
    piece.time_ns = NowNs();
    Transfer* transfer = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    piece.stream = transfer->id;
    curl_off_t ready_us = 0;
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    if (ready_us > 0) piece.sent_ns = transfer->begin_ns + ready_us * 1000;
    if (code != CURLE_OK) piece.text = Problem(*transfer, code, ready_us > 0);
    curl_multi_remove_handle(multi.get(), easy);
    running.erase(transfer->id);
    Give(std::move(piece));
  }

  std::string Problem(const Transfer& transfer, CURLcode code, bool connected) const {
    if (code == CURLE_OPERATION_TIMEDOUT && connected) {
      return fmt::format("no byte for {} s", options.silence_seconds);
    }
    return transfer.error[0] ? transfer.error : curl_easy_strerror(code);
  }

  void RemoveAll() {
    for (auto& [id, transfer] : running) {
      curl_multi_remove_handle(multi.get(), transfer->easy.get());
    }
    running.clear();
  }

  const StreamClientOptions options;
  std::unique_ptr<CURLM, MultiCleanup> multi;
  std::map<int64_t, std::unique_ptr<Transfer>> running;  // of the thread
  std::mutex mutex;
  std::condition_variable arrived, cancelled;
  std::vector<std::unique_ptr<Transfer>> fresh;
  std::deque<StreamPiece> pieces;
  bool stopping = false, cancelling = false;
  int64_t next_id = 0;
  std::thread thread;
};

StreamClient::StreamClient(const StreamClientOptions& options)
    : impl_(std::make_unique<Impl>(options)) {}
StreamClient::~StreamClient() = default;

int64_t StreamClient::Send(const HttpCall& call) {
  auto transfer = std::make_unique<Impl::Transfer>();
  const int64_t id = impl_->next_id++;
  transfer->client = impl_.get();
  transfer->id = id;
  transfer->url = call.url;
  transfer->body = call.body.value_or("");
  transfer->easy.reset(curl_easy_init());
  WEIR_CHECK(transfer->easy != nullptr);
  impl_->Prepare(*transfer, call.body.has_value());
  {
    std::lock_guard lock(impl_->mutex);
    impl_->fresh.push_back(std::move(transfer));
  }
  curl_multi_wakeup(impl_->multi.get());
  return id;
}

std::optional<StreamPiece> StreamClient::Next(int64_t timeout_ns) {
  std::unique_lock lock(impl_->mutex);
  impl_->arrived.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                          [&] { return !impl_->pieces.empty(); });
  if (impl_->pieces.empty()) return std::nullopt;
  StreamPiece piece = std::move(impl_->pieces.front());
  impl_->pieces.pop_front();
  return piece;
}

void StreamClient::CancelAll() {
  std::unique_lock lock(impl_->mutex);
  impl_->cancelling = true;
  curl_multi_wakeup(impl_->multi.get());
  impl_->cancelled.wait(lock, [&] { return !impl_->cancelling; });
}

HttpReply Ask(StreamClient& client, const HttpCall& call) {
  const int64_t id = client.Send(call);
  HttpReply reply;
  while (true) {
    const std::optional<StreamPiece> piece = client.Next(1'000'000'000);
    if (!piece || piece->stream != id) continue;
    switch (piece->kind) {
      case StreamPiece::Kind::kHeaders:
        reply.status = piece->status;
        reply.content_type = piece->content_type;
        break;
      case StreamPiece::Kind::kBytes:
        reply.body += piece->text;
        break;
      case StreamPiece::Kind::kEnd:
        reply.problem = piece->text;
        return reply;
    }
  }
}

}  // namespace weir
