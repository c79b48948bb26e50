// A server on 127.0.0.1 whose every byte a test decides, and when it is sent.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace weir {

/// One connection that has sent a whole request.
class FakeCall {
 public:
  FakeCall(int fd, std::string request_head, std::string request_body)
      : head(std::move(request_head)), body(std::move(request_body)), fd_(fd) {}

  void Send(const std::string& bytes) const {
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<size_t>(n);
    }
  }
  void SendHead(int status = 200, const std::string& type = "text/event-stream") const {
    Send("HTTP/1.1 " + std::to_string(status) + " Whatever\r\nContent-Type: " + type +
         "\r\nConnection: close\r\n\r\n");
  }
  void Event(const std::string& json) const { Send("data: " + json + "\n\n"); }
  void Text(const std::string& text) const {
    Event(R"({"choices":[{"index":0,"text":")" + text + R"(","finish_reason":null}]})");
  }
  static void Wait(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }
  /// Until the client has hung up.
  void WaitForHangUp() const {
    char byte;
    while (recv(fd_, &byte, 1, 0) > 0) continue;
  }

  const std::string head, body;

 private:
  int fd_;
};

class FakeSseServer {
 public:
  /// `answer` is called on a thread of its own for each request; the connection is closed after it.
  explicit FakeSseServer(std::function<void(const FakeCall&)> answer)
      : answer_(std::move(answer)), fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 512), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Accept(); });
  }
  ~FakeSseServer() {
    stopping_ = true;
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    close(fd_);
    {
      std::lock_guard lock(mutex_);
      for (int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void Accept() {
    while (!stopping_) {
      const int fd = accept(fd_, nullptr, nullptr);
      if (fd < 0) continue;
      std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  void Serve(int fd) {
    std::string bytes;
    char part[4096];
    size_t head_end = 0, length = 0;
    while (head_end == 0 || bytes.size() < head_end + length) {
      const ssize_t n = recv(fd, part, sizeof(part), 0);
      if (n <= 0) break;
      bytes.append(part, static_cast<size_t>(n));
      const size_t end = bytes.find("\r\n\r\n");
      if (head_end > 0 || end == bytes.npos) continue;
      head_end = end + 4;
      const size_t at = bytes.find("Content-Length: ");
      if (at < end) length = std::stoul(bytes.substr(at + 16));
    }
    if (head_end > 0) answer_(FakeCall(fd, bytes.substr(0, head_end), bytes.substr(head_end)));
    std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    close(fd);
  }

  const std::function<void(const FakeCall&)> answer_;
  const int fd_;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread thread_;
};

}  // namespace weir
