// Runs the program as somebody at a terminal does.
#pragma once

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "temp_folder.h"

namespace weir {

/// `weir arguments`, as the shell reads them, on a terminal of its own and with an empty data
/// folder. What it shows is consumed by WaitFor.
class PseudoTerminal {
 public:
  explicit PseudoTerminal(const std::string& arguments, unsigned short columns = 80) {
    winsize size = {};
    size.ws_row = 24;
    size.ws_col = columns;
    const std::string command = "export TERM=xterm LC_ALL=C.UTF-8 XDG_DATA_HOME=" +
                                folder("data") + "; exec " WEIR_BINARY " " + arguments;
    child_ = forkpty(&terminal_, nullptr, nullptr, &size);
    if (child_ != 0) return;
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  ~PseudoTerminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(terminal_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  void Type(const std::string& keys) {
    for (size_t at = 0; at < keys.size();) {
      const ssize_t n = write(terminal_, keys.data() + at, keys.size() - at);
      if (n <= 0) return;
      at += static_cast<size_t>(n);
    }
  }

  /// What is shown up to the end of `text`; "TIMEOUT: " and what there is if it does not come.
  std::string WaitFor(const std::string& text) {
    for (;;) {
      if (const size_t at = shown_.find(text); at != std::string::npos) {
        const std::string until = shown_.substr(0, at + text.size());
        shown_.erase(0, at + text.size());
        return until;
      }
      if (!Read()) return "TIMEOUT: " + shown_;
    }
  }

  /// Waits for the end: the exit code, or -1.
  int Exit() {
    while (Read()) {
    }
    int status = 0;
    if (waitpid(child_, &status, 0) != child_) return -1;
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void Kill(int signal) { kill(child_, signal); }
  const std::string& rest() const { return shown_; }
  std::string folder(const std::string& name) const { return folder_ / name; }

 private:
  bool Read() {
    constexpr int kPatienceMs = 60'000;  // sanitizers on a busy machine
    pollfd ready = {terminal_, POLLIN, 0};
    char chunk[4096];
    if (poll(&ready, 1, kPatienceMs) <= 0) return false;
    const ssize_t n = read(terminal_, chunk, sizeof(chunk));
    if (n <= 0) return false;  // EIO: the other side is closed
    shown_.append(chunk, static_cast<size_t>(n));
    return true;
  }

  TempFolder folder_;
  int terminal_ = -1;
  pid_t child_ = -1;
  std::string shown_;
};

}  // namespace weir
