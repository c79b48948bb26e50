#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/format.h"
#include "util/clock.h"
#include "util/interrupt.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr double kQuietSeconds = 2;
constexpr double kTerminalSeconds = 0.1, kPlainSeconds = 15;  // between two lines

std::string Duration(double seconds) {
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  return s < 60 ? fmt::format("{} s", s) : fmt::format("{} min {:02} s", s / 60, s % 60);
}

}  // namespace

Progress::Progress(std::string label)
    : label_(std::move(label)), begin_ns_(NowNs()), on_terminal_(StderrIsTerminal()) {}

Progress::~Progress() {
  if (shown_ && on_terminal_) PrintMessage("\r\x1b[K");
}

void Progress::Update(int64_t done, int64_t total) {
  const int64_t now = NowNs();
  const double elapsed = static_cast<double>(now - begin_ns_) * 1e-9;
  const double since_last = static_cast<double>(now - last_ns_) * 1e-9;
  if (total <= 0 || elapsed < kQuietSeconds) return;
  if (last_ns_ != 0 && since_last < (on_terminal_ ? kTerminalSeconds : kPlainSeconds)) return;
  last_ns_ = now;
  shown_ = true;
  const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  std::string line = fmt::format("{} {:3.0f} %", label_, share * 100);
  const double now_done = static_cast<double>(done - begin_done_), to_do = static_cast<double>(total - begin_done_);
  if (now_done > 0.02 * to_do) {
    line += fmt::format(", about {} left", Duration(std::max(0.0, elapsed * (to_do / now_done - 1))));
  }
  if (on_terminal_) {
    PrintMessage("\r\x1b[K" + Shorten(line, TerminalWidth() - 1));
  } else {
    PrintMessage(line + "\n");
  }
}

std::function<bool(int64_t, int64_t)> Progress::UntilInterrupted() {
  return [this](int64_t done, int64_t total) {
    Update(done, total);
    return !Interrupted();
  };
}

}  // namespace weir
