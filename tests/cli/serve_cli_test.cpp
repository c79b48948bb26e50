// weir serve from its start to its end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "cli/weir_process.h"
#include "server/http_client.h"

namespace weir {
namespace {

/// A server on a port of its own choice.
class ServeProcess {
 public:
  explicit ServeProcess(const std::vector<std::string>& more = {}) {
    int out[2];
    EXPECT_EQ(pipe(out), 0);
    std::vector<std::string> arguments = {WEIR_BINARY, "serve", TestData("weir-tiny-q8_0.gguf"),
                                          "--port", "0", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(open((folder_ / "log").c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
      close(out[0]);
      close(out[1]);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    std::string text;
    char c;
    while (read(out[0], &c, 1) == 1) {
      text += c;
      if (text.ends_with("\n}\n")) break;
    }
    close(out[0]);
    plan_ = nlohmann::json::parse(text, nullptr, false);
    EXPECT_FALSE(plan_.is_discarded()) << text;
  }
  ~ServeProcess() {
    if (pid_ > 0) kill(pid_, SIGKILL), End();
  }

  const nlohmann::json& plan() const { return plan_; }
  int port() const { return plan_["port"]; }
  std::string log() const { return ReadText(folder_ / "log"); }
  bool Ready() const {
    return Eventually([&] { return Ask(port(), Get("/ready")).status == 200; });
  }
  void Signal(int signal) const { kill(pid_, signal); }
  /// Waits for the exit code; negative for a signal.
  int End() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  TempFolder folder_;
  pid_t pid_ = -1;
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

TEST(Serve, RefusesToBeOpenToAll) {
  const std::string model = "serve " + TestData("weir-tiny-q8_0.gguf") + " --port 0 ";
  const Outcome open = Weir(model + "--host 0.0.0.0");
  EXPECT_EQ(open.exit_code, 2);
  EXPECT_NE(open.err.find("--api-key-file"), std::string::npos);
  EXPECT_EQ(Weir(model + "--host nowhere").exit_code, 2);
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
