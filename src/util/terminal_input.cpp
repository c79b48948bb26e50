#include "util/terminal_input.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "util/clock.h"
#include "util/interrupt.h"

namespace weir {
namespace {

// Signals may come to any thread, so waiting is cut into pieces instead of being interrupted.
constexpr int kPollMs = 50;

}  // namespace

bool StdinIsTerminal() { return isatty(STDIN_FILENO); }

InputState WaitForInput(int timeout_ms) {
  for (const int64_t end_ns = NowNs() + int64_t{timeout_ms} * 1'000'000;;) {
    if (Interrupted()) return InputState::kInterrupted;
    const int64_t left_ms = std::max<int64_t>((end_ns - NowNs()) / 1'000'000, 0);
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, static_cast<int>(std::min<int64_t>(left_ms, kPollMs))) > 0) {
      return InputState::kReady;
    }
    if (left_ms == 0) return InputState::kNothing;
  }
}

std::optional<unsigned char> ReadInputByte() {
  for (;;) {
    unsigned char byte = 0;
    const ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 1) return byte;
    if (n == 0 || errno != EINTR) return std::nullopt;
  }
}

void Suspend() { raise(SIGTSTP); }

}  // namespace weir
