// An engine that is stuck, and what /health says of it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>

#include <filesystem>
#include <fstream>

#include "server/serving.h"

namespace weir {
namespace {

/// The thread of this process with that name.
pid_t ThreadNamed(const std::string& wanted) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "comm");
    std::string name;
    if (std::getline(file, name) && name == wanted) return std::stoi(entry.path().filename().string());
  }
  return -1;
}

int held_pipe[2];

/// Holds a thread wherever it is, as a kernel that does not end or a lock that nobody gives back would.
class HeldThread {
 public:
  explicit HeldThread(const std::string& name) {
    pid_t thread = -1;
    EXPECT_TRUE(Eventually([&] { return (thread = ThreadNamed(name)) > 0; }));  // it names itself
    EXPECT_EQ(pipe(held_pipe), 0);
    struct sigaction action {};
    action.sa_handler = [](int) {
      char byte;
      while (read(held_pipe[0], &byte, 1) < 0) {}
    };
    sigaction(SIGUSR2, &action, &before_);
    EXPECT_EQ(syscall(SYS_tgkill, getpid(), thread, SIGUSR2), 0);
  }
  ~HeldThread() { Release(); }
  void Release() {
    if (held_pipe[1] < 0) return;
    EXPECT_EQ(write(held_pipe[1], "x", 1), 1);
    held_pipe[1] = -1;
  }

 private:
  struct sigaction before_ {};
};

nlohmann::json LongRequest() {
  return {{"prompt", {1, 2, 3}}, {"max_tokens", 4000}, {"stream", true}, {"ignore_eos", true}};
}

ApiOptions StallsAfterMs(int64_t milliseconds) {
  ApiOptions options;
  options.stall_ns = milliseconds * 1'000'000;
  return options;
}

TEST(Watchdog, AStuckEngineTurnsHealthRedUntilItGoesOn) {
  Serving serving({.max_sequences = 2, .context_tokens = 4096}, StallsAfterMs(300));
  EXPECT_EQ(serving.Get("/health").status, 200);
  Client client(serving.port());
  client.Send(Post("/v1/completions", LongRequest().dump()));
  client.ReadUntil("data: ");
  HeldThread held("weir-engine");
  ClientAnswer health;
  ASSERT_TRUE(Eventually([&] { return (health = serving.Get("/health")).status == 503; }));
  EXPECT_EQ(health.json()["status"], "stalled");
  EXPECT_NE(health.json()["reason"].get<std::string>().find("no step has ended"), std::string::npos);
  // What does not need the engine is answered all the same, and the client may leave.
  EXPECT_EQ(serving.Get("/v1/models").status, 200);
  EXPECT_EQ(serving.Get("/metrics").status, 200);
  client.Hang();
  EXPECT_TRUE(Eventually([&] { return serving.server().n_connections() <= 1; }));
  held.Release();
  EXPECT_TRUE(Eventually([&] { return serving.Get("/health").status == 200 && serving.Idle(); }));
}

TEST(Watchdog, AnEngineThatNeverTakesUpItsWorkIsStuckToo) {
  Serving serving({.max_sequences = 2, .context_tokens = 4096}, StallsAfterMs(300));
  HeldThread held("weir-engine");
  usleep(400'000);
  EXPECT_EQ(serving.Get("/health").status, 200) << "without work nothing is late";
  Client client(serving.port());
  client.Send(Post("/v1/completions", LongRequest().dump()));
  EXPECT_TRUE(Eventually([&] { return serving.Get("/health").status == 503; }));
  held.Release();
  EXPECT_TRUE(Eventually([&] { return serving.Get("/health").status == 200; }));
  client.ReadUntil("data: ");
}

TEST(Watchdog, LongWorkIsNoStall) {
  // 4,000 steps take far longer than 300 ms, each of them far less.
  Serving serving({.max_sequences = 2, .context_tokens = 4096}, StallsAfterMs(300));
  Client client(serving.port());
  client.Send(Post("/v1/completions", LongRequest().dump()));
  for (int i = 0; i < 20; ++i) {
    client.ReadUntil("data: ");
    usleep(20'000);
    EXPECT_EQ(serving.Get("/health").status, 200);
  }
}

}  // namespace
}  // namespace weir
