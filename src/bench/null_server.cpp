#include "bench/null_server.h"

#include <algorithm>
#include <boost/asio.hpp>
#include <charconv>
#include <optional>
#include <string_view>
#include <thread>

namespace weir {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kMostBytes = 64 << 20;     // of a request
constexpr int64_t kMostTokens = 1 << 20;
constexpr size_t kPartTokens = 64;  // written at a time: an answer is not held in memory as a whole

/// The number behind `name` in text that weir's own client wrote.
std::optional<int64_t> NumberAfter(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == text.npos) return std::nullopt;
  const char* const begin = text.data() + at + name.size();
  int64_t value = 0;
  const auto read = std::from_chars(begin, text.data() + text.size(), value);
  return read.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::string Chunk(std::string_view data) { return fmt::format("{:x}\r\n{}\r\n", data.size(), data); }

std::string Event(bool chat, bool last) {
  const char* const finish = last ? "\"length\"" : "null";
  return chat ? fmt::format("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" x\"}},"
                            "\"finish_reason\":{}}}]}}\n\n", finish)
              : fmt::format("data: {{\"choices\":[{{\"index\":0,\"text\":\" x\",\"finish_reason\":{}}}]}}\n\n",
                            finish);
}

/// One connection; answers its requests one after the other.
class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

  void ReadHead() {
    asio::async_read_until(socket_, asio::dynamic_buffer(in_, kMostBytes), "\r\n\r\n",
                           [self = shared_from_this()](error_code error, size_t n) {
                             if (!error) self->ReadBody(n);
                           });
  }

 private:
  void ReadBody(size_t head_size) {
    const std::string_view head(in_.data(), head_size);
    const auto length = static_cast<size_t>(
        std::max<int64_t>(NumberAfter(head, "Content-Length: ").value_or(0), 0));
    if (length > kMostBytes) return;
    const size_t whole = head_size + length, missing = whole - std::min(whole, in_.size());
    asio::async_read(socket_, asio::dynamic_buffer(in_), asio::transfer_exactly(missing),
                     [self = shared_from_this(), head_size, whole](error_code error, size_t) {
                       if (!error) self->Answer(head_size, whole);
                     });
  }

  void Answer(size_t head_size, size_t whole) {
    const std::string_view head(in_.data(), head_size), body(in_.data() + head_size, whole - head_size);
    if (head.starts_with("GET")) {
      constexpr std::string_view kModels =
          R"({"object":"list","data":[{"id":"null","object":"model","owned_by":"null"}]})";
      const bool known = head.starts_with("GET /v1/models ");
      out_ = fmt::format("HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                         known ? "200 OK" : "404 Not Found", known ? kModels.size() : 2,
                         known ? kModels : "{}");
      left_ = 0;
    } else {
      chat_ = head.find("/chat/") != head.npos;
      left_ = std::clamp<int64_t>(NumberAfter(body, "\"max_tokens\":").value_or(16), 1, kMostTokens);
      out_ = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
      n_tokens_ = left_;
    }
    in_.erase(0, whole);
    Write();
  }

  void Write() {
    if (left_ > 0) {
      for (size_t i = 0; i < kPartTokens && left_ > 0; ++i) out_ += Chunk(Event(chat_, --left_ == 0));
      if (left_ == 0) {
        out_ += Chunk(fmt::format("data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":0,"
                                  "\"completion_tokens\":{}}}}}\n\n", n_tokens_));
        out_ += Chunk("data: [DONE]\n\n") + "0\r\n\r\n";
      }
    }
    asio::async_write(socket_, asio::buffer(out_), [self = shared_from_this()](error_code error, size_t) {
      if (error) return;
      self->out_.clear();
      self->left_ > 0 ? self->Write() : self->ReadHead();
    });
  }

  tcp::socket socket_;
  std::string in_, out_;
  bool chat_ = false;
  int64_t left_ = 0, n_tokens_ = 0;
};

}  // namespace

struct NullServer::Impl {
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  std::thread thread;

  Status Open() {
    const tcp::endpoint address(asio::ip::address_v4::loopback(), 0);
    error_code error;
    acceptor.open(address.protocol(), error);
    if (!error) acceptor.bind(address, error);
    if (!error) acceptor.listen(1024, error);
    if (error) return Failed("127.0.0.1: cannot listen: {}", error.message());
    Accept();
    thread = std::thread([this] { context.run(); });
    return {};
  }

  void Accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error) {
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        std::make_shared<Session>(std::move(socket))->ReadHead();
      }
      Accept();
    });
  }

  ~Impl() {
    context.stop();
    if (thread.joinable()) thread.join();
  }
};

NullServer::NullServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NullServer::~NullServer() = default;

Result<std::unique_ptr<NullServer>> NullServer::Start() {
  auto impl = std::make_unique<Impl>();
  WEIR_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<NullServer>(new NullServer(std::move(impl)));
}

std::string NullServer::url() const {
  error_code ignored;
  return fmt::format("http://127.0.0.1:{}", impl_->acceptor.local_endpoint(ignored).port());
}

}  // namespace weir
