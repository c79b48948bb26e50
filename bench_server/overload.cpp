// overload WEIR MODEL [--seconds N] [--connections N] [--users N] [--no-times] [-- ARGUMENTS OF weir serve]
//
// Starts `weir serve MODEL` and treats it for a while as a bad day would: hundreds of connections that ask, leave in
// the midst of answers, send what is no request, half a request, or nothing. Then looks whether all that was taken
// has been given back. Exit code 0: it held; 1: it did not, and the lines that begin with "FAILED" say how.
// --no-times leaves out what depends on who else uses this machine.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "util/clock.h"

namespace {

using weir::NowNs;

constexpr int64_t kMs = 1'000'000, kSecond = 1'000 * kMs;
constexpr int64_t kHealthPeriod = 25 * kMs;
constexpr int64_t kPatience = 60 * kSecond;    // for one answer
constexpr int64_t kLeakBytes = 24 << 20;       // growth after the warm-up that is no leak: allocators keep some
constexpr double kMostHealthMs = 50, kMostItlRatio = 3;

struct Options {
  std::string weir, model;
  double seconds = 120;
  int n_connections = 500, n_users = 64;
  bool times = true;
  std::vector<std::string> serve;
};

// --- The server, as its operator sees it.

class ServerProcess {
 public:
  explicit ServerProcess(const Options& options) {
    std::vector<std::string> arguments = {options.weir, "serve", options.model, "--port", "0", "--max-users",
                                          std::to_string(options.n_users), "--max-queue",
                                          std::to_string(options.n_users),
                                          // Little memory, all of it soon in use: what grows then is a leak.
                                          "--ctx", "1024", "--kv-tokens", std::to_string(options.n_users * 512)};
    arguments.insert(arguments.end(), options.serve.begin(), options.serve.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int out[2];
    if (pipe(out) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
      close(out[0]);
      close(out[1]);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    std::string line;
    for (char c; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    close(out[0]);
    if (const size_t colon = line.rfind(':'); colon != line.npos) port_ = std::atoi(line.c_str() + colon + 1);
  }
  ~ServerProcess() {
    if (pid_ > 0) kill(pid_, SIGKILL), waitpid(pid_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  int port() const { return port_; }
  bool alive() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }
  int64_t ResidentBytes() const {
    std::ifstream file(fmt::format("/proc/{}/statm", pid_));
    int64_t all = 0, resident = 0;
    file >> all >> resident;
    return resident * sysconf(_SC_PAGESIZE);
  }
  int64_t Count(const char* what) const {  // "fd", "task"
    std::error_code ignored;
    return std::distance(std::filesystem::directory_iterator(fmt::format("/proc/{}/{}", pid_, what), ignored), {});
  }
  /// The exit code after SIGTERM; negative for a signal.
  int Terminate() {
    kill(pid_, SIGTERM);
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int port_ = 0;
};

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd);
    return -1;
  }
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

std::string Get(std::string_view path) { return fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path); }

std::string Post(std::string_view path, std::string_view body) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", path, body.size(), body);
}

/// The whole answer to one request on a connection of its own, read to its end; empty if there is none.
std::string Fetch(int port, std::string_view path) {
  const int fd = Connect(port);
  if (fd < 0) return {};
  fcntl(fd, F_SETFL, 0);
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
  std::string answer;
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    char bytes[4096];
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), 0)) > 0;) answer.append(bytes, static_cast<size_t>(n));
  }
  close(fd);
  return answer;
}

std::map<std::string, double> ReadMetrics(int port) {
  std::map<std::string, double> values;
  std::istringstream lines(Fetch(port, "/metrics"));
  for (std::string line; std::getline(lines, line);) {
    const size_t blank = line.rfind(' ');
    if (blank != line.npos && line.starts_with("weir_")) values[line.substr(0, blank)] = std::atof(line.c_str() + blank);
  }
  return values;
}

// --- Clients.

enum class Role {
  kRest,       // an open connection that asks nothing
  kStream,     // reads an answer word by word, to its end
  kLeave,      // leaves in the midst of one
  kWhole,      // waits for a whole answer, or no longer
  kMalformed,  // expects a refusal
  kHalf,       // sends half a request and goes
  kLook,       // the page, the metrics
};

struct Counts {
  int64_t answers = 0, left = 0, busy = 0, refused = 0, halves = 0, looks = 0, tokens = 0;
  std::map<std::string, int64_t> failures;
};

struct Client {
  int fd = -1;
  Role role = Role::kRest;
  int64_t until_ns = 0;  // the end of a rest, or of patience
  bool waits = false;    // for an answer
  int n_events = 0, leave_after = 0;
  int64_t last_ns = 0;
  std::string unread;
};

class Crowd {
 public:
  Crowd(int port, const Options& options) : port_(port), options_(options), clients_(options.n_connections) {}

  void Run(int64_t end_ns) {
    while (NowNs() < end_ns) {
      const int64_t now = NowNs();
      for (Client& client : clients_) {
        if (now >= client.until_ns) Next(client, now);
      }
      CheckHealth(now);
      Poll();
    }
    for (Client& client : clients_) Hang(client);
    if (health_fd_ >= 0) close(health_fd_);
  }

  Counts counts;
  std::vector<int64_t> gaps_ns, health_ns;

 private:
  int64_t Random(int64_t from, int64_t to) { return std::uniform_int_distribution<int64_t>(from, to)(random_); }

  void Hang(Client& client) {
    if (client.fd >= 0) close(client.fd);
    if (client.waits && Asks(client.role)) --n_asking_;
    client = {};
  }
  static bool Asks(Role role) { return role == Role::kStream || role == Role::kLeave || role == Role::kWhole; }

  void Fail(Client& client, const std::string& how) {
    ++counts.failures[how];
    Hang(client);
    client.until_ns = NowNs() + 100 * kMs;
  }

  /// The end of a rest, of patience, or of an answer: something else now.
  void Next(Client& client, int64_t now) {
    if (client.waits && client.role == Role::kWhole) {
      ++counts.left;
      Hang(client);
    } else if (client.waits) {
      return Fail(client, fmt::format("no answer within {} s to role {}", kPatience / kSecond, int(client.role)));
    } else if (client.role == Role::kHalf) {
      ++counts.halves;
      Hang(client);
    }
    if (client.fd < 0 && (client.fd = Connect(port_)) < 0) return Fail(client, "cannot connect");
    Begin(client, now);
  }

  void Begin(Client& client, int64_t now) {
    const int64_t die = Random(0, 99);
    // More than there are places: some wait, and now and then one is told to come back.
    const bool room = n_asking_ < 2 * options_.n_users + options_.n_users / 16;
    client.role = room && die < 45   ? Role::kStream
                  : room && die < 60 ? Role::kLeave
                  : room && die < 70 ? Role::kWhole
                  : die < 80         ? Role::kMalformed
                  : die < 85         ? Role::kHalf
                  : die < 90         ? Role::kLook
                                     : Role::kRest;
    client.n_events = 0;
    client.last_ns = 0;
    client.leave_after = static_cast<int>(Random(0, 20));
    client.unread.clear();
    client.waits = client.role != Role::kRest && client.role != Role::kHalf;
    client.until_ns = now + kPatience;
    if (client.role == Role::kRest) client.until_ns = now + Random(200, 2000) * kMs;
    if (client.role == Role::kHalf) client.until_ns = now + Random(1, 1000) * kMs;
    if (client.role == Role::kWhole) client.until_ns = now + Random(1, 20'000) * kMs;
    if (Asks(client.role)) ++n_asking_;
    const std::string request = RequestOf(client.role);
    if (!request.empty() && send(client.fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
      Hang(client);  // the server closed a connection that rested for too long
    }
  }

  std::string Ask(bool stream) {
    std::string words;
    for (int64_t i = Random(4, 120); i > 0; --i) words += fmt::format("{} ", Random(0, 999));
    return Post("/v1/completions", fmt::format(R"({{"prompt":"{}","max_tokens":{},"ignore_eos":true,"stream":{}}})",
                                               words, Random(16, 96), stream));
  }

  std::string RequestOf(Role role) {
    static const std::vector<std::string> kMalformed = {
        Post("/v1/completions", "{"),
        Post("/v1/chat/completions", R"({"messages":"hello"})"),
        Post("/v1/completions", R"({"prompt":"a","max_tokens":-5})"),
        Post("/v1/completions", std::string(1000, '[')),
        Post("/v1/completions", "\xff\xfe{}"),
        Post("/nowhere", "{}"),
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01 this is no HTTP\r\n\r\n",
        "GET /" + std::string(70'000, 'a') + " HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    };
    switch (role) {
      case Role::kRest: return {};
      case Role::kStream:
      case Role::kLeave: return Ask(true);
      case Role::kWhole: return Ask(false);
      case Role::kMalformed: return kMalformed[static_cast<size_t>(Random(0, int64_t(kMalformed.size()) - 1))];
      case Role::kHalf: {
        const std::string all = Ask(true);
        return all.substr(0, static_cast<size_t>(Random(1, int64_t(all.size()) - 1)));
      }
      case Role::kLook: return Get(Random(0, 1) ? "/metrics" : "/v1/models");
    }
    return {};
  }

  void Poll() {
    std::vector<pollfd> fds;
    std::vector<Client*> whose;
    for (Client& client : clients_) {
      if (client.fd < 0) continue;
      fds.push_back({client.fd, POLLIN, 0});
      whose.push_back(&client);
    }
    if (health_fd_ >= 0) fds.push_back({health_fd_, POLLIN, 0});
    if (poll(fds.data(), fds.size(), 5) <= 0) return;
    if (health_fd_ >= 0 && fds.back().revents) ReadHealth();
    for (size_t i = 0; i < whose.size(); ++i) {
      if (fds[i].revents) Read(*whose[i]);
    }
  }

  void Read(Client& client) {
    char bytes[16384];
    const ssize_t n = recv(client.fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return Ended(client);
    client.unread.append(bytes, static_cast<size_t>(n));
    if (!client.waits) return;
    if (client.role == Role::kStream || client.role == Role::kLeave) ReadEvents(client);
    if (client.fd >= 0 && client.waits) ReadStatus(client);
  }

  /// The server has closed: as it should after what was malformed and after long rests.
  void Ended(Client& client) {
    if (client.waits && client.role != Role::kMalformed && client.unread.find("HTTP/1.1 503") != 0) {
      return Fail(client, fmt::format("closed without an answer to role {}", int(client.role)));
    }
    if (client.waits && client.role == Role::kMalformed) ++counts.refused;
    Hang(client);
    client.until_ns = NowNs() + Random(1, 300) * kMs;
  }

  void ReadEvents(Client& client) {
    const int64_t now = NowNs();
    size_t from = 0;
    for (size_t at; (at = client.unread.find("data: {", from)) != std::string::npos; from = at + 7) {
      ++client.n_events;
      ++counts.tokens;
      if (client.last_ns > 0) gaps_ns.push_back(now - client.last_ns);
      client.last_ns = now;
    }
    if (client.role == Role::kLeave && client.n_events > client.leave_after) {
      ++counts.left;
      Hang(client);
      client.until_ns = now + Random(1, 200) * kMs;
    } else if (from > 0) {
      client.unread.erase(12, std::max<size_t>(from, 13) - 12);  // the status stays
    }
  }

  void ReadStatus(Client& client) {
    const std::string& text = client.unread;
    if (text.size() < 12) return;
    const int status = std::atoi(text.c_str() + 9);
    const bool stream = status == 200 && (client.role == Role::kStream || client.role == Role::kLeave);
    const size_t head = text.find("\r\n\r\n"), length = text.find("Content-Length: ");
    if (stream ? text.find("data: [DONE]\n\n\r\n0\r\n\r\n") == text.npos
               : head == text.npos || length == text.npos ||
                     text.size() < head + 4 + static_cast<size_t>(std::atoi(text.c_str() + length + 16))) {
      return;
    }
    const bool wrong = client.role == Role::kMalformed ? status < 400 || (status >= 500 && status != 505)
                                                       : status != 200 && status != 429;
    if (wrong) return Fail(client, fmt::format("status {} for role {}", status, int(client.role)));
    ++(client.role == Role::kMalformed ? counts.refused : status == 429 ? counts.busy
       : client.role == Role::kLook    ? counts.looks
                                       : counts.answers);
    if (Asks(client.role)) --n_asking_;
    client.waits = false;
    client.role = Role::kRest;
    if (text.find("\r\nConnection: close\r\n") != text.npos) Hang(client);
    client.until_ns = NowNs() + (status == 429 ? kSecond : Random(1, 100) * kMs);
  }

  void CheckHealth(int64_t now) {
    if (health_sent_ns_ > 0 || now < next_health_ns_) return;
    if (health_fd_ < 0) health_fd_ = Connect(port_);
    if (health_fd_ < 0) {
      ++counts.failures["/health: cannot connect"];
      return;
    }
    const std::string request = Get("/health");
    health_sent_ns_ = NowNs();
    next_health_ns_ = now + kHealthPeriod;
    health_text_.clear();
    send(health_fd_, request.data(), request.size(), MSG_NOSIGNAL);
  }

  void ReadHealth() {
    char bytes[4096];
    const ssize_t n = recv(health_fd_, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      ++counts.failures["/health: closed"];
      close(std::exchange(health_fd_, -1));
      health_sent_ns_ = 0;
      return;
    }
    health_text_.append(bytes, static_cast<size_t>(n));
    if (health_text_.find("}") == std::string::npos) return;
    if (!health_text_.starts_with("HTTP/1.1 200")) ++counts.failures["/health: " + health_text_.substr(0, 12)];
    health_ns.push_back(NowNs() - std::exchange(health_sent_ns_, 0));
    if (health_ns.size() % 4 == 0) close(std::exchange(health_fd_, -1));  // also what a new connection takes
  }

  const int port_;
  const Options& options_;
  std::mt19937_64 random_{1};
  std::vector<Client> clients_;
  int64_t n_asking_ = 0;
  int health_fd_ = -1;
  int64_t health_sent_ns_ = 0, next_health_ns_ = 0;
  std::string health_text_;
};

// --- The verdict.

double QuantileMs(std::vector<int64_t>& values, double q) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<int64_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return static_cast<double>(*at) / kMs;
}

int n_failed = 0;

void Expect(bool held, const std::string& what) {
  fmt::print("{} {}\n", held ? "ok    " : "FAILED", what);
  if (!held) ++n_failed;
}

bool IsIdle(std::map<std::string, double> metrics) {
  return metrics["weir_ready"] == 1 && metrics["weir_active"] == 0 && metrics["weir_queued"] == 0 &&
         metrics["weir_requests_in_flight"] == 0 && metrics["weir_connections"] <= 1;
}

/// What the server holds once nobody asks any more: the metrics, which may still be those of a busy one.
std::map<std::string, double> AwaitIdle(int port) {
  std::map<std::string, double> metrics;
  for (int64_t end = NowNs() + kPatience; NowNs() < end; usleep(50'000)) {
    if (IsIdle(metrics = ReadMetrics(port))) break;
  }
  return metrics;
}

int Run(const Options& options) {
  ServerProcess server(options);
  if (server.port() == 0) {
    fmt::print("FAILED the server did not start\n");
    return 1;
  }
  AwaitIdle(server.port());
  usleep(200'000);
  const int64_t n_fds = server.Count("fd");

  Crowd warm_up(server.port(), options);
  warm_up.Run(NowNs() + static_cast<int64_t>(options.seconds / 4 * kSecond));
  AwaitIdle(server.port());
  const int64_t n_bytes = server.ResidentBytes(), n_threads = server.Count("task");

  Crowd crowd(server.port(), options);
  crowd.Run(NowNs() + static_cast<int64_t>(options.seconds * kSecond));
  std::map<std::string, double> metrics = AwaitIdle(server.port());

  const Counts& counts = crowd.counts;
  fmt::print("{} answers, {} left early, {} told to come back, {} refused, {} half requests, {} looks, {} tokens\n",
             counts.answers, counts.left, counts.busy, counts.refused, counts.halves, counts.looks, counts.tokens);
  const double itl = QuantileMs(crowd.gaps_ns, 0.5), itl99 = QuantileMs(crowd.gaps_ns, 0.99);
  const double health = QuantileMs(crowd.health_ns, 0.5), health99 = QuantileMs(crowd.health_ns, 0.99);
  fmt::print("ITL median {:.1f} ms, p99 {:.1f} ms; /health median {:.2f} ms, p99 {:.2f} ms ({} times)\n", itl, itl99,
             health, health99, crowd.health_ns.size());
  for (const auto& [how, n] : counts.failures) Expect(false, fmt::format("{} times: {}", n, how));
  Expect(server.alive(), "the server lives");
  Expect(counts.answers > 0 && counts.left > 0 && counts.refused > 0, "every kind of client was served");
  Expect(IsIdle(metrics),
         fmt::format("at the end {} computed, {} queued, {} in flight, {} connected (this one)", metrics["weir_active"],
                     metrics["weir_queued"], metrics["weir_requests_in_flight"], metrics["weir_connections"]));
  Expect(metrics["weir_kv_pages_free"] + metrics["weir_kv_pages_kept"] == metrics["weir_kv_pages"],
         fmt::format("pages: {} free + {} kept = {}", metrics["weir_kv_pages_free"], metrics["weir_kv_pages_kept"],
                     metrics["weir_kv_pages"]));
  // The connection that the metrics came by may not be closed yet, here or at the start.
  for (int i = 0; i < 100 && server.Count("fd") > n_fds; ++i) usleep(50'000);
  const int64_t more_fds = server.Count("fd") - n_fds, more_threads = server.Count("task") - n_threads;
  const int64_t more_bytes = server.ResidentBytes() - n_bytes;
  Expect(more_fds <= 0, fmt::format("{} descriptors more than at the start", more_fds));
  Expect(more_threads <= options.n_users, fmt::format("{} threads more than after the warm-up", more_threads));
  if (options.times) {
    Expect(more_bytes < kLeakBytes, fmt::format("{:.1f} MB more than after the warm-up", double(more_bytes) * 1e-6));
    Expect(itl99 <= kMostItlRatio * itl, fmt::format("p99 of ITL is {:.1f} times the median", itl99 / itl));
    Expect(health99 <= kMostHealthMs, fmt::format("p99 of /health is {:.1f} ms", health99));
  }
  const int exit_code = server.Terminate();
  Expect(exit_code == 0, fmt::format("after SIGTERM it ends with {}", exit_code));
  return n_failed > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (argument == "--") {
      options.serve.assign(argv + i + 1, argv + argc);
      break;
    }
    if (argument == "--seconds") {
      options.seconds = std::atof(value());
    } else if (argument == "--connections") {
      options.n_connections = std::atoi(value());
    } else if (argument == "--users") {
      options.n_users = std::atoi(value());
    } else if (argument == "--no-times") {
      options.times = false;
    } else {
      (options.weir.empty() ? options.weir : options.model) = argument;
    }
  }
  if (options.model.empty() || options.seconds <= 0 || options.n_connections < 1 || options.n_users < 1) {
    fmt::print(stderr, "usage: {} WEIR MODEL [--seconds N] [--connections N] [--users N] [--no-times] [-- ...]\n",
               argv[0]);
    return 2;
  }
  return Run(options);
}
