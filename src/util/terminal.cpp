#include "util/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <utility>

namespace weir {
namespace {

std::string_view Environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string_view Style(int file, std::string_view escape) {
  const bool plain = !isatty(file) || !Environment("NO_COLOR").empty() || Environment("TERM") == "dumb";
  return plain ? std::string_view() : escape;
}

}  // namespace

void OpenClosedStreams() {
  // The lowest free descriptor is what open returns: in this order, each its own.
  for (const auto& [file, flags] : {std::pair(STDIN_FILENO, O_WRONLY), {STDOUT_FILENO, O_RDONLY},
                                    {STDERR_FILENO, O_WRONLY}}) {
    if (fcntl(file, F_GETFD) < 0) static_cast<void>(open("/dev/null", flags));
  }
}

bool StdoutIsTerminal() { return isatty(STDOUT_FILENO); }
bool StderrIsTerminal() { return isatty(STDERR_FILENO); }

int TerminalWidth() {
  for (int file : {STDOUT_FILENO, STDERR_FILENO}) {
    winsize size = {};
    if (ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  const std::string_view text = Environment("COLUMNS");
  int columns = 0;
  std::from_chars(text.data(), text.data() + text.size(), columns);
  return columns > 0 ? columns : 80;
}

std::string_view StdoutStyle(std::string_view escape) { return Style(STDOUT_FILENO, escape); }
std::string_view StderrStyle(std::string_view escape) { return Style(STDERR_FILENO, escape); }

}  // namespace weir
