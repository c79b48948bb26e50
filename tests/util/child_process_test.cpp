#include "util/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "temp_folder.h"

namespace weir {
namespace {

template <class Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

int PidIn(const std::string& path) {
  int pid = 0;
  EXPECT_TRUE(Eventually([&] { return static_cast<bool>(std::ifstream(path) >> pid); })) << path;
  return pid;
}

bool Runs(int pid) { return kill(pid, 0) == 0; }

/// Starts a program that ignores SIGTERM, with a child that has a session of its own.
std::string Stubborn(const TempFolder& folder) {
  return "trap '' TERM; echo $$ > " + (folder / "a") + "; setsid sh -c 'echo $$ > " + (folder / "b") +
         "; sleep 1000' & sleep 1000";
}

TEST(ChildProcess, RunsWithItsOutputInTheLog) {
  const TempFolder folder;
  auto child = ChildProcess::Start({{"sh", "-c", "echo one; echo two >&2; exit 3"}, folder / "log"});
  ASSERT_TRUE(child.ok()) << child.error().message;
  EXPECT_TRUE(Eventually([&] { return (*child)->ExitCode().has_value(); }));
  EXPECT_EQ((*child)->ExitCode(), 3);
  EXPECT_EQ((*child)->LogEnd(), "one\ntwo\n");
}

TEST(ChildProcess, SaysThatThereIsNoSuchProgram) {
  const TempFolder folder;
  EXPECT_EQ(ChildProcess::Start({{"/no/such/program"}, folder / "log"}).error().message,
            "/no/such/program: No such file or directory");
  EXPECT_FALSE(ChildProcess::Start({{"sh"}, folder / "no/folder"}).ok());
  EXPECT_FALSE(ChildProcess::Start({{}, folder / "log"}).ok());
}

TEST(ChildProcess, StopTakesAllOfItsChildrenAlong) {
  const TempFolder folder;
  auto child = ChildProcess::Start({{"sh", "-c", Stubborn(folder)}, folder / "log", 50});
  ASSERT_TRUE(child.ok());
  const int a = PidIn(folder / "a"), b = PidIn(folder / "b");
  EXPECT_TRUE(Runs(a) && Runs(b));
  EXPECT_GE((*child)->CountThreads(), 2);
  (*child)->Stop();
  EXPECT_FALSE(Runs(a));
  EXPECT_FALSE(Runs(b));
}

TEST(ChildProcess, WhatAShellStartedHasTimeToEnd) {
  const TempFolder folder;
  std::ofstream(folder / "script") << "trap 'sleep 0.2; echo bye > " << folder / "last" << "; exit' TERM\n"
                                   << "echo $$ > " << folder / "a" << "\nwhile :; do sleep 0.01; done\n";
  auto child = ChildProcess::Start({{"sh", "-c", "sh " + (folder / "script") + "; true"}, folder / "log"});
  ASSERT_TRUE(child.ok());
  const int a = PidIn(folder / "a");
  (*child)->Stop();
  EXPECT_FALSE(Runs(a));
  EXPECT_TRUE(std::filesystem::exists(folder / "last"));
}

TEST(ChildProcess, NothingOutlivesUsHoweverWeEnd) {
  const TempFolder folder;
  const pid_t us = fork();
  if (us == 0) {
    auto child = ChildProcess::Start({{"sh", "-c", Stubborn(folder)}, folder / "log", 50});
    pause();
    _exit(0);
  }
  const int a = PidIn(folder / "a"), b = PidIn(folder / "b");
  kill(us, SIGKILL);
  waitpid(us, nullptr, 0);
  EXPECT_TRUE(Eventually([&] { return !Runs(a) && !Runs(b); }));
}

TEST(ChildProcess, AChildThatEndsTakesItsChildrenAlong) {
  const TempFolder folder;
  auto child = ChildProcess::Start({{"sh", "-c", "setsid sh -c 'echo $$ > " + (folder / "b") +
                                                     "; sleep 1000' & while [ ! -s " + (folder / "b") + " ]; do :; done"},
                                    folder / "log"});
  ASSERT_TRUE(child.ok());
  const int b = PidIn(folder / "b");
  EXPECT_TRUE(Eventually([&] { return !Runs(b); }));
  EXPECT_TRUE(Eventually([&] { return (*child)->ExitCode() == 0; }));
}

TEST(OutputOf, IsWhatACommandPrints) {
  EXPECT_EQ(OutputOf({"echo", "hello"}, 5000), "hello\n");
  EXPECT_EQ(OutputOf({"false"}, 5000), std::nullopt);
  EXPECT_EQ(OutputOf({"sleep", "100"}, 50), std::nullopt);
  EXPECT_EQ(OutputOf({"/no/such/program"}, 5000), std::nullopt);
}

}  // namespace
}  // namespace weir
