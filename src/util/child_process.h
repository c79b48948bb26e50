// A program of somebody else's that must not outlive us.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "util/error.h"

namespace weir {

struct ChildOptions {
  std::vector<std::string> command;  // program, found by $PATH, and arguments
  std::string log_path;              // of its stdout and stderr; an old one is overwritten
  int stop_ms = 5000;                // from SIGTERM to SIGKILL
};

/// Between us and the program stands a keeper: a process that is told by a pipe when we stop or die, of whatever,
/// and then ends the program and all that it has started, daemons of it too.
class ChildProcess {
 public:
  /// kBadInput if there is no such program.
  static Result<std::unique_ptr<ChildProcess>> Start(const ChildOptions& options);
  /// Stops.
  ~ChildProcess();

  /// SIGTERM for the program and its group, and after a while SIGKILL for everything; returns when all of it is gone.
  void Stop();
  /// Once it has ended: its exit code, 128 + N after signal N.
  std::optional<int> ExitCode();
  /// Of the program and all its children, at this moment.
  int CountThreads() const;
  /// The last lines of its log.
  std::string LogEnd() const;

 private:
  ChildProcess(int keeper, int life, std::string log_path)
      : keeper_(keeper), life_(life), log_path_(std::move(log_path)) {}

  int keeper_;  // process id; -1: gone
  int life_;    // its closing tells the keeper to end it all
  std::string log_path_;
  std::optional<int> exit_code_;
};

/// What a command prints to stdout and stderr, the last 2000 bytes of it; nothing if it cannot run, fails, or takes
/// longer than timeout_ms.
std::optional<std::string> OutputOf(const std::vector<std::string>& command, int timeout_ms);

}  // namespace weir
