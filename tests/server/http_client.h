// A client that sends exactly the bytes it is told to and shows those it gets.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace weir {

struct ClientAnswer {
  int status = 0;  // 0: the connection ended before there was a whole answer
  std::string head;
  std::string body;                 // of all chunks
  std::vector<std::string> chunks;  // as they were framed

  nlohmann::json json() const { return nlohmann::json::parse(body, nullptr, false); }
  bool Has(const std::string& header) const { return head.find(header) != std::string::npos; }
};

/// One connection to 127.0.0.1. Reads wait 10 seconds at most.
class Client {
 public:
  /// `receive_buffer_bytes`: what the system takes in for a client that does not read (0: as much as it likes).
  explicit Client(int port, int receive_buffer_bytes = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { Hang(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  void Send(const std::string& bytes) {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  }
  void Hang() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

  /// Reads more; false at the end of the connection, or when nothing comes.
  bool Read() {
    pollfd ready{fd_, POLLIN, 0};
    if (poll(&ready, 1, 60'000) != 1) return false;  // sanitizers take seconds for a long prompt
    char bytes[4096];
    const ssize_t n = recv(fd_, bytes, sizeof(bytes), 0);
    if (n <= 0) return false;
    unread_.append(bytes, static_cast<size_t>(n));
    return true;
  }
  bool Ended() {
    while (Read()) {}
    return unread_.empty();
  }
  /// What comes up to and with `end`; all there is if it does not come.
  std::string ReadUntil(const std::string& end) {
    size_t at;
    while ((at = unread_.find(end)) == std::string::npos) {
      if (!Read()) return std::exchange(unread_, {});
    }
    return Take(at + end.size());
  }

  ClientAnswer ReadAnswer(bool has_body = true) {
    ClientAnswer answer;
    answer.head = ReadUntil("\r\n\r\n");
    if (answer.head.compare(0, 9, "HTTP/1.1 ") != 0) return answer;
    const int status = std::stoi(answer.head.substr(9, 3));
    if (!has_body || ReadBody(&answer)) answer.status = status;
    return answer;
  }

 private:
  std::string Take(size_t n) {
    std::string taken = unread_.substr(0, n);
    unread_.erase(0, n);
    return taken;
  }
  bool ReadExactly(size_t n, std::string* bytes) {
    while (unread_.size() < n) {
      if (!Read()) return false;
    }
    *bytes = Take(n);
    return true;
  }
  bool ReadBody(ClientAnswer* answer) {
    if (const size_t at = answer->head.find("Content-Length: "); at != std::string::npos) {
      return ReadExactly(std::stoul(answer->head.substr(at + 16)), &answer->body);
    }
    if (!answer->Has("Transfer-Encoding: chunked")) {
      while (Read()) {}
      answer->body = std::exchange(unread_, {});
      return true;
    }
    for (;;) {
      const std::string length = ReadUntil("\r\n");
      if (length.size() < 3) return false;
      const size_t n = std::stoul(length, nullptr, 16);
      std::string chunk;
      if (!ReadExactly(n + 2, &chunk) || chunk.substr(n) != "\r\n") return false;
      if (n == 0) return true;
      answer->chunks.push_back(chunk.substr(0, n));
      answer->body += answer->chunks.back();
    }
  }

  int fd_;
  bool connected_ = false;
  std::string unread_;
};

inline std::string Get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

inline std::string Post(const std::string& path, const std::string& body,
                        const std::string& headers = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// The answer to one request on a connection of its own.
inline ClientAnswer Ask(int port, const std::string& request) {
  Client client(port);
  client.Send(request);
  return client.ReadAnswer();
}

/// Whether `condition` comes true within 10 seconds.
template <class Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 6000; ++i) {
    if (condition()) return true;
    usleep(10'000);
  }
  return condition();
}

}  // namespace weir
