#include "bench/peer.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <chrono>
#include <sstream>
#include <thread>

#include "util/child_process.h"
#include "util/clock.h"

namespace weir {
namespace {

constexpr auto kHealthPause = std::chrono::milliseconds(100);
constexpr int kVersionMs = 5000;
constexpr std::string_view kPort = "{port}";

std::vector<std::string> Words(std::string_view command) {
  std::istringstream stream{std::string(command)};
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::optional<int> Number(std::string_view text) {
  int value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return whole && value > 0 ? std::optional(value) : std::nullopt;
}

std::string Replaced(std::string text, std::string_view port) {
  for (size_t at; (at = text.find(kPort)) != text.npos;) text.replace(at, kPort.size(), port);
  return text;
}

std::string FreePort() {
  namespace ip = boost::asio::ip;
  boost::asio::io_context context;
  boost::system::error_code error;
  ip::tcp::acceptor acceptor(context);
  acceptor.open(ip::tcp::v4(), error);
  if (!error) acceptor.bind({ip::address_v4::loopback(), 0}, error);
  return std::to_string(acceptor.local_endpoint(error).port());
}

/// The model's file if the command names one, else the program.
std::string NameOf(const std::string& command) {
  const std::vector<std::string> words = Words(command);
  std::string name = words.empty() ? command : words[0];
  for (const std::string& word : words) {
    if (word.ends_with(".gguf")) name = word;
  }
  return name.substr(name.rfind('/') + 1);
}

std::string FirstLine(const std::string& text) { return text.substr(0, std::min(text.find('\n'), size_t{200})); }

class Peer : public Subject {
 public:
  explicit Peer(PeerOptions options) : options_(std::move(options)) {
    row_.name = options_.http.model_name.empty() ? NameOf(options_.command) : options_.http.model_name;
    row_.fingerprint = "behind " + options_.command;
    if (options_.http.serves) row_ = options_.http.serves->row;
  }

  const ModelRow& row() const override { return row_; }
  int64_t context_length() const override { return http_ ? http_->context_length() : 0; }
  const std::vector<int32_t>& prompt_ids() const override { return no_ids_; }
  const Tokenizer* tokenizer() const override { return options_.http.tokenizer.get(); }
  ModelFileRow source_file() const override {
    return options_.http.serves ? options_.http.serves->file : ModelFileRow{};
  }
  TargetFacts facts() const override { return facts_; }
  Result<int64_t> Plan(int, int64_t) const override { return 0; }
  std::optional<StepCost> LeastStep(int users, int64_t position) const override {
    return options_.http.serves ? options_.http.serves->LeastStep(users, position) : std::nullopt;
  }

  Status Load(const OnProgress& on_progress) override {
    const std::string port = FreePort();
    HttpServerOptions http = options_.http;
    http.url = "http://127.0.0.1:" + port;
    WEIR_TRY(child_, ChildProcess::Start({{"/bin/sh", "-c", Replaced(options_.command, port)}, options_.log_path}));
    Status status = WaitUntilHealthy(http, on_progress);
    if (status.ok()) {
      http_ = OpenHttpSubject(http);
      status = http_->Load(on_progress);
    }
    if (!status.ok()) {
      Unload();
      return status;
    }
    DescribeServer();
    return {};
  }

  void Unload() override {
    http_.reset();
    child_.reset();
  }

  Result<std::unique_ptr<Target>> Start(int users, int64_t tokens) override {
    if (!http_) return Failed("{}: is not running", row_.name);
    if (const auto code = child_->ExitCode()) return Ended(*code);
    return http_->Start(users, tokens);
  }

 private:
  Error Ended(int code) const {
    std::string log = child_->LogEnd();
    while (!log.empty() && log.back() == '\n') log.pop_back();
    std::string last = log.substr(log.rfind('\n') + 1);
    return WithHint(Failed("{}: ended with code {}: {}", NameOf(options_.command), code, last),
                    "its output is in " + options_.log_path);
  }

  /// Servers answer before they have loaded their model: with 503, or not at all to one of these.
  static bool Healthy(StreamClient& client, const std::string& url) {
    for (const char* path : {"/v1/models", "/health", "/ready"}) {
      const HttpReply reply = Ask(client, {url + path, std::nullopt});
      const bool must_know = path == std::string_view("/v1/models");
      if (reply.status == 0 || reply.status >= 500 || (must_know && reply.status != 200)) return false;
    }
    return true;
  }

  Status WaitUntilHealthy(const HttpServerOptions& http, const OnProgress& on_progress) {
    HttpServerOptions patient = http;
    patient.silence_seconds = 5;
    StreamClient client(ClientOptions(patient));
    const int64_t begin_ns = NowNs(), most_ns = int64_t{options_.start_seconds} * 1'000'000'000;
    while (!Healthy(client, http.url)) {
      if (const auto code = child_->ExitCode()) return Ended(*code);
      const int64_t past_ns = NowNs() - begin_ns;
      if (past_ns > most_ns) {
        return WithHint(Failed("{}: did not answer at {} within {} s", row_.name, http.url, options_.start_seconds),
                        "its output is in " + options_.log_path);
      }
      if (!on_progress(past_ns, most_ns)) return Error{ErrorCode::kInterrupted, "interrupted", {}};
      std::this_thread::sleep_for(kHealthPause);
    }
    return {};
  }

  void DescribeServer() {
    facts_ = http_->facts();
    if (const std::optional<int> named = ThreadsIn(options_.command)) facts_.threads = named;
    if (!facts_.threads) {
      facts_.threads = child_->CountThreads();
      facts_.flags.push_back({"threads_counted", fmt::format("nobody says how many threads the engine has: {} were "
                                                             "seen in its processes", *facts_.threads)});
    }
    const std::vector<std::string> words = Words(options_.command);
    if (!facts_.version.empty() || words.empty()) return;
    facts_.version = FirstLine(OutputOf({words[0], "--version"}, kVersionMs).value_or(""));
  }

  const PeerOptions options_;
  ModelRow row_;
  TargetFacts facts_;
  const std::vector<int32_t> no_ids_;
  std::unique_ptr<ChildProcess> child_;
  std::unique_ptr<Subject> http_;
};

}  // namespace

std::optional<int> ThreadsIn(std::string_view command) {
  const std::vector<std::string> words = Words(command);
  for (size_t i = 0; i < words.size(); ++i) {
    for (const std::string_view name : {"--threads=", "OMP_NUM_THREADS="}) {
      if (words[i].starts_with(name)) return Number(std::string_view(words[i]).substr(name.size()));
    }
    if ((words[i] == "-t" || words[i] == "--threads") && i + 1 < words.size()) return Number(words[i + 1]);
  }
  return std::nullopt;
}

Result<std::unique_ptr<Subject>> OpenPeer(const PeerOptions& options) {
  if (Words(options.command).empty()) return BadInput("expected the command of a server");
  if (options.command.find(kPort) == std::string::npos) {
    return WithHint(BadInput("{}: where will it listen?", options.command),
                    "write {port} where its port belongs");
  }
  std::unique_ptr<Subject> peer = std::make_unique<Peer>(options);
  return peer;
}

}  // namespace weir
