#include "server/http_server.h"

#include <netinet/tcp.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

#include "server/http_exchange.h"
#include "util/processors.h"

namespace weir {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kReadBytes = 4096;
// Requests that a client sends without waiting for answers are read this far ahead; beyond it they
// stay in the socket.
constexpr size_t kMaxAheadBytes = 64 << 10;
// A connection that is closed while bytes arrive loses its answer, so they are read and dropped for a while.
constexpr auto kLingerTime = std::chrono::seconds(1);
constexpr size_t kMaxLingerBytes = 1 << 20;
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // after an error: no descriptors are left
// Clients that have vanished without a word: nobody acknowledges for this long.
constexpr int kVanishedSeconds = 30, kProbeSeconds = 10, kProbes = 3;

template <int kLevel, int kName>
using IntOption = asio::detail::socket_option::integer<kLevel, kName>;

void SetSocketOptions(tcp::socket& socket, int send_buffer_bytes) {
  error_code ignored;  // an old kernel without one of these serves all the same
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::send_buffer_size(send_buffer_bytes), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
#ifdef TCP_USER_TIMEOUT
  socket.set_option(IntOption<IPPROTO_TCP, TCP_KEEPIDLE>(kVanishedSeconds), ignored);
  socket.set_option(IntOption<IPPROTO_TCP, TCP_KEEPINTVL>(kProbeSeconds), ignored);
  socket.set_option(IntOption<IPPROTO_TCP, TCP_KEEPCNT>(kProbes), ignored);
  socket.set_option(IntOption<IPPROTO_TCP, TCP_USER_TIMEOUT>(kVanishedSeconds * 1000), ignored);
#endif
}

/// `message` needs no escapes in JSON.
HttpAnswer RefusalAnswer(int status, std::string_view message, std::string_view code) {
  HttpAnswer answer{status,
                    fmt::format(R"({{"error":{{"message":"{}","type":"{}","param":null,"code":"{}"}}}})",
                                message, status >= 500 ? "server_error" : "invalid_request_error", code)};
  if (status == 503) answer.headers.push_back({"Retry-After", "1"});
  return answer;
}

std::string Text(boost::core::string_view text) { return {text.data(), text.size()}; }

/// The last address in X-Forwarded-For, which is the one that the nearest proxy has seen; empty if there is none.
std::string ForwardedFor(const HttpRequest& head) {
  std::string_view last;
  for (const HttpHeader& header : head.headers) {
    if (header.name == "x-forwarded-for") last = header.value;
  }
  if (const size_t comma = last.rfind(','); comma != std::string_view::npos) last.remove_prefix(comma + 1);
  while (last.starts_with(' ') || last.starts_with('\t')) last.remove_prefix(1);
  error_code error;
  const asio::ip::address address = asio::ip::make_address(std::string(last), error);
  return error ? "" : address.to_string();
}

}  // namespace

struct HttpServer::Impl {
  class Session;

  Impl(const HttpOptions& the_options, HttpGuard the_guard, HttpHandler the_handler, HttpRefusalLog the_log)
      : options(the_options), guard(std::move(the_guard)), handler(std::move(the_handler)), log(std::move(the_log)) {}

  Status Open();
  void Accept();
  void Admit(tcp::socket socket);
  void Remove(const std::shared_ptr<Session>& session);
  void Run();
  void BeginDrain();
  void CloseAll();

  const HttpOptions options;
  const HttpGuard guard;
  const HttpHandler handler;
  const HttpRefusalLog log;

  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer accept_pause{io};
  std::set<std::shared_ptr<Session>> sessions;
  size_t bodies_bytes = 0;  // of bodies that have arrived, small ones aside
  int port = 0;

  std::mutex count_mutex;
  std::condition_variable count_changed;
  int n_connections = 0;

  std::thread thread;
};

/// One connection. Everything happens on the server's thread.
class HttpServer::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Impl& server, tcp::socket socket)
      : server_(server),
        socket_(std::move(socket)),
        read_timer_(server.io),
        write_timer_(server.io),
        buffer_(std::max(kMaxAheadBytes, server.options.max_header_bytes) + kReadBytes) {
    error_code error;
    const tcp::endpoint peer = socket_.remote_endpoint(error);
    if (error) return;
    peer_ = fmt::format("{}:{}", peer.address().to_string(), peer.port());
    from_here_ = peer.address().is_loopback();
  }

  void ReadNext();
  void Close();
  void BeginDrain();
  void CloseIfIdle();  // between two requests

 private:
  using Parser = http::request_parser<http::string_body>;

  void ReadHead();
  void OnHead(error_code error);
  void TakeHead();
  void ReadBody();
  void ReadSomeBody();
  bool FitsBody(size_t n_bytes) const;
  void RefuseBody();
  void Dispatch();
  void Refuse(HttpAnswer answer);
  void Refuse(int status, std::string_view message, const std::string& code);
  void RefuseRead(error_code error);
  std::shared_ptr<Exchange> NewExchange(Exchange::Terms terms);

  void Watch();
  void OnWake();
  void WriteOut();
  void FinishExchange();
  void AfterExchange();
  void Linger();
  void Drop();

  void SetDeadline(asio::steady_timer& timer, std::chrono::milliseconds time,
                   void (Session::*on_time)());
  void GiveUpReading();

  Impl& server_;
  tcp::socket socket_;
  asio::steady_timer read_timer_, write_timer_;
  boost::beast::flat_buffer buffer_;  // what has been read and not yet parsed
  std::string peer_;
  bool from_here_ = false;

  std::optional<Parser> parser_;
  HttpRequest request_;  // its head, while the body is read
  size_t body_counted_ = 0;

  std::shared_ptr<Exchange> exchange_;  // the request that is being answered
  asio::cancellation_signal stop_watching_;
  bool watching_ = false, exchange_done_ = false, keep_alive_ = false;
  std::string out_;  // what is being written
  bool writing_ = false;

  std::array<char, kReadBytes> dropped_;
  size_t n_dropped_ = 0;
  bool timed_out_ = false, draining_ = false, closed_ = false;
};

using Session = HttpServer::Impl::Session;

void Session::SetDeadline(asio::steady_timer& timer, std::chrono::milliseconds time,
                          void (Session::*on_time)()) {
  timer.expires_after(time);
  timer.async_wait([self = shared_from_this(), &timer, on_time](error_code error) {
    // A timer set anew while this call was on its way has a later expiry.
    if (error || timer.expiry() > std::chrono::steady_clock::now() || self->closed_) return;
    (self.get()->*on_time)();
  });
}

/// The pending read then ends with an error, and its handler says why.
void Session::GiveUpReading() {
  timed_out_ = true;
  error_code ignored;
  socket_.cancel(ignored);
}

void Session::ReadNext() {
  parser_.reset();
  request_ = {};
  if (buffer_.size() > 0) return ReadHead();
  if (draining_) return Close();
  SetDeadline(read_timer_, server_.options.idle_timeout, &Session::Close);
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](error_code error, size_t n) {
                            if (error || self->closed_) return self->Close();
                            self->buffer_.commit(n);
                            self->ReadHead();
                          });
}

void Session::ReadHead() {
  parser_.emplace();
  request_.peer = peer_;
  parser_->header_limit(static_cast<uint32_t>(server_.options.max_header_bytes));
  parser_->body_limit(server_.options.max_body_bytes);
  SetDeadline(read_timer_, server_.options.header_timeout, &Session::GiveUpReading);
  http::async_read_header(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](error_code error, size_t) { self->OnHead(error); });
}

void Session::OnHead(error_code error) {
  if (closed_) return;
  TakeHead();
  if (error) return RefuseRead(error);
  if (request_.path.empty() || request_.path[0] != '/') {
    return Refuse(400, "the target of a request begins with a slash", "bad_request");
  }
  if (const unsigned version = parser_->get().version(); version != 11 && version != 10) {
    return Refuse(505, "expected HTTP/1.1", "bad_request");
  }
  for (const HttpHeader& header : request_.headers) {
    if (header.name == "transfer-encoding" && !boost::beast::iequals(header.value, "chunked")) {
      return Refuse(501, "expected no transfer encoding but chunked", "bad_request");
    }
  }
  if (std::optional<HttpAnswer> answer = server_.guard(request_)) return Refuse(std::move(*answer));
  const auto length = parser_->content_length();
  if (length && !FitsBody(static_cast<size_t>(*length))) return RefuseBody();

  const std::string_view expect = request_.Header("expect");
  if (expect.empty() || parser_->is_done()) return ReadBody();
  if (expect.size() != 12 || !boost::beast::iequals(expect, "100-continue")) {
    return Refuse(417, "expected no expectation but 100-continue", "bad_request");
  }
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue),
                    [self = shared_from_this()](error_code write_error, size_t) {
                      if (write_error || self->closed_) return self->Close();
                      self->ReadBody();
                    });
}

/// Of a request that is no good, as much as has been read.
void Session::TakeHead() {
  const http::request<http::string_body>& head = parser_->get();
  request_.method = Text(head.method_string());
  const std::string target = Text(head.target());
  const size_t mark = target.find('?');
  request_.path = target.substr(0, mark);
  if (mark != std::string::npos) request_.query = target.substr(mark + 1);
  for (const auto& field : head) {
    std::string name = Text(field.name_string());
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    request_.headers.push_back({std::move(name), Text(field.value())});
  }
  if (from_here_) request_.forwarded_for = ForwardedFor(request_);
}

/// Memory for bodies is limited over all connections. What counts is what has arrived: who only announces a body
/// keeps nobody out. Small bodies always fit.
bool Session::FitsBody(size_t n_bytes) const {
  const size_t left = server_.options.max_bodies_bytes - server_.bodies_bytes;
  return n_bytes <= server_.options.small_body_bytes || n_bytes - body_counted_ <= left;
}

void Session::RefuseBody() { Refuse(503, "too many large requests at once, try again", "overloaded"); }

void Session::ReadBody() {
  SetDeadline(read_timer_, server_.options.body_timeout, &Session::GiveUpReading);
  ReadSomeBody();
}

void Session::ReadSomeBody() {
  if (parser_->is_done()) return Dispatch();
  http::async_read_some(socket_, buffer_, *parser_, [self = shared_from_this()](error_code error, size_t) {
    if (self->closed_) return;
    if (error) return self->RefuseRead(error);
    const size_t n_bytes = self->parser_->get().body().size();
    if (!self->FitsBody(n_bytes)) return self->RefuseBody();
    if (n_bytes > self->server_.options.small_body_bytes) {
      self->server_.bodies_bytes += n_bytes - std::exchange(self->body_counted_, n_bytes);
    }
    self->ReadSomeBody();
  });
}

void Session::RefuseRead(error_code error) {
  if (timed_out_) return Refuse(408, "the request took too long to arrive", "timeout");
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Refuse(431, fmt::format("expected a head of at most {} bytes", server_.options.max_header_bytes),
                  "head_too_large");
  }
  if (error == http::error::body_limit) {
    return Refuse(413, fmt::format("expected a body of at most {} bytes", server_.options.max_body_bytes),
                  "body_too_large");
  }
  const bool ended = error == http::error::end_of_stream || error == http::error::partial_message;
  if (ended || error.category() != http::make_error_code(http::error::bad_method).category()) {
    return Close();
  }
  Refuse(400, fmt::format("not HTTP: {}", error.message()), "bad_request");
}

/// Answers instead of the handler, and closes: what else the client sends cannot be told from a request.
void Session::Refuse(HttpAnswer answer) {
  read_timer_.cancel();
  exchange_ = NewExchange({.keep_alive = false, .head_only = request_.method == "HEAD"});
  exchange_->Send(answer);
}

/// For the limits and forms of HTTP, of which nobody else knows.
void Session::Refuse(int status, std::string_view message, const std::string& code) {
  if (server_.log) server_.log(request_, status, code);
  Refuse(RefusalAnswer(status, message, code));
}

std::shared_ptr<Exchange> Session::NewExchange(Exchange::Terms terms) {
  terms.max_unsent_bytes = server_.options.max_unsent_bytes;
  std::weak_ptr<Session> weak = weak_from_this();
  return std::make_shared<Exchange>(terms, [weak] {
    if (const std::shared_ptr<Session> self = weak.lock()) {
      asio::post(self->socket_.get_executor(), [self] { self->OnWake(); });
    }
  });
}

void Session::Dispatch() {
  read_timer_.cancel();
  http::request<http::string_body>& message = parser_->get();
  request_.body = std::move(message.body());
  exchange_ = NewExchange({.keep_alive = message.keep_alive() && !draining_,
                           .head_only = message.method() == http::verb::head,
                           .chunked = message.version() == 11});
  parser_.reset();
  exchange_done_ = false;
  Watch();
  server_.handler(std::move(request_), std::make_shared<Responder>(exchange_));
}

/// Reads on while a request is being answered: how else would one know that the client has gone?
void Session::Watch() {
  if (buffer_.size() >= kMaxAheadBytes) return;
  watching_ = true;
  const auto on_read = [self = shared_from_this()](error_code error, size_t n) {
    self->watching_ = false;
    if (self->closed_) return;
    if (!error) self->buffer_.commit(n);
    if (self->exchange_done_ && (!error || error == asio::error::operation_aborted)) {
      return self->AfterExchange();
    }
    if (error) return self->Close();
    self->Watch();
  };
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          asio::bind_cancellation_slot(stop_watching_.slot(), on_read));
}

void Session::OnWake() {
  if (closed_ || !exchange_) return;
  if (!writing_) return WriteOut();
  if (exchange_->gone()) Close();
}

void Session::WriteOut() {
  const Exchange::State state = exchange_->Take(&out_);
  if (state == Exchange::State::kCut) return Close();
  if (out_.empty()) {
    if (state == Exchange::State::kEnded) FinishExchange();
    return;
  }
  writing_ = true;
  SetDeadline(write_timer_, server_.options.write_timeout, &Session::Close);
  asio::async_write(socket_, asio::buffer(out_),
                    [self = shared_from_this()](error_code error, size_t) {
                      self->writing_ = false;
                      self->write_timer_.cancel();
                      if (self->closed_) return;
                      if (error) return self->Close();
                      self->WriteOut();
                    });
}

void Session::FinishExchange() {
  keep_alive_ = exchange_->keep_alive() && !draining_;
  exchange_->SetGone();
  exchange_.reset();
  server_.bodies_bytes -= std::exchange(body_counted_, 0);
  exchange_done_ = true;
  if (watching_) {
    stop_watching_.emit(asio::cancellation_type::terminal);
  } else {
    AfterExchange();
  }
}

void Session::AfterExchange() {
  exchange_done_ = false;
  if (keep_alive_) {
    ReadNext();
  } else {
    Linger();
  }
}

void Session::Linger() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  SetDeadline(read_timer_, kLingerTime, &Session::Close);
  Drop();
}

void Session::Drop() {
  socket_.async_read_some(asio::buffer(dropped_),
                          [self = shared_from_this()](error_code error, size_t n) {
                            self->n_dropped_ += n;
                            if (error || self->closed_ || self->n_dropped_ > kMaxLingerBytes) {
                              return self->Close();
                            }
                            self->Drop();
                          });
}

void Session::BeginDrain() {
  draining_ = true;
  if (exchange_) exchange_->ForbidKeepAlive();
}

void Session::CloseIfIdle() {
  if (!exchange_ && !parser_ && !exchange_done_ && buffer_.size() == 0) Close();
}

void Session::Close() {
  if (closed_) return;
  closed_ = true;
  const std::shared_ptr<Session> self = shared_from_this();
  read_timer_.cancel();
  write_timer_.cancel();
  error_code ignored;
  socket_.close(ignored);
  server_.bodies_bytes -= std::exchange(body_counted_, 0);
  if (const std::shared_ptr<Exchange> exchange = std::move(exchange_)) exchange->SetGone();
  server_.Remove(self);
}

Status HttpServer::Impl::Open() {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.host, error);
  if (error) return BadInput("{}: expected an IP address to listen on", options.host);
  const tcp::endpoint endpoint(address, static_cast<uint16_t>(options.port));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) port = acceptor.local_endpoint(error).port();
  if (!error) return {};
  Error refused = Failed("{}:{}: cannot listen: {}", options.host, options.port, error.message());
  if (error == asio::error::address_in_use) refused.hint = "choose another --port";
  return refused;
}

void HttpServer::Impl::Accept() {
  acceptor.async_accept([this](error_code error, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (!error) {
      Admit(std::move(socket));
      return Accept();
    }
    accept_pause.expires_after(kAcceptPause);
    accept_pause.async_wait([this](error_code wait_error) {
      if (!wait_error && acceptor.is_open()) Accept();
    });
  });
}

void HttpServer::Impl::Admit(tcp::socket socket) {
  SetSocketOptions(socket, options.send_buffer_bytes);
  if (static_cast<int>(sessions.size()) >= options.max_connections) {
    static const std::string kFull = [] {
      Exchange exchange({.keep_alive = false}, [] {});
      exchange.Send(RefusalAnswer(503, "too many connections at once, try again", "overloaded"));
      std::string bytes;
      exchange.Take(&bytes);
      return bytes;
    }();
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kFull), ignored);
    return;
  }
  auto session = std::make_shared<Session>(*this, std::move(socket));
  sessions.insert(session);
  {
    std::lock_guard lock(count_mutex);
    ++n_connections;
  }
  session->ReadNext();
}

void HttpServer::Impl::Remove(const std::shared_ptr<Session>& session) {
  sessions.erase(session);
  {
    std::lock_guard lock(count_mutex);
    --n_connections;
  }
  count_changed.notify_all();
}

void HttpServer::Impl::Run() {
  NameThisThread("weir-http");
  const auto work = asio::make_work_guard(io);
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception&) {
      // Out of memory in a handler: its connection is stuck until a timer ends it, the others go on.
    }
  }
}

void HttpServer::Impl::BeginDrain() {
  error_code ignored;
  acceptor.close(ignored);
  for (const std::shared_ptr<Session>& session : sessions) session->BeginDrain();
  for (const std::shared_ptr<Session>& session : std::set(sessions)) session->CloseIfIdle();
}

void HttpServer::Impl::CloseAll() {
  error_code ignored;
  acceptor.close(ignored);
  for (const std::shared_ptr<Session>& session : std::set(sessions)) session->Close();
  io.stop();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { Stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::Listen(const HttpOptions& options, HttpGuard guard,
                                                       HttpHandler handler, HttpRefusalLog log) {
  auto impl = std::make_unique<Impl>(options, std::move(guard), std::move(handler), std::move(log));
  WEIR_RETURN_IF_ERROR(impl->Open());
  impl->Accept();
  impl->thread = std::thread([raw = impl.get()] { raw->Run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

int HttpServer::port() const { return impl_->port; }

int HttpServer::n_connections() const {
  std::lock_guard lock(impl_->count_mutex);
  return impl_->n_connections;
}

bool HttpServer::Drain(std::chrono::milliseconds timeout) {
  asio::post(impl_->io, [impl = impl_.get()] { impl->BeginDrain(); });
  std::unique_lock lock(impl_->count_mutex);
  return impl_->count_changed.wait_for(lock, timeout, [this] { return impl_->n_connections == 0; });
}

void HttpServer::Stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->io, [impl = impl_.get()] { impl->CloseAll(); });
  impl_->thread.join();
}

std::optional<bool> IsLoopback(const std::string& address) {
  error_code error;
  const asio::ip::address parsed = asio::ip::make_address(address, error);
  if (error) return std::nullopt;
  return parsed.is_loopback();
}

}  // namespace weir
