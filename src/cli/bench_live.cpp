#include "cli/bench_live.h"

#include <algorithm>
#include <cstdio>

#include "cli/format.h"
#include "util/clock.h"
#include "util/terminal.h"

namespace weir {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kQuietNs = 2 * kSecond, kLogNs = 30 * kSecond;
constexpr size_t kSparks = 12;

}  // namespace

std::string Sparkline(const std::vector<double>& values, size_t most) {
  static constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const size_t n = std::min(most, values.size());
  double greatest = 0;
  for (size_t i = values.size() - n; i < values.size(); ++i) greatest = std::max(greatest, values[i]);
  std::string text;
  for (size_t i = values.size() - n; i < values.size(); ++i) {
    const double share = greatest > 0 ? std::max(0.0, values[i]) / greatest : 0;
    text += kBlocks[std::min<size_t>(7, static_cast<size_t>(share * 8))];
  }
  return text;
}

std::string LiveLine(const BenchProgress& progress, int width) {
  // What changes comes first: the end of a line may not fit.
  std::string line = fmt::format("cell {} of {}, {} left", std::min(progress.n_ended + 1, progress.n_cells),
                                 progress.n_cells, Duration(progress.total_ms - progress.done_ms));
  if (progress.tok_s > 0) line += fmt::format(", {:.3g} tok/s", progress.tok_s);
  if (progress.ttft_ms) line += fmt::format(", TTFT {:.3g} ms", *progress.ttft_ms);
  if (progress.history.size() > 1) line += " " + Sparkline(progress.history, kSparks);
  if (!progress.flags.empty()) {
    line += fmt::format(", {} flag{}: {}", progress.flags.size(), progress.flags.size() == 1 ? "" : "s",
                        progress.flags.back());
  }
  line += ", " + Escaped(progress.doing);
  return Shorten(line, width);
}

LiveView::LiveView(int width) : on_terminal_(StderrIsTerminal()), width_(width), begin_ns_(NowNs()) {}

LiveView::~LiveView() {
  if (shown_ && on_terminal_) fmt::print(stderr, "\r\x1b[K");
}

void LiveView::Show(const BenchProgress& progress) {
  const int64_t now = NowNs();
  if (now - begin_ns_ < kQuietNs) return;
  if (!on_terminal_) {
    if (shown_ && now - last_ns_ < kLogNs) return;
    fmt::print(stderr, "bench: {}\n", LiveLine(progress, 200));
  } else {
    if (shown_ && now - last_ns_ < kSecond / 5) return;
    fmt::print(stderr, "\r{}\x1b[K", LiveLine(progress, width_ - 1));
  }
  std::fflush(stderr);
  last_ns_ = now;
  shown_ = true;
}

}  // namespace weir
