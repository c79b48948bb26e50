#include "util/child_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "util/clock.h"

namespace weir {
namespace {

// Descriptors in the keeper.
constexpr int kLife = 3, kReport = 4;
constexpr int kPollMs = 20;
constexpr int64_t kLogEnd = 2000;  // bytes

int CodeOf(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Between fork and exec, and in the keeper for good, only what is safe in a signal handler is called: another
// thread may have held any lock when the process was copied.

[[noreturn]] void BecomeProgram(char* const* argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // in case somebody kills the keeper
  setpgid(0, 0);
  execvp(argv[0], argv);
  const int error = errno;
  (void)!write(kReport, &error, sizeof(error));
  _exit(127);
}

/// Kills all children of this process until there are none; those whose parents died have become ours.
void KillAllChildren() {
  char text[4096];
  while (true) {
    const int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;  // a kernel that does not list them
    const ssize_t n = read(file, text, sizeof(text));
    close(file);
    int pid = 0;
    for (ssize_t i = 0; i < n; ++i) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
      } else {
        if (pid > 0) kill(pid, SIGKILL);
        pid = 0;
      }
    }
    if (waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

/// Waits for the program's end or for ours. The code of the program.
int Keep(pid_t program, int stop_ms) {
  int64_t kill_at_ns = 0;  // 0: nobody wants it to end
  int code = 127;
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended == program) {
      code = CodeOf(status);
      if (kill_at_ns == 0) return code;
    }
    if (ended < 0 && errno == ECHILD) return code;
    if (ended > 0) continue;
    if (kill_at_ns > 0) {
      // A shell ends at once, while what it started may still have something to write.
      if (kill(-program, 0) != 0 && errno == ESRCH) return code;
      if (NowNs() > kill_at_ns) return 128 + SIGKILL;
      poll(nullptr, 0, kPollMs);
      continue;
    }
    pollfd life{kLife, POLLIN, 0};
    if (poll(&life, 1, kPollMs) > 0) {
      kill(-program, SIGTERM);  // its group: a shell does not pass it on
      kill_at_ns = NowNs() + int64_t{stop_ms} * 1'000'000;
    }
  }
}

[[noreturn]] void BecomeKeeper(int life, int report, int log, char* const* argv, int stop_ms) {
  setsid();  // a Ctrl-C is ours, not theirs
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) ::signal(signal, SIG_DFL);
  const int null = open("/dev/null", O_RDONLY);
  // First out of the way of each other, then to their places.
  life = fcntl(life, F_DUPFD, 10);
  report = fcntl(report, F_DUPFD, 10);
  log = fcntl(log, F_DUPFD, 10);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  dup2(life, kLife);
  dup2(report, kReport);
  close_range(kReport + 1, ~0U, 0);
  fcntl(kLife, F_SETFD, FD_CLOEXEC);
  fcntl(kReport, F_SETFD, FD_CLOEXEC);
  const pid_t program = fork();
  if (program == 0) BecomeProgram(argv);
  close(kReport);
  const int code = program > 0 ? Keep(program, stop_ms) : 127;
  if (program > 0) kill(-program, SIGKILL);
  KillAllChildren();
  _exit(code);
}

struct Process {
  int parent = 0, threads = 0;
};

std::map<int, Process> AllProcesses() {
  std::map<int, Process> all;
  DIR* const proc = opendir("/proc");
  if (!proc) return all;
  while (const dirent* entry = readdir(proc)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    Process process;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("PPid:")) process.parent = std::atoi(line.c_str() + 5);
      if (line.starts_with("Threads:")) process.threads = std::atoi(line.c_str() + 8);
    }
    all[pid] = process;
  }
  closedir(proc);
  return all;
}

}  // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::Start(const ChildOptions& options) {
  if (options.command.empty()) return BadInput("expected a command");
  std::vector<std::string> words = options.command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int life[2], report[2];
  const int log = open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log < 0) return Failed("{}: {}", options.log_path, std::strerror(errno));
  if (pipe2(life, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
    close(log);
    return Failed("{}: {}", words[0], std::strerror(errno));
  }
  const pid_t keeper = fork();
  if (keeper == 0) BecomeKeeper(life[0], report[1], log, argv.data(), options.stop_ms);
  close(log);
  close(life[0]);
  close(report[1]);
  int error = 0;
  const bool failed = keeper < 0 || read(report[0], &error, sizeof(error)) == sizeof(error);
  close(report[0]);
  // Takes over what has to be closed and waited for.
  std::unique_ptr<ChildProcess> child(new ChildProcess(keeper, life[1], options.log_path));
  if (failed) return BadInput("{}: {}", words[0], std::strerror(error != 0 ? error : EAGAIN));
  return child;
}

ChildProcess::~ChildProcess() { Stop(); }

void ChildProcess::Stop() {
  if (life_ >= 0) close(std::exchange(life_, -1));
  if (keeper_ <= 0) return;
  int status = 0;
  while (waitpid(keeper_, &status, 0) < 0 && errno == EINTR) continue;
  exit_code_ = CodeOf(status);
  keeper_ = -1;
}

std::optional<int> ChildProcess::ExitCode() {
  int status = 0;
  if (keeper_ > 0 && waitpid(keeper_, &status, WNOHANG) == keeper_) {
    exit_code_ = CodeOf(status);
    keeper_ = -1;
  }
  return exit_code_;
}

int ChildProcess::CountThreads() const {
  if (keeper_ <= 0) return 0;
  const std::map<int, Process> all = AllProcesses();
  int n_threads = 0;
  for (auto [pid, process] : all) {
    for (int up = process.parent; up > 1;) {
      if (up == keeper_) {
        n_threads += process.threads;
        break;
      }
      const auto found = all.find(up);
      up = found == all.end() ? 0 : found->second.parent;
    }
  }
  return n_threads;
}

std::string ChildProcess::LogEnd() const {
  std::ifstream file(log_path_, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<int64_t>(file.tellg());
  file.seekg(std::max<int64_t>(size - kLogEnd, 0));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<std::string> OutputOf(const std::vector<std::string>& command, int timeout_ms) {
  char path[] = "/tmp/weir-output-XXXXXX";
  const int file = mkostemp(path, O_CLOEXEC);
  if (file < 0) return std::nullopt;
  close(file);
  std::optional<std::string> output;
  if (auto child = ChildProcess::Start({command, path, 100})) {
    const int64_t end_ns = NowNs() + int64_t{timeout_ms} * 1'000'000;
    std::optional<int> code;
    while (!(code = (*child)->ExitCode()) && NowNs() < end_ns) poll(nullptr, 0, kPollMs);
    (*child)->Stop();
    if (code == 0) output = (*child)->LogEnd();
  }
  unlink(path);
  return output;
}

}  // namespace weir
