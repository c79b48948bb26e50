// weir serve from its start to its end.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>

#include "cli/background_weir.h"
#include "cli/weir_process.h"
#include "server/http_client.h"

namespace weir {
namespace {

/// A server on a port of its own choice.
class ServeProcess {
 public:
  explicit ServeProcess(const std::vector<std::string>& more = {}) : weir_(Arguments(more), "\n}\n", folder_ / "log") {
    plan_ = nlohmann::json::parse(weir_.out(), nullptr, false);
    EXPECT_FALSE(plan_.is_discarded()) << weir_.out();
  }

  const nlohmann::json& plan() const { return plan_; }
  int port() const { return plan_["port"]; }
  std::string log() const { return ReadText(folder_ / "log"); }
  bool Ready() const {
    return Eventually([&] { return Ask(port(), Get("/ready")).status == 200; });
  }
  void Signal(int signal) const { weir_.Signal(signal); }
  int End() { return weir_.Wait(); }

 private:
  static std::vector<std::string> Arguments(const std::vector<std::string>& more) {
    std::vector<std::string> all = {"serve", TestData("weir-tiny-q8_0.gguf"), "--port", "0", "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  TempFolder folder_;
  BackgroundWeir weir_;
  nlohmann::json plan_;
};

TEST(Serve, AnswersAndEndsWhenToldTo) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ServeProcess serve({"--max-users", "2", "--ctx", "300"});
    EXPECT_TRUE(serve.plan()["model"].get<std::string>().ends_with("weir-tiny-q8_0.gguf"));
    EXPECT_EQ(serve.plan()["max_users"], 2);
    EXPECT_EQ(serve.plan()["context_tokens"], 300);
    EXPECT_EQ(serve.plan()["kv_tokens"], 600);
    ASSERT_TRUE(serve.Ready());
    const ClientAnswer answer = Ask(
        serve.port(), Post("/v1/chat/completions",
                           R"({"messages":[{"role":"user","content":"a secret"}],"max_tokens":3})"));
    EXPECT_EQ(answer.status, 200) << answer.body;
    serve.Signal(signal);
    EXPECT_EQ(serve.End(), 0);
    const std::string log = serve.log();
    EXPECT_NE(log.find("POST /v1/chat/completions 200"), std::string::npos) << log;
    EXPECT_EQ(log.find("secret"), std::string::npos);
  }
}

TEST(Serve, LetsAnswersEndButNotForEver) {
  const std::string ask =
      R"({"prompt":[1],"max_tokens":2000,"ignore_eos":true,"stream":true})";
  {
    ServeProcess serve({"--drain", "0"});
    ASSERT_TRUE(serve.Ready());
    Client client(serve.port());
    client.Send(Post("/v1/completions", ask));
    client.ReadUntil("data: ");
    serve.Signal(SIGTERM);
    EXPECT_EQ(serve.End(), 0);
  }
  ServeProcess serve({"--drain", "60"});
  ASSERT_TRUE(serve.Ready());
  Client client(serve.port());
  client.Send(Post("/v1/completions", ask));
  client.ReadUntil("\r\n\r\n");
  serve.Signal(SIGTERM);
  EXPECT_NE(client.ReadUntil("data: [DONE]\n\n").find(R"("finish_reason":"length")"), std::string::npos);
  EXPECT_EQ(serve.End(), 0);
}

TEST(Serve, AnswersToTheNamesItIsGiven) {
  ServeProcess serve({"--allow-host", "Weir.Example.com", "--allow-host", "other.example:8443"});
  const auto status = [&serve](const std::string& host) {
    return Ask(serve.port(), "GET /health HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status;
  };
  for (const char* host : {"weir.example.com", "WEIR.example.com:80", "other.example", "other.example:8443"}) {
    EXPECT_EQ(status(host), 200) << host;
  }
  EXPECT_EQ(status("example.com"), 403);
  serve.Signal(SIGTERM);
  EXPECT_EQ(serve.End(), 0);
}

TEST(Serve, TakesAsManyConnectionsAsItMayOpen) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{std::min<rlim_t>(256, before.rlim_max), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);  // what the server begins with
  ServeProcess serve;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(serve.plan()["max_connections"], std::min<rlim_t>(1024, before.rlim_max - 64));
  serve.Signal(SIGTERM);
  EXPECT_EQ(serve.End(), 0);
}

TEST(Serve, RefusesToBeOpenToAll) {
  const std::string model = "serve " + TestData("weir-tiny-q8_0.gguf") + " --port 0 ";
  const Outcome open = Weir(model + "--host 0.0.0.0");
  EXPECT_EQ(open.exit_code, 2);
  EXPECT_NE(open.err.find("--api-key-file"), std::string::npos);
  EXPECT_EQ(Weir(model + "--host nowhere").exit_code, 2);
  EXPECT_EQ(Weir(model + "--allow-host https://llm.example.org").exit_code, 2);
  EXPECT_EQ(Weir(model + "--api-key-file /nonexistent").exit_code, 2);
  EXPECT_EQ(Weir(model + "--api-key-file /dev/null").exit_code, 2);
  EXPECT_EQ(Weir(model + "--ctx 1000000").exit_code, 2);
  EXPECT_EQ(Weir("serve /nonexistent.gguf").exit_code, 2);
}

TEST(Serve, SaysWhatCannotBe) {
  const Outcome outcome = Weir("serve synth:qwen3.5-27b:Q8_0 --port 0 --max-users 4096 --ctx 262144");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("tokens of all users together"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace weir
