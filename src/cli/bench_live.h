// What one sees while a campaign runs.
#pragma once

#include <string>

#include "bench/bench.h"

namespace weir {

/// "▁▄█": the last `most` values, the greatest of them as a full block.
std::string Sparkline(const std::vector<double>& values, size_t most);

/// One line, at most `width` columns: which cell of how many, how long it will take, what the target does now.
std::string LiveLine(const BenchProgress& progress, int width);

/// The line on a terminal's stderr, rewritten in place; elsewhere a line every half minute.
class LiveView {
 public:
  explicit LiveView(int width);
  ~LiveView();  // clears the line
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  void Show(const BenchProgress& progress);

 private:
  const bool on_terminal_;
  const int width_;
  int64_t begin_ns_, last_ns_ = 0;
  bool shown_ = false;
};

}  // namespace weir
