// The program beside a test, as a server runs.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

/// `weir ARGUMENTS`, killed at the end of this at the latest.
class BackgroundWeir {
 public:
  /// Returns once it has written `until` to stdout; at once if that is empty. Its stderr goes to the file `log`, if one
  /// is named.
  explicit BackgroundWeir(std::vector<std::string> arguments, std::string_view until = "",
                          const std::string& log = "") {
    int out[2];
    EXPECT_EQ(pipe(out), 0);
    arguments.insert(arguments.begin(), WEIR_BINARY);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      if (!log.empty()) dup2(open(log.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
      close(out[0]);
      close(out[1]);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    for (char c; !out_.ends_with(until) && read(out[0], &c, 1) == 1;) out_ += c;
    close(out[0]);
  }
  ~BackgroundWeir() {
    if (pid_ > 0) End(SIGKILL);
  }
  BackgroundWeir(const BackgroundWeir&) = delete;
  BackgroundWeir& operator=(const BackgroundWeir&) = delete;

  const std::string& out() const { return out_; }
  void Signal(int signal) const { kill(pid_, signal); }
  /// For the exit code; negative if a signal was its end.
  int Wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int End(int signal) {
    Signal(signal);
    return Wait();
  }

 private:
  pid_t pid_ = -1;
  std::string out_;
};

}  // namespace weir
