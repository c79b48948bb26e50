// Sockets, limits and framing, without a model behind them.
#include "server/http_server.h"

#include <gtest/gtest.h>
#include <netinet/tcp.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "server/http_client.h"

namespace weir {
namespace {

using std::chrono::milliseconds;

/// Echoes bodies at /echo, streams at /stream, and keeps the responder of /hold for the test.
class HttpServerTest : public testing::Test {
 protected:
  void Start(HttpOptions options = {}) {
    auto server = HttpServer::Listen(
        options,
        [](const HttpRequest& head) -> std::optional<HttpAnswer> {
          if (head.path != "/forbidden") return std::nullopt;
          return HttpAnswer{403, "no", "text/plain"};
        },
        [this](HttpRequest request, std::shared_ptr<Responder> responder) {
          Handle(std::move(request), std::move(responder));
        });
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(server).value();
  }
  void TearDown() override {
    if (server_) server_->Stop();
    held_.reset();
  }

  void Handle(HttpRequest request, std::shared_ptr<Responder> responder) {
    ++n_handled_;
    if (request.path == "/stream") {
      responder->Begin({200, "", "text/event-stream"});
      for (const char* part : {"data: one\n\n", "data: two\n\n"}) responder->Write(part);
      responder->End();
    } else if (request.path == "/hold") {
      responder->OnGone([this] { gone_ = true; });
      std::lock_guard lock(mutex_);
      held_ = responder;
    } else if (request.path == "/drop") {
      return;
    } else {
      responder->Send({200, request.method + " " + request.path + " " + request.query + " " + request.body,
                       "text/plain"});
    }
  }
  std::shared_ptr<Responder> Held() {
    std::shared_ptr<Responder> held;
    EXPECT_TRUE(Eventually([&] {
      std::lock_guard lock(mutex_);
      return (held = held_) != nullptr;
    }));
    return held;
  }
  int port() const { return server_->port(); }

  std::unique_ptr<HttpServer> server_;
  std::mutex mutex_;
  std::shared_ptr<Responder> held_;
  std::atomic<bool> gone_ = false;
  std::atomic<int> n_handled_ = 0;
};

TEST_F(HttpServerTest, AnswersOnOneConnection) {
  Start();
  Client client(port());
  client.Send(Post("/echo?a=b", "hello"));
  ClientAnswer answer = client.ReadAnswer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "POST /echo a=b hello");
  EXPECT_EQ(answer.head,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            "Connection: keep-alive\r\n\r\n");
  client.Send(Get("/x") + Get("/y") + Post("/z", "3"));  // without waiting for answers
  EXPECT_EQ(client.ReadAnswer().body, "GET /x  ");
  EXPECT_EQ(client.ReadAnswer().body, "GET /y  ");
  EXPECT_EQ(client.ReadAnswer().body, "POST /z  3");
  client.Send("HEAD /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(client.ReadAnswer(false).Has("Content-Length: 9\r\n"));
  client.Send(Get("/x", "Connection: close\r\n"));
  EXPECT_EQ(client.ReadAnswer().status, 200);
  EXPECT_TRUE(client.Ended());
}

TEST_F(HttpServerTest, ReadsBodiesInChunksAndBytesOneByOne) {
  Start();
  Client client(port());
  const std::string request =
      "POST /e HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (char c : request) client.Send(std::string(1, c));
  EXPECT_EQ(client.ReadAnswer().body, "POST /e  abcde");
}

TEST_F(HttpServerTest, FramesStreams) {
  Start();
  Client client(port());
  client.Send(Get("/stream"));
  EXPECT_EQ(client.ReadUntil("0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            "Connection: keep-alive\r\n\r\n"
            "b\r\ndata: one\n\n\r\nb\r\ndata: two\n\n\r\n0\r\n\r\n");
  client.Send(Get("/x"));
  EXPECT_EQ(client.ReadAnswer().status, 200);

  Client old(port());
  old.Send("GET /stream HTTP/1.0\r\n\r\n");
  const ClientAnswer answer = old.ReadAnswer();
  EXPECT_FALSE(answer.Has("chunked"));
  EXPECT_EQ(answer.body, "data: one\n\ndata: two\n\n");
}

TEST_F(HttpServerTest, RefusesWhatIsNotARequest) {
  Start({.max_header_bytes = 1000, .max_body_bytes = 100});
  const struct {
    std::string request;
    int status;
  } kCases[] = {
      {"\x16\x03\x01\x02\r\n\r\n", 400},
      {"GET / HTTP/1.1 extra\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"GET example.com HTTP/1.1\r\n\r\n", 400},
      {"OPTIONS * HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/3.7\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 501},
      {"GET /" + std::string(2000, 'a') + " HTTP/1.1\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nA: " + std::string(2000, 'a') + "\r\n\r\n", 431},
      {Post("/", std::string(101, 'a')), 413},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + std::string(255, 'a') + "\r\n0\r\n\r\n",
       413},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {Post("/", "a", "Expect: miracles\r\n"), 417},
      {Post("/forbidden", "a"), 403},
  };
  for (const auto& [request, status] : kCases) {
    Client client(port());
    client.Send(request);
    EXPECT_EQ(client.ReadAnswer().status, status) << request.substr(0, 80);
    EXPECT_TRUE(client.Ended()) << request.substr(0, 80);
  }
  EXPECT_EQ(n_handled_, 0);
  EXPECT_TRUE(Eventually([&] { return server_->n_connections() == 0; }));
}

TEST_F(HttpServerTest, AnswersBeforeTheBodyWhereItIsExpected) {
  Start();
  Client client(port());
  client.Send("POST /e HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_EQ(client.ReadAnswer().body, "POST /e  ok");
  Client refused(port());
  refused.Send("POST /forbidden HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(refused.ReadAnswer().status, 403);
}

TEST_F(HttpServerTest, ClosesConnectionsThatAreTooSlow) {
  Start({.idle_timeout = milliseconds(300),
         .header_timeout = milliseconds(100),
         .body_timeout = milliseconds(100)});
  Client idle(port()), head(port()), body(port());
  head.Send("GET / HTTP/1.1\r\nA");
  body.Send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(head.ReadAnswer().status, 408);
  EXPECT_EQ(body.ReadAnswer().status, 408);
  EXPECT_TRUE(idle.Ended());
  EXPECT_TRUE(Eventually([&] { return server_->n_connections() == 0; }));
}

TEST_F(HttpServerTest, ClosesConnectionsThatAreNeverIdleAndNeverDone) {
  Start({.header_timeout = milliseconds(300), .body_timeout = milliseconds(300)});
  Client head(port()), body(port());
  head.Send("GET / HTTP/1.1\r\nA: ");
  body.Send("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
  // A byte now and then; after the time is up the server does not listen any more.
  for (int i = 0; i < 40; ++i) {
    head.Send("a");
    body.Send("a");
    usleep(10'000);
  }
  EXPECT_EQ(head.ReadAnswer().status, 408);
  EXPECT_EQ(body.ReadAnswer().status, 408);
  EXPECT_EQ(n_handled_, 0);
}

/// The server's end of a client's connection: it is in this process.
int ServersEnd(const Client& client) {
  sockaddr_in own{}, peer{};
  socklen_t size = sizeof(own);
  getsockname(client.fd(), reinterpret_cast<sockaddr*>(&own), &size);
  for (int fd = 0; fd < 1024; ++fd) {
    size = sizeof(peer);
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sin_port == own.sin_port) return fd;
  }
  return -1;
}

TEST_F(HttpServerTest, AsksTheSystemToNoticePeersThatVanish) {
  // A peer whose cable is cut sends nothing that could be noticed; what the system is told to do about it can.
  Start({.send_buffer_bytes = 10'000});
  Client client(port());
  client.Send(Get("/hold"));
  Held();
  const int fd = ServersEnd(client);
  const auto option = [fd](int level, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 30);  // seconds of silence, then
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL) * option(IPPROTO_TCP, TCP_KEEPCNT), 30);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 30'000);  // milliseconds without acknowledgement
  EXPECT_LE(option(SOL_SOCKET, SO_SNDBUF), 20'000);  // the system doubles it
}

TEST_F(HttpServerTest, LimitsConnectionsAndTheMemoryOfBodies) {
  Start({.max_connections = 2, .max_body_bytes = 1000, .max_bodies_bytes = 1500, .small_body_bytes = 10});
  Client first(port()), second(port());
  const std::string head = "POST /e HTTP/1.1\r\nContent-Length: 1000\r\n\r\n";
  first.Send(head + std::string(900, 'a'));
  ASSERT_TRUE(Eventually([&] { return server_->n_connections() == 2; }));
  Client third(port());
  const ClientAnswer turned_away = third.ReadAnswer();
  EXPECT_EQ(turned_away.status, 503);
  EXPECT_TRUE(turned_away.Has("Retry-After: 1\r\n"));
  EXPECT_EQ(turned_away.json()["error"]["code"], "overloaded");
  usleep(20'000);  // what the first has sent is read
  second.Send(Post("/small", std::string(10, 'b')));
  EXPECT_EQ(second.ReadAnswer().status, 200);
  second.Send(head);
  const ClientAnswer full = second.ReadAnswer();
  EXPECT_EQ(full.status, 503);
  EXPECT_TRUE(full.Has("Retry-After: 1"));
  first.Send(std::string(100, 'a'));
  EXPECT_EQ(first.ReadAnswer().status, 200);
  first.Send(head + std::string(1000, 'b'));  // what was counted has been given back
  EXPECT_EQ(first.ReadAnswer().status, 200);
}

TEST_F(HttpServerTest, CountsBodiesWithoutALengthAsTheyCome) {
  Start({.max_body_bytes = 1000, .max_bodies_bytes = 500, .small_body_bytes = 10});
  const std::string head = "POST /e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(Ask(port(), head + "1f4\r\n" + std::string(500, 'a') + "\r\n0\r\n\r\n").status, 200);
  EXPECT_EQ(Ask(port(), head + "1f5\r\n" + std::string(501, 'a') + "\r\n0\r\n\r\n").status, 503);
}

TEST_F(HttpServerTest, BodiesThatAreOnlyAnnouncedKeepNobodyOut) {
  Start({.max_body_bytes = 1000, .max_bodies_bytes = 1500, .small_body_bytes = 10});
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 16; ++i) {
    idle.push_back(std::make_unique<Client>(port()));
    idle.back()->Send("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
    idle.back()->ReadUntil("100 Continue\r\n\r\n");  // its head has been read
  }
  EXPECT_EQ(Ask(port(), Post("/e", std::string(1000, 'a'))).status, 200);
}

TEST_F(HttpServerTest, SaysWhenTheClientHasGone) {
  Start();
  Client client(port());
  client.Send(Get("/hold") + Get("/x"));  // the second request does not hide the end of the connection
  const std::shared_ptr<Responder> held = Held();
  EXPECT_FALSE(held->gone());
  client.Hang();
  EXPECT_TRUE(Eventually([&] { return gone_.load(); }));
  EXPECT_TRUE(held->gone());
  held->Begin({200, ""});
  EXPECT_FALSE(held->Write("x"));
  EXPECT_EQ(server_->n_connections(), 0);
  bool at_once = false;
  held->OnGone([&] { at_once = true; });
  EXPECT_TRUE(at_once);
}

TEST_F(HttpServerTest, CutsClientsThatDoNotRead) {
  Start({.max_unsent_bytes = 100'000});
  Client client(port());
  client.Send(Get("/hold"));
  const std::shared_ptr<Responder> held = Held();
  held->Begin({200, "", "text/event-stream"});
  const std::string part(1000, 'x');
  // The socket's buffers on both sides take some megabytes first.
  int n_written = 0;
  while (n_written < 100'000 && held->Write(part)) {
    if (++n_written % 50 == 0) usleep(1000);
  }
  EXPECT_LT(n_written, 100'000);
  EXPECT_TRUE(Eventually([&] { return gone_.load(); }));
  EXPECT_TRUE(Eventually([&] { return server_->n_connections() == 0; }));
}

TEST_F(HttpServerTest, CutsClientsThatTakeNothingInForTooLong) {
  Start({.max_unsent_bytes = 100 << 20, .write_timeout = milliseconds(100)});
  Client client(port());
  client.Send(Get("/hold"));
  const std::shared_ptr<Responder> held = Held();
  held->Begin({200, ""});
  held->Write(std::string(50 << 20, 'x'));
  EXPECT_TRUE(Eventually([&] { return gone_.load(); }));
}

TEST_F(HttpServerTest, NeverLeavesARequestWithoutAnswer) {
  Start();
  EXPECT_EQ(Ask(port(), Get("/drop")).status, 500);
  Client client(port());
  client.Send(Get("/hold"));
  Held()->Begin({200, "data: a\n\n"});
  {
    std::lock_guard lock(mutex_);
    held_.reset();  // in the midst of a stream
  }
  EXPECT_EQ(client.ReadAnswer().status, 0);
}

TEST_F(HttpServerTest, DrainsWhatItHasBegun) {
  Start();
  Client idle(port()), busy(port());
  busy.Send(Get("/hold"));
  const std::shared_ptr<Responder> held = Held();
  std::thread end([&] {
    EXPECT_TRUE(idle.Ended());
    EXPECT_FALSE(Client(port()).connected());
    held->Send({200, "done"});
  });
  EXPECT_TRUE(server_->Drain(milliseconds(10'000)));
  end.join();
  const ClientAnswer answer = busy.ReadAnswer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_TRUE(answer.Has("Connection: close"));
}

TEST_F(HttpServerTest, DrainsNoLongerThanAsked) {
  Start();
  Client busy(port());
  busy.Send(Get("/hold"));
  Held();
  EXPECT_FALSE(server_->Drain(milliseconds(50)));
  server_->Stop();
  EXPECT_TRUE(gone_);
  EXPECT_TRUE(busy.Ended());
}

TEST_F(HttpServerTest, SaysWhereItCannotListen) {
  Start();
  const auto nothing = [](HttpRequest, std::shared_ptr<Responder>) {};
  const auto listen = [&](const HttpOptions& options) {
    return HttpServer::Listen(options, [](const HttpRequest&) { return std::nullopt; }, nothing);
  };
  const auto taken = listen({.port = port()});
  ASSERT_FALSE(taken.ok());
  EXPECT_NE(taken.error().message.find("cannot listen"), std::string::npos);
  EXPECT_EQ(taken.error().hint, "choose another --port");
  EXPECT_EQ(listen({.host = "nowhere"}).error().code, ErrorCode::kBadInput);
}

TEST(IsLoopback, KnowsItsAddresses) {
  for (const char* inside : {"127.0.0.1", "127.9.9.9", "::1"}) EXPECT_EQ(IsLoopback(inside), true) << inside;
  for (const char* outside : {"0.0.0.0", "192.168.0.1", "::", "fe80::1"}) {
    EXPECT_EQ(IsLoopback(outside), false) << outside;
  }
  EXPECT_EQ(IsLoopback("localhost"), std::nullopt);
}

}  // namespace
}  // namespace weir
