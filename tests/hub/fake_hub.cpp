#include "hub/fake_hub.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "hub/digest.h"

namespace weir {
namespace {

struct File {
  std::string bytes, etag;
  bool lfs;
};

constexpr int kMaxConnections = 2000;  // of one test

std::string ReadRequestText(int socket, const std::atomic<bool>& stop) {
  std::string text;
  char chunk[4096];
  while (text.find("\r\n\r\n") == text.npos && text.size() < 65536 && !stop) {
    pollfd waiting{socket, POLLIN, 0};
    if (poll(&waiting, 1, 50) == 0) continue;
    const ssize_t n = recv(socket, chunk, sizeof(chunk), 0);
    if (n <= 0) return {};
    text.append(chunk, static_cast<size_t>(n));
  }
  return text;
}

FakeRequest ParseRequest(const std::string& text) {
  FakeRequest request;
  size_t at = text.find("\r\n");
  const std::string line = text.substr(0, at);
  request.method = line.substr(0, line.find(' '));
  request.path = line.substr(line.find(' ') + 1);
  request.path = request.path.substr(0, request.path.find(' '));
  while (at != text.npos && at + 2 < text.size()) {
    const size_t begin = at + 2;
    at = text.find("\r\n", begin);
    const std::string header = text.substr(begin, at - begin);
    const size_t colon = header.find(": ");
    if (colon == header.npos) break;
    std::string name = header.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    request.headers[name] = header.substr(colon + 2);
  }
  return request;
}

void SendAll(int socket, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = send(socket, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += static_cast<size_t>(n);
  }
}

}  // namespace

struct FakeHub::State {
  int listener = -1;
  int port = 0;
  std::atomic<bool> stop = false;
  mutable std::mutex mutex;
  std::shared_ptr<std::map<std::string, File>> files =
      std::make_shared<std::map<std::string, File>>();
  FakeHub* cdn = nullptr;
  bool is_cdn = false;
  Mischief mischief;
  std::string token;
  size_t page_size = 1000;
  std::vector<FakeRequest> requests;
  std::vector<std::thread> connections;
  std::thread acceptor;

  void Accept();
  void Serve(int socket);
  FakeReply Answer(const FakeRequest& request);
  FakeReply Tree(const FakeRequest& request);
  FakeReply Resolve(const FakeRequest& request, const std::string& path);
};

std::string FakeRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

void FakeHub::State::Accept() {
  while (!stop) {
    pollfd waiting{listener, POLLIN, 0};
    if (poll(&waiting, 1, 20) <= 0) continue;
    const int socket = accept(listener, nullptr, nullptr);
    if (socket < 0) continue;
    if (connections.size() >= kMaxConnections) {
      close(socket);
      continue;
    }
    connections.emplace_back([this, socket] {
      Serve(socket);
      close(socket);
    });
  }
}

void FakeHub::State::Serve(int socket) {
  const std::string text = ReadRequestText(socket, stop);
  if (text.empty()) return;
  const FakeRequest request = ParseRequest(text);
  FakeReply reply;
  Mischief change;
  {
    const std::lock_guard lock(mutex);
    requests.push_back(request);
    reply = Answer(request);
    change = mischief;
  }
  if (change) change(request, reply);
  std::string head = fmt::format("HTTP/1.1 {} Fake\r\nConnection: close\r\n", reply.status);
  for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
  if (reply.claim_length && !reply.headers.contains("Content-Length")) {
    head += fmt::format("Content-Length: {}\r\n", reply.body.size());
  }
  SendAll(socket, head + "\r\n");
  if (request.method == "HEAD") return;
  std::string body = reply.body.substr(0, reply.cut_after.value_or(reply.body.size()));
  if (reply.stall_ms > 0 && !body.empty()) {
    SendAll(socket, body.substr(0, body.size() - 1));
    for (int waited = 0; waited < reply.stall_ms && !stop; waited += 10) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    body = body.substr(body.size() - 1);
  }
  SendAll(socket, body);
  shutdown(socket, SHUT_WR);
}

FakeReply FakeHub::State::Tree(const FakeRequest& request) {
  FakeReply reply;
  const size_t cursor_at = request.path.find("cursor=");
  const size_t first =
      cursor_at == request.path.npos ? 0 : std::stoul(request.path.substr(cursor_at + 7));
  nlohmann::json list = nlohmann::json::array();
  size_t i = 0;
  for (const auto& [path, file] : *files) {
    if (i++ < first || i > first + page_size) continue;
    nlohmann::json entry = {
        {"type", "file"}, {"path", path}, {"size", file.bytes.size()}, {"oid", file.etag}};
    if (file.lfs) {
      entry["oid"] = Etag(path, false);
      entry["lfs"] = {{"oid", file.etag}, {"size", file.bytes.size()}, {"pointerSize", 134}};
    }
    list.push_back(entry);
  }
  reply.body = list.dump();
  if (first + page_size < files->size()) {
    reply.headers["Link"] =
        fmt::format("<http://127.0.0.1:{}{}?recursive=true&cursor={}>; rel=\"next\"", port,
                    request.path.substr(0, request.path.find('?')), first + page_size);
  }
  return reply;
}

FakeReply FakeHub::State::Resolve(const FakeRequest& request, const std::string& path) {
  FakeReply reply;
  const auto found = files->find(path);
  if (found == files->end()) {
    reply.status = 404;
    reply.headers["X-Error-Code"] = "EntryNotFound";
    return reply;
  }
  const File& file = found->second;
  if (!is_cdn) reply.headers["X-Repo-Commit"] = commit();
  if (!is_cdn && file.lfs) {
    reply.headers["X-Linked-Etag"] = "\"" + file.etag + "\"";
    reply.headers["X-Linked-Size"] = std::to_string(file.bytes.size());
  }
  if (cdn && file.lfs) {
    reply.status = 302;
    reply.headers["Location"] = cdn->url() + request.path + "?signature=1";
    reply.body = "Found. Redirecting.";
    return reply;
  }
  reply.headers["ETag"] =
      is_cdn ? "\"cdn-" + file.etag.substr(0, 8) + "\"" : "\"" + file.etag + "\"";
  reply.body = file.bytes;
  unsigned long long begin = 0, end = 0;
  if (std::sscanf(request.header("range").c_str(), "bytes=%llu-%llu", &begin, &end) == 2 &&
      begin < file.bytes.size()) {
    reply.status = 206;
    end = std::min<unsigned long long>(end, file.bytes.size() - 1);
    reply.body = file.bytes.substr(begin, end - begin + 1);
    reply.headers["Content-Range"] = fmt::format("bytes {}-{}/{}", begin, end, file.bytes.size());
  }
  return reply;
}

FakeReply FakeHub::State::Answer(const FakeRequest& request) {
  FakeReply reply;
  if (!token.empty() && request.header("authorization") != "Bearer " + token) {
    reply.status = 401;
    reply.headers["X-Error-Code"] = "RepoNotFound";
    return reply;
  }
  const std::string api = "/api/models/org/model/", files_at = "/org/model/resolve/";
  const std::string path = request.path.substr(0, request.path.find('?'));
  if (path == api + "revision/main" || path == api + "revision/" + commit()) {
    reply.body = nlohmann::json{{"id", "org/model"}, {"sha", commit()}}.dump();
  } else if (path == api + "tree/" + commit()) {
    reply = Tree(request);
  } else if (path.starts_with(files_at + commit() + "/") || path.starts_with(files_at + "main/")) {
    reply = Resolve(request, path.substr(path.find('/', files_at.size()) + 1));
  } else {
    reply.status = 404;
    reply.headers["X-Error-Code"] = path.starts_with(api) ? "RevisionNotFound" : "RepoNotFound";
  }
  return reply;
}

FakeHub::FakeHub() : state_(std::make_unique<State>()) {
  state_->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(state_->listener, generic, length) != 0 || listen(state_->listener, 64) != 0 ||
      getsockname(state_->listener, generic, &length) != 0) {
    throw std::runtime_error("no socket on 127.0.0.1");
  }
  state_->port = ntohs(address.sin_port);
  // A proxy of this machine must not see requests to 127.0.0.1.
  setenv("no_proxy", "*", 1);
  state_->acceptor = std::thread([this] { state_->Accept(); });
}

FakeHub::~FakeHub() {
  state_->stop = true;
  state_->acceptor.join();
  for (std::thread& connection : state_->connections) connection.join();
  close(state_->listener);
}

std::string FakeHub::url() const { return fmt::format("http://127.0.0.1:{}", state_->port); }

void FakeHub::Add(const std::string& path, std::string bytes, bool lfs) {
  const std::lock_guard lock(state_->mutex);
  const std::string etag = Etag(bytes, lfs);
  (*state_->files)[path] = {std::move(bytes), etag, lfs};
}

void FakeHub::RedirectTo(FakeHub* cdn) {
  const std::lock_guard lock(state_->mutex);
  state_->cdn = cdn;
  cdn->state_->files = state_->files;
  cdn->state_->is_cdn = true;
}

void FakeHub::SetMischief(Mischief mischief) {
  const std::lock_guard lock(state_->mutex);
  state_->mischief = std::move(mischief);
}

void FakeHub::SetToken(std::string token) {
  const std::lock_guard lock(state_->mutex);
  state_->token = std::move(token);
}

void FakeHub::SetPageSize(size_t n_files) {
  const std::lock_guard lock(state_->mutex);
  state_->page_size = n_files;
}

std::vector<FakeRequest> FakeHub::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

size_t FakeHub::CountRequests(const std::string& part) const {
  size_t n = 0;
  for (const FakeRequest& request : requests()) n += request.has(part) ? 1 : 0;
  return n;
}

std::string FakeHub::Etag(const std::string& bytes, bool lfs) {
  BlobDigest digest(std::string(lfs ? 64 : 40, '0'), static_cast<int64_t>(bytes.size()));
  digest.Add(bytes.data(), bytes.size());
  return digest.Finish();
}

}  // namespace weir
